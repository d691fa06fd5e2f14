//! `/api/career/resume/…`: the resume of a learner, read as JSON and written as a form, and the links that it is
//! shown and uploaded by. A link is worth nothing without a user who may still do what it was made for.

use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Incoming, QueryParameter, Shape, query, schema_of};
use super::records::of_path;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::fields::kind::Kind;
use base::fields::messages::UNKNOWN;
use base::fields::{
    Body, Fields, Given, Raw, Reader, Request, Upload as Uploaded, optional, request,
};
use base::storage::Tx;
use learning::career::content;
use learning::career::resume::{self, Draft, Links, Resume, Upload};
use learning::learner::Learner;
use tenancy::audit::{self, Entry};
use tenancy::auth::link::{Asker, Link, require_key};
use tenancy::tenant::TenantId;
use tenancy::tenant::user::{self, User};

/// Largest form with a resume, in bytes: two files of the largest size, and the fields beside them.
const FORM_BYTES_MAX: usize = 60 * 1024 * 1024;

request! {
    /// A resume as it is written: `multipart/form-data`, with `link_1`, `link_2` and so on for links.
    struct ResumeRequest {
        /// PDF, DOCX or image, at most 25 MB; takes the place of the one before.
        resume: Option<Vec<Uploaded>> = optional(Files), such as "";
        /// More files, one part each.
        additional_files: Option<Vec<Uploaded>> = optional(Files), such as "";
        /// A web address that belongs to it; those given take the place of those before.
        link_1: Option<Vec<(String, String)>> = optional(NumberedLinks), such as "https://example.com";
    } ignored {
        /// The path says it.
        user = "alice";
        /// The path says it.
        platform = "acme";
    }
}

const REQUEST: Body = Body::partial("ResumeRequest", &[ResumeRequest::TABLE]);

/// Every file of a name.
#[derive(Debug)]
struct Files;

impl Kind for Files {
    type Value = Vec<Uploaded>;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<Vec<Uploaded>> {
        let mut files = Vec::new();
        for (_, raw) in reader.iter().filter(|(known, _)| *known == name) {
            match raw {
                Raw::File(file) => files.push(file.clone()),
                Raw::Texts(_) | Raw::Json(_) => {
                    return reader.refuse(name, "The submitted data was not a file.");
                }
            }
        }
        Given::Value(files)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "binary" })
    }
}

/// Every link, with the name that it came by: `link_1`, `link_2` and so on. None of them leaves those that are stored.
#[derive(Debug)]
struct NumberedLinks;

impl NumberedLinks {
    fn is_name(name: &str) -> bool {
        let number = name.strip_prefix("link_");
        number.is_some_and(|number| number.parse::<u8>().is_ok())
    }
}

impl Kind for NumberedLinks {
    type Value = Vec<(String, String)>;

    fn read(&self, reader: &mut Reader<'_>, _: &str) -> Given<Vec<(String, String)>> {
        let mut links = Vec::new();
        let mut wrong = Vec::new();
        let mut is_given = false;
        for (name, raw) in reader.iter().filter(|(name, _)| Self::is_name(name)) {
            is_given = true;
            match raw {
                Raw::Texts(texts) => {
                    let urls = texts.iter().map(|url| url.trim());
                    let urls = urls.filter(|url| !url.is_empty());
                    links.extend(urls.map(|url| (name.to_owned(), url.to_owned())));
                }
                Raw::Json(_) | Raw::File(_) => wrong.push(name.to_owned()),
            }
        }
        for name in wrong {
            reader.errors.add(&name, UNKNOWN);
        }
        if is_given {
            Given::Value(links)
        } else {
            Given::Absent
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "uri" })
    }
}

const TOKEN: &[QueryParameter] = &[query(
    "token",
    "string",
    "The proof that goes with the link.",
)];
const ONE: Shape = Shape::One(schema_of::<Resume>);

pub(crate) const READ: Endpoint = Endpoint::closed(
    "Reads a learner's resume; its links last for minutes.",
    |call| Box::pin(read(call)),
)
.answers(200, ONE);

pub(crate) const CREATE: Endpoint =
    Endpoint::closed("Uploads files and links of a resume.", |call| {
        Box::pin(write(call, false))
    })
    .form(FORM_BYTES_MAX, REQUEST)
    .answers(200, ONE);

pub(crate) const REPLACE: Endpoint = Endpoint::closed("Changes a resume that is there.", |call| {
    Box::pin(write(call, true))
})
.form(FORM_BYTES_MAX, REQUEST)
.answers(200, ONE);

pub(crate) const DELETE: Endpoint = Endpoint::closed("Deletes a resume with its files.", |call| {
    Box::pin(delete(call))
});

pub(crate) const FILE: Endpoint = Endpoint::open(
    "Serves a file of a resume to the person its link was made for.",
    |incoming| Box::pin(file(incoming)),
)
.query(TOKEN)
.answers(200, Shape::Media("application/octet-stream"));

pub(crate) const UPLOAD: Endpoint = Endpoint::open(
    "Uploads a resume through a link that an agent was given.",
    |incoming| Box::pin(upload(incoming)),
)
.query(TOKEN)
.form(FORM_BYTES_MAX, REQUEST)
.answers(200, ONE);

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let learner = of_path(&mut tx, &call).await?;
    let links = links(&call, call.caller.tenant.id, (&*call.caller).into());
    Answer::ok(&resume::get(&mut tx, &learner, &links).await?)
}

