//! A change of a resume on its way: as it came, read and found right, and with its contents in their places.
//! Changes nothing itself; whose resume it is about is the business of `resume`.

use bytes::Bytes;
use url::Url;

use super::content::{self, Content};
use super::file::{self, Kind};
use crate::files::Files;
use base::error::{FieldErrors, Result};
use base::fields::entry::NO_URL;

/// Links of one resume.
pub const LINKS_MAX: usize = 20;
/// Longest link, in bytes.
const LINK_BYTES_MAX: usize = 2048;

/// A file that was brought.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The field that it came in, for complaints.
    pub field: String,
    /// What it was called.
    pub name: String,
    /// What is in it.
    pub content: Bytes,
    /// Whether it is the resume itself, of which there is one.
    pub is_resume: bool,
    /// What it is said to be, if anything is said.
    pub declared: Option<&'static str>,
}

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Files to be added; a resume takes the place of the one before.
    pub uploads: Vec<Upload>,
    /// The links from now on, each with the field it came in; `None` leaves them.
    pub links: Option<Vec<(String, String)>>,
    /// What was wrong before the rules were asked.
    pub errors: FieldErrors,
}

/// What is to be changed, with everything that is wrong with it, whoever it is about.
#[derive(Debug)]
pub struct Checked {
    pub(super) files: Vec<NewFile>,
    pub(super) links: Option<Vec<String>>,
    /// What is wrong.
    pub errors: FieldErrors,
}

/// A file that may be added.
#[derive(Debug)]
pub(super) struct NewFile {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) content: Bytes,
    pub(super) is_resume: bool,
}

/// What is to be changed, with a place for each content.
#[derive(Debug)]
pub struct Noted {
    pub(super) files: Vec<(NewFile, Content)>,
    pub(super) links: Option<Vec<String>>,
    pub(super) must_exist: bool,
}

impl Draft {
    /// Reads it.
    pub fn check(self) -> Checked {
        let mut errors = self.errors;
        let mut files = Vec::new();
        for upload in self.uploads {
            match read(&upload) {
                Ok(file) => files.push(file),
                Err(message) => errors.add(&upload.field, message),
            }
        }
        let links = self.links.as_deref().unwrap_or_default();
        for (field, url) in links {
            let parsed = Url::parse(url).ok().filter(|_| url.len() <= LINK_BYTES_MAX);
            if !parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
                errors.add(field, NO_URL);
            }
        }
        if links.len() > LINKS_MAX {
            let message = format!("A resume has at most {LINKS_MAX} links.");
            errors.add("links", message);
        }
        let links = self
            .links
            .map(|links| links.into_iter().map(|(_, url)| url).collect());
        Checked {
            files,
            links,
            errors,
        }
    }
}

impl Noted {
    /// Puts the contents into their places.
    ///
    /// # Errors
    /// `Unavailable` if that cannot be done now.
    pub async fn put(&self, files: &Files) -> Result<()> {
        for (file, place) in &self.files {
            content::put(files, place, file.content.clone()).await?;
        }
        Ok(())
    }
}

/// The file, or what is wrong with it.
fn read(upload: &Upload) -> Result<NewFile, String> {
    let (kind, content) = file::read(&upload.content)?;
    if let Some(declared) = upload
        .declared
        .filter(|declared| *declared != kind.media_type)
    {
        return Err(format!("This is {}, not {declared}.", kind.media_type));
    }
    Ok(NewFile {
        name: upload.name.clone(),
        kind,
        content,
        is_resume: upload.is_resume,
    })
}
