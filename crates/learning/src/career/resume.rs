//! The resume of a learner: files and links. Each learner has one at most.
//! Gives out no file but through a link that is bound to the caller.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::content;
use super::file::safe_name;
use crate::academy::Json;
use crate::learner::Learner;
use base::clock::{Iso, UnixMs};
use base::error::{Error, Result};
use base::secret::Vault;
use base::sql;
use base::storage::Tx;
use tenancy::auth::link::{Asker, Link};
use tenancy::tenant::TenantId;

use super::draft::NewFile;
pub use super::draft::{Checked, Draft, LINKS_MAX, Noted, Upload};

/// Files of one resume.
const FILES_MAX: i64 = 10;

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
    /// Where it can be had for the next minutes, by the caller.
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

/// Makes links for the caller.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// The master keys, which sign them.
    pub vault: &'a Vault,
    /// Scheme and host, without a slash at the end.
    pub base_url: &'a str,
    /// The tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub asker: Asker,
    /// The current time.
    pub now: UnixMs,
}

impl Links<'_> {
    fn file(&self, id: i64) -> String {
        let link = Link::new(self.tenant.0, self.asker, self.now);
        let token = link.token(self.vault, &file_of(id));
        format!("{}/api/career/files/{id}/?token={token}", self.base_url)
    }

    /// A link under which the resume of this learner may be uploaded.
    pub fn upload(&self, learner: &Learner) -> UploadLink {
        let link = Link::new(self.tenant.0, self.asker, self.now);
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
    /// Where its content lies.
    pub place: String,
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

/// Notes what is to be added to the resume of a learner, whose contents must be in their places before it is saved.
///
/// # Errors
/// `Invalid` with everything that is wrong; `NotFound` if the resume must be there and is not.
pub async fn note(
    tx: &mut Tx,
    learner: &Learner,
    (checked, must_exist): (Checked, bool),
    now: UnixMs,
) -> Result<Noted> {
    require(tx, learner, must_exist).await?;
    checked.errors.into_result()?;
    let mut files = Vec::new();
    for file in checked.files {
        let content = content::note(tx, learner.tenant, &file.content, now).await?;
        files.push((file, content));
    }
    Ok(Noted {
        files,
        links: checked.links,
        must_exist,
    })
}

/// Adds to the resume of a learner, which is made if it is not there and need not be.
///
/// # Errors
/// `NotFound` if it must be there and is not, `Conflict` if it has too many files or this took too long.
pub async fn save(tx: &mut Tx, learner: &Learner, noted: Noted, now: UnixMs) -> Result<()> {
    let stored = require(tx, learner, noted.must_exist).await?;
    let links = noted.links.or(stored.map(|row| row.links.0));
    let resume = sql!(
        tx,
        scalar as i64,
        "INSERT INTO career_resumes (tenant_id, user_id, links, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (user_id) DO UPDATE SET links = excluded.links, updated_at = excluded.updated_at RETURNING id",
        learner.tenant,
        learner.user,
        Json(links.unwrap_or_default()).to_text(),
        now
    )?;
    for (file, content) in &noted.files {
        content::take(tx, content.id, now).await?;
        if file.is_resume {
            remove_main(tx, resume).await?;
        }
        add(tx, (learner, resume), (file, content.id), now).await?;
    }
    if files_of(tx, resume).await?.len() as i64 > FILES_MAX {
        let text = format!("a resume has at most {FILES_MAX} files");
        return Err(Error::Conflict(text));
    }
    Ok(())
}

/// Deletes the resume of a learner, and with it its files.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn delete(tx: &mut Tx, learner: &Learner) -> Result<()> {
    let deleted = sql!(
        tx,
        execute,
        "DELETE FROM career_resumes WHERE tenant_id = $1 AND user_id = $2",
        learner.tenant,
        learner.user
    )?;
    (deleted > 0).then_some(()).ok_or(Error::NotFound("resume"))
}

/// A file of a tenant's resumes.
///
/// # Errors
/// `NotFound` if there is none with this number.
pub async fn file(tx: &mut Tx, tenant: TenantId, id: i64) -> Result<StoredFile> {
    sql!(
        tx,
        fetch_optional as StoredFile,
        "SELECT u.username, f.name, f.media_type, c.place FROM career_files f
         JOIN career_resumes r ON r.id = f.resume_id JOIN users u ON u.id = r.user_id
         JOIN career_contents c ON c.id = f.content_id
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
        "SELECT id, name, kind FROM career_files WHERE resume_id = $1 ORDER BY kind DESC, id",
        resume
    )?)
}

async fn add(
    tx: &mut Tx,
    (learner, resume): (&Learner, i64),
    (file, content): (&NewFile, i64),
    now: UnixMs,
) -> Result<()> {
    let word = if file.is_resume {
        "resume"
    } else {
        "additional"
    };
    sql!(
        tx,
        execute,
        "INSERT INTO career_files (tenant_id, resume_id, name, kind, media_type, size_bytes, content_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        learner.tenant,
        resume,
        safe_name(&file.name, file.kind),
        word,
        file.kind.media_type,
        file.content.len() as i64,
        content,
        now
    )?;
    Ok(())
}

/// The resume, if there is one, and it may only not be there if it need not.
async fn require(tx: &mut Tx, learner: &Learner, must_exist: bool) -> Result<Option<Row>> {
    let stored = find(tx, learner).await?;
    if stored.is_none() && must_exist {
        return Err(Error::NotFound("resume"));
    }
    Ok(stored)
}

async fn remove_main(tx: &mut Tx, resume: i64) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM career_files WHERE resume_id = $1 AND kind = 'resume'",
        resume
    )?;
    Ok(())
}