async fn write(call: Call, must_exist: bool) -> Result<Answer> {
    let (app, now) = (&call.app, call.now());
    let change = (draft(&call.fields).check(), must_exist);
    let mut tx = app.db.write().await?;
    let learner = of_path(&mut tx, &call).await?;
    let noted = resume::note(&mut tx, &learner, change, now).await?;
    tx.commit().await?;
    noted.put(&app.files).await?;
    let mut tx = app.db.write().await?;
    resume::save(&mut tx, &learner, noted, now).await?;
    audit::record(&mut tx, &call.entry("resume.update", name_of(&learner))).await?;
    let links = links(&call, call.caller.tenant.id, (&*call.caller).into());
    let resume = resume::get(&mut tx, &learner, &links).await?;
    tx.commit().await?;
    Answer::ok(&resume)
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let learner = of_path(&mut tx, &call).await?;
    resume::delete(&mut tx, &learner).await?;
    audit::record(&mut tx, &call.entry("resume.delete", name_of(&learner))).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

async fn file(incoming: Incoming) -> Result<Answer> {
    let id = incoming.path.id()?;
    let link = link(&incoming, &resume::file_of(id))?;
    let tenant = TenantId(link.place);
    let mut tx = incoming.app.db.read().await?;
    let stored = resume::file(&mut tx, tenant, id).await?;
    holder(&mut tx, (&link, incoming.now()), &stored.username).await?;
    drop(tx);
    let content = content::read(&incoming.app.files, &stored.place).await?;
    let media_type = HeaderValue::try_from(stored.media_type).map_err(Error::internal)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let plain = stored.name.replace(|c| !is_plain(c), "_");
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{plain}\""));
    let fixed = HeaderValue::from_static;
    // The bytes came from outside: whatever they are, a browser must not run them.
    Ok(Answer::bytes(media_type, content)
        .with_header(CONTENT_DISPOSITION, disposition.map_err(Error::internal)?)
        .with_header(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"))
        .with_header(
            CONTENT_SECURITY_POLICY,
            fixed("default-src 'none'; sandbox"),
        )
        .with_header(REFERRER_POLICY, fixed("no-referrer"))
        .with_header(CACHE_CONTROL, fixed("private, no-store")))
}

async fn upload(incoming: Incoming) -> Result<Answer> {
    let username = incoming.path.get("username");
    let link = link(&incoming, &resume::upload_of(username))?;
    let (app, now) = (&incoming.app, incoming.now());
    let change = (draft(&incoming.fields).check(), false);
    let mut tx = app.db.write().await?;
    let (holder, learner) = holder(&mut tx, (&link, now), username).await?;
    let noted = resume::note(&mut tx, &learner, change, now).await?;
    tx.commit().await?;
    noted.put(&app.files).await?;
    let mut tx = app.db.write().await?;
    resume::save(&mut tx, &learner, noted, now).await?;
    let entry = Entry {
        at: now.0,
        tenant_id: learner.tenant.0,
        username: holder.username.clone(),
        action: "resume.upload".to_owned(),
        object: name_of(&learner),
        outcome: "ok",
        request_id: incoming.request_id.as_str().to_owned(),
        ..Entry::default()
    };
    audit::record(&mut tx, &entry).await?;
    let links = links(&incoming, holder.tenant_id, link.asker());
    let resume = resume::get(&mut tx, &learner, &links).await?;
    tx.commit().await?;
    Answer::ok(&resume)
}

/// What the token of a link allows; a bad one answers as a missing file.
fn link(incoming: &Incoming, file: &str) -> Result<Link> {
    let token = match incoming.query.get("token") {
        Some(Raw::Texts(texts)) => texts.last().map(String::as_str),
        _ => None,
    };
    let app = &incoming.app;
    let link = Link::read(&app.vault, file, token.unwrap_or_default(), incoming.now());
    link.ok_or(Error::NotFound("file"))
}

/// Whoever a link was made for, if they are there and may still see this learner.
async fn holder(
    tx: &mut Tx,
    (link, now): (&Link, UnixMs),
    username: &str,
) -> Result<(User, Learner)> {
    require_key(tx, link.key, now).await?;
    let holder = user::get_by_id(tx, TenantId(link.place), link.user).await?;
    let learner = Learner::of(tx, &holder, username).await?;
    Ok((holder, learner))
}

fn links(incoming: &Incoming, tenant: TenantId, asker: Asker) -> Links<'_> {
    Links {
        vault: &incoming.app.vault,
        base_url: &incoming.base_url,
        tenant,
        asker,
        now: incoming.now(),
    }
}

fn name_of(learner: &Learner) -> String {
    format!("resume:{}", learner.user.0)
}

/// What the form asks for, with what is wrong with it so far.
fn draft(fields: &Fields) -> Draft {
    let mut reader = Reader::new(fields);
    let asked = ResumeRequest::read(&mut reader);
    let rows = ResumeRequest::TABLE.rows;
    let is_known =
        |name: &str| NumberedLinks::is_name(name) || rows.iter().any(|row| row.name == name);
    reader.refuse_unknown(is_known);
    if fields
        .names()
        .all(|name| matches!(name, "user" | "platform"))
    {
        reader.errors.add("resume", "No file was submitted.");
    }
    let upload = |field: &'static str, file: Uploaded| Upload {
        field: field.to_owned(),
        name: file.file_name,
        content: file.content,
        is_resume: field == "resume",
        declared: None,
    };
    let resumes = asked.resume.into_iter().flatten();
    let others = asked.additional_files.into_iter().flatten();
    Draft {
        uploads: resumes
            .map(|file| upload("resume", file))
            .chain(others.map(|file| upload("additional_files", file)))
            .collect(),
        links: asked.link_1,
        errors: reader.errors,
    }
}
