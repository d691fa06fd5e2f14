//! What the tools of the resume share: how one is shown, and how one comes in.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::career::resume::{self, Draft, Links, Resume, Upload, UploadLink};
use crate::error::FieldErrors;
use crate::learner::Learner;
use crate::native::failure::Refusal;
use crate::native::tool::Call;

/// A resume as it comes in: in the call, or through a link that is asked for by leaving the file out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Name of the file, such as "resume.pdf"
    #[schemars(length(max = 255))]
    file_name: Option<String>,
    /// Media type of the file
    file_type: Option<FileType>,
    /// The file in base64, at most 3 MB of it; leave it out to get a link for a larger one
    content: Option<String>,
    /// Web addresses that belong to the resume; they take the place of those before
    #[schemars(length(max = 20))]
    links: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
enum FileType {
    #[serde(rename = "application/pdf")]
    Pdf,
    #[serde(rename = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")]
    Docx,
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/jpeg")]
    Jpeg,
    #[serde(rename = "image/webp")]
    Webp,
}

impl FileType {
    fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// The resume as it is now, or where its file can be uploaded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The resume; null until there is one.
    resume: Option<Resume>,
    /// Where to post a form (multipart/form-data) with the file in its field `resume`; null if the file came in the call.
    upload: Option<UploadLink>,
}

pub(super) fn links<'a>(call: &Call<'a>) -> Links<'a> {
    Links {
        vault: call.vault,
        base_url: call.base_url,
        tenant: call.caller.tenant.id,
        viewer: call.caller.user_id(),
        now: call.now,
    }
}

pub(super) async fn save(
    call: &mut Call<'_>,
    args: Args,
    must_exist: bool,
) -> Result<Output, Refusal> {
    let learner = Learner::of(call.tx, &call.caller.user, &args.username).await?;
    let links = links(call);
    if args.content.is_none() && args.links.is_none() {
        require_nothing_else(&args)?;
        let found = resume::get(call.tx, &learner, &links).await;
        let resume = match found {
            Err(crate::error::Error::NotFound(_)) if !must_exist => None,
            found => Some(found?),
        };
        let upload = Some(links.upload(&learner));
        return Ok(Output { resume, upload });
    }
    let change = (draft(args), must_exist);
    resume::save(call.tx, call.files, &learner, change, call.now).await?;
    let resume = resume::get(call.tx, &learner, &links).await?;
    Ok(Output {
        resume: Some(resume),
        upload: None,
    })
}

/// A name or a type of a file that did not come is a mistake.
fn require_nothing_else(args: &Args) -> Result<(), Refusal> {
    let mut errors = FieldErrors::default();
    if args.file_name.is_some() || args.file_type.is_some() {
        errors.add("content", "This field is required with a name or a type.");
    }
    Ok(errors.into_result()?)
}

fn draft(args: Args) -> Draft {
    let mut errors = FieldErrors::default();
    let mut uploads = Vec::new();
    if let Some(content) = &args.content {
        if args.file_name.is_none() {
            errors.add("file_name", "This field is required with a content.");
        }
        if args.file_type.is_none() {
            errors.add("file_type", "This field is required with a content.");
        }
        match BASE64_STANDARD.decode(content) {
            Ok(content) => uploads.push(Upload {
                field: "content".to_owned(),
                name: args.file_name.unwrap_or_default(),
                content: content.into(),
                is_resume: true,
                declared: args.file_type.map(FileType::media_type),
            }),
            Err(_) => errors.add("content", "Must be base64."),
        }
    }
    let links = args.links.map(|links| {
        let named = links.into_iter().enumerate();
        named
            .map(|(at, url)| (format!("links[{at}]"), url))
            .collect()
    });
    Draft {
        uploads,
        links,
        errors,
    }
}
