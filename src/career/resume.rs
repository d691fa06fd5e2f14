//! The resume of a learner: files and links. Each learner has one at most.
//! Gives out no file but through a link that is bound to whoever asked.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use url::Url;

use super::file::{recognise, safe_name};
use crate::academy::Json;
use crate::auth::link::Link;
use crate::clock::{Iso, UnixMs};
use crate::error::{Error, FieldErrors, Result};
use crate::files::Files;
use crate::learner::Learner;
use crate::secret::Vault;
use crate::sql;
use crate::storage::Tx;
use crate::tenant::user::UserId;
use crate::tenant::{self, TenantId};

/// Files of one resume.
const FILES_MAX: i64 = 10;
/// Links of one resume.
pub const LINKS_MAX: usize = 20;
/// Longest link, in bytes.
const LINK_BYTES_MAX: usize = 2048;

/// A resume as every wire shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Resume {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub user: i64,
    /// The tenant.
    pub platform: i64,
    /// Its files.
    pub files: Vec<ResumeFile>,
    /// Where else the learner is found.
    pub links: Vec<ResumeLink>,
}

/// A file of a resume.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ResumeFile {
    /// What it is called.
    pub name: String,
    /// Where it can be had for the next minutes, by whoever asked.
    pub url: String,
    /// `resume` or `additional`.
    pub r#type: String,
}

/// A link of a resume.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ResumeLink {
    /// Where it leads.
    pub url: String,
}

/// A link under which a resume may be uploaded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UploadLink {
    /// Where the form is posted.
    pub url: String,
    /// Until when.
    pub expires_at: Iso,
}

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

impl Draft {
    /// Everything that is wrong with it, whoever it is about.
    pub fn complaints(&self) -> FieldErrors {
        let mut errors = self.errors.clone();
        for upload in &self.uploads {
            match (recognise(&upload.content), upload.declared) {
                (Err(message), _) => errors.add(&upload.field, message),
                (Ok(kind), Some(declared)) if kind.media_type != declared => {
                    let message = format!("This is {}, not {declared}.", kind.media_type);
                    errors.add(&upload.field, message);
                }
                (Ok(_), _) => {}
            }
        }
        let links = self.links.as_deref().unwrap_or_default();
        for (field, url) in links {
            let parsed = Url::parse(url).ok().filter(|_| url.len() <= LINK_BYTES_MAX);
            if !parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
                errors.add(field, "Enter a valid URL, such as https://example.com.");
            }
        }
        if links.len() > LINKS_MAX {
            let message = format!("A resume has at most {LINKS_MAX} links.");
            errors.add("links", message);
        }
        errors
    }
}

/// Makes links for whoever asked.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// The master keys, which sign them.
    pub vault: &'a Vault,
    /// Scheme and host, without a slash at the end.
    pub base_url: &'a str,
    /// The tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub viewer: UserId,
    /// The current time.
    pub now: UnixMs,
}

impl Links<'_> {
    fn file(&self, id: i64) -> String {
        let link = Link::new(self.tenant.0, self.viewer, self.now);
        let token = link.token(self.vault, &file_of(id));
        format!("{}/api/career/files/{id}/?token={token}", self.base_url)
    }

    /// A link under which the resume of this learner may be uploaded.
    pub fn upload(&self, learner: &Learner) -> UploadLink {
        let link = Link::new(self.tenant.0, self.viewer, self.now);
        let name = learner.info.username.as_deref().unwrap_or_default();
        let token = link.token(self.vault, &upload_of(name));
        UploadLink {
            url: format!("{}/api/career/uploads/{name}/?token={token}", self.base_url),
            expires_at: Iso(link.expires_at),
        }
    }
}

/// What the token of a link to a file is signed for.
pub fn file_of(id: i64) -> String {
    format!("career/files/{id}")
}

/// What the token of a link for uploads is signed for.
pub fn upload_of(username: &str) -> String {
    format!("career/uploads/{username}")
}

#[derive(Debug, FromRow)]
struct Row {
    id: i64,
    #[sqlx(try_from = "String")]
    links: Json<Vec<String>>,
}

#[derive(Debug, FromRow)]
struct FileRow {
    id: i64,
    name: String,
    kind: String,
    digest: String,
}

/// A stored file, without its content.
#[derive(Debug, Clone, FromRow)]
pub struct StoredFile {
    /// Whose resume it is in.
    pub username: String,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// Under which its content lies.
    pub digest: String,
}

/// The resume of a learner.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, learner: &Learner, links: &Links<'_>) -> Result<Resume> {
    let row = find(tx, learner).await?.ok_or(Error::NotFound("resume"))?;
    let files = files_of(tx, row.id).await?.into_iter();
    let files = files.map(|file| ResumeFile {
        url: links.file(file.id),
        name: file.name,
        r#type: file.kind,
    });
    let links = row.links.0.into_iter().map(|url| ResumeLink { url });
    Ok(Resume {
        id: row.id,
        user: learner.user.0,
        platform: learner.tenant.0,
        files: files.collect(),
        links: links.collect(),
    })
}

