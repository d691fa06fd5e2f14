//! What the tools of the resume share: how one is shown, and how one comes in.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::failure::Refusal;
use crate::long::LongCall;
use base::error::{Error, FieldErrors};
use learning::career::resume::{self, Draft, Links, Resume, Upload, UploadLink};
use learning::learner::Learner;

/// A resume as it comes in: in the call, or through a link that is asked for by leaving the file out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// User's username
    #[schemars(required)]
    username: Option<String>,
    /// Name of the file, such as "resume.pdf"
    #[schemars(length(max = 255))]
    file_name: Option<String>,
    /// Media type of the file
    file_type: Option<FileType>,
    /// The file in base64, at most 25 MB of it; leave it out to get a link for it
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
        asker: call.caller.into(),
        now: call.now,
    }
}

pub(super) async fn save(
    call: &LongCall<'_>,
    args: Args,
    must_exist: bool,
) -> Result<Output, Refusal> {
    let wants_upload = args.content.is_none() && args.links.is_none();
    let username = args.username.clone();
    let checked = draft(args, call.complaints.clone()).check();
    let Some(username) = username else {
        return Err(Error::Invalid(checked.errors).into());
    };
    let mut tx = call.write().await?;
    let within = call.within(&mut tx);
    let learner = Learner::of(within.tx, &within.caller.user, &username).await?;
    if wants_upload {
        checked.errors.into_result()?;
        return offer(within, &learner, must_exist).await;
    }
    let noted = resume::note(within.tx, &learner, (checked, must_exist), within.now).await?;
    tx.commit().await?;
    noted.put(call.files()).await?;
    let mut tx = call.write().await?;
    let within = call.within(&mut tx);
    let links = links(&within);
    resume::save(within.tx, &learner, noted, within.now).await?;
    let resume = resume::get(within.tx, &learner, &links).await?;
    call.commit(tx).await?;
    Ok(Output {
        resume: Some(resume),
        upload: None,
    })
}

/// The resume as it is, and a link to upload one.
async fn offer(call: Call<'_>, learner: &Learner, must_exist: bool) -> Result<Output, Refusal> {
    let links = links(&call);
    let resume = match resume::get(call.tx, learner, &links).await {
        Err(Error::NotFound(_)) if !must_exist => None,
        found => Some(found?),
    };
    let upload = Some(links.upload(learner));
    Ok(Output { resume, upload })
}

/// What is to be changed, with what is wrong with it so far.
fn draft(args: Args, mut errors: FieldErrors) -> Draft {
    let mut require = |field: &str, message: &str| {
        if !errors.has(field) {
            errors.add(field, message);
        }
    };
    let is_named = args.file_name.is_some() || args.file_type.is_some();
    match &args.content {
        None if is_named => require("content", "This field is required with a name or a type."),
        None => {}
        Some(_) => {
            if args.file_name.is_none() {
                require("file_name", "This field is required with a content.");
            }
            if args.file_type.is_none() {
                require("file_type", "This field is required with a content.");
            }
        }
    }
    let content = args.content.map(|content| BASE64_STANDARD.decode(content));
    let upload = match content {
        None => None,
        Some(Ok(content)) => Some(Upload {
            field: "content".to_owned(),
            name: args.file_name.unwrap_or_default(),
            content: content.into(),
            is_resume: true,
            declared: args.file_type.map(FileType::media_type),
        }),
        Some(Err(_)) => {
            errors.add("content", "Must be base64.");
            None
        }
    };
    let links = args.links.map(|links| {
        let named = links.into_iter().enumerate();
        named
            .map(|(at, url)| (format!("links[{at}]"), url))
            .collect()
    });
    Draft {
        uploads: upload.into_iter().collect(),
        links,
        errors,
    }
}