/// Adds to the resume of a learner, which is made if it is not there and need not be.
///
/// # Errors
/// `Invalid` with everything that is wrong; `NotFound` if it must be there and is not.
pub async fn save(
    tx: &mut Tx,
    files: &Files,
    learner: &Learner,
    (draft, must_exist): (Draft, bool),
    now: UnixMs,
) -> Result<()> {
    // What one request forgets another must not just have found.
    tenant::hold(tx, learner.tenant).await?;
    let stored = find(tx, learner).await?;
    if stored.is_none() && must_exist {
        return Err(Error::NotFound("resume"));
    }
    draft.complaints().into_result()?;
    let links = match draft.links {
        Some(links) => links.into_iter().map(|(_, url)| url).collect(),
        None => stored.map(|row| row.links.0).unwrap_or_default(),
    };
    let resume = sql!(
        tx,
        scalar as i64,
        "INSERT INTO career_resumes (tenant_id, user_id, links, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (user_id) DO UPDATE SET links = excluded.links, updated_at = excluded.updated_at RETURNING id",
        learner.tenant,
        learner.user,
        Json(links).to_text(),
        now
    )?;
    for upload in draft.uploads {
        if upload.is_resume {
            remove(tx, files, learner, (resume, true)).await?;
        }
        add(tx, files, (learner, resume), upload, now).await?;
    }
    if files_of(tx, resume).await?.len() as i64 > FILES_MAX {
        let text = format!("a resume has at most {FILES_MAX} files");
        return Err(Error::Conflict(text));
    }
    Ok(())
}

/// Deletes the resume of a learner, with its files.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn delete(tx: &mut Tx, files: &Files, learner: &Learner) -> Result<()> {
    tenant::hold(tx, learner.tenant).await?;
    let row = find(tx, learner).await?.ok_or(Error::NotFound("resume"))?;
    remove(tx, files, learner, (row.id, false)).await?;
    sql!(
        tx,
        execute,
        "DELETE FROM career_resumes WHERE id = $1",
        row.id
    )?;
    Ok(())
}

/// A file of a tenant's resumes.
///
/// # Errors
/// `NotFound` if there is none with this number.
pub async fn file(tx: &mut Tx, tenant: TenantId, id: i64) -> Result<StoredFile> {
    sql!(
        tx,
        fetch_optional as StoredFile,
        "SELECT u.username, f.name, f.media_type, f.digest FROM career_files f
         JOIN career_resumes r ON r.id = f.resume_id JOIN users u ON u.id = r.user_id
         WHERE f.tenant_id = $1 AND f.id = $2",
        tenant,
        id
    )?
    .ok_or(Error::NotFound("file"))
}

async fn find(tx: &mut Tx, learner: &Learner) -> Result<Option<Row>> {
    Ok(sql!(
        tx,
        fetch_optional as Row,
        "SELECT id, links FROM career_resumes WHERE tenant_id = $1 AND user_id = $2",
        learner.tenant,
        learner.user
    )?)
}

async fn files_of(tx: &mut Tx, resume: i64) -> Result<Vec<FileRow>> {
    Ok(sql!(
        tx,
        fetch_all as FileRow,
        "SELECT id, name, kind, digest FROM career_files WHERE resume_id = $1 ORDER BY kind DESC, id",
        resume
    )?)
}

async fn add(
    tx: &mut Tx,
    files: &Files,
    (learner, resume): (&Learner, i64),
    upload: Upload,
    now: UnixMs,
) -> Result<()> {
    let kind =
        recognise(&upload.content).map_err(|message| Error::field(&upload.field, message))?;
    let size = upload.content.len() as i64;
    let digest = files.put(learner.tenant.0, upload.content).await?;
    let word = if upload.is_resume {
        "resume"
    } else {
        "additional"
    };
    sql!(
        tx,
        execute,
        "INSERT INTO career_files (tenant_id, resume_id, name, kind, media_type, size_bytes, digest, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        learner.tenant,
        resume,
        safe_name(&upload.name, kind),
        word,
        kind.media_type,
        size,
        digest,
        now
    )?;
    Ok(())
}

/// Removes files of a resume, and their contents unless another file of the tenant has the same.
async fn remove(
    tx: &mut Tx,
    files: &Files,
    learner: &Learner,
    (resume, only_resume): (i64, bool),
) -> Result<()> {
    for file in files_of(tx, resume).await? {
        if only_resume && file.kind != "resume" {
            continue;
        }
        sql!(
            tx,
            execute,
            "DELETE FROM career_files WHERE id = $1",
            file.id
        )?;
        let others = sql!(
            tx,
            scalar as i64,
            "SELECT COUNT(*) FROM career_files WHERE tenant_id = $1 AND digest = $2",
            learner.tenant,
            &file.digest
        )?;
        if others == 0 {
            files.delete(learner.tenant.0, &file.digest).await?;
        }
    }
    Ok(())
}
