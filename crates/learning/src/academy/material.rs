//! Materials: the enablement kit of a course, an organization's own templates, and who has opened what.

use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::enrollment::{self, Enrollment};
use super::json::Json;
use super::{Error, RealmId, Result, course_chat};
use base::clock::UnixMs;
use base::sql;
use base::storage::{Tx, words};

/// The format of every file: see [`document`].
pub const FORMAT: &str = "markdown";

/// What stands between two pages.
pub(super) const PAGE_BREAK: &str = "\n\n";

words! {
    /// What a material is.
    Kind {
        /// Slides of a lesson.
        Slides = "slides",
        /// Prompts to copy.
        Prompts = "prompts",
        /// A form to fill.
        Template = "template",
        /// An exercise.
        Worksheet = "worksheet",
        /// A text to read.
        Guide = "guide",
        /// A film.
        Video = "video",
        /// A page to work on.
        Interactive = "interactive",
        /// A program.
        Tool = "tool",
    }
}

/// A material.
#[derive(Debug, Clone, FromRow, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Its id, `mat_…`.
    pub id: String,
    /// The course whose kit it is in.
    pub course_id: String,
    /// The organization whose own it is.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// Where it stands in the kit.
    #[serde(default)]
    pub position: i64,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What it is.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// The format of its file, such as `pdf`.
    pub format: String,
    /// The name of its file.
    pub file_name: String,
    /// The size of its file, in bytes.
    #[serde(default)]
    pub size_bytes: Option<i64>,
    /// How many pages it has.
    #[serde(default)]
    pub page_count: Option<i64>,
    /// How long a film is, `20:35`.
    #[serde(default)]
    pub duration: Option<String>,
    /// What else is said of it.
    #[serde(default)]
    #[sqlx(try_from = "String")]
    pub metadata: Json<Map<String, Value>>,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

/// The materials of a course in the order of the kit: everybody's, then the organization's own.
///
/// # Errors
/// If the database fails.
pub async fn of_course(
    tx: &mut Tx,
    realm: RealmId,
    course: &str,
    organization: Option<&str>,
) -> Result<Vec<Material>> {
    Ok(sql!(
        tx,
        fetch_all as Material,
        "SELECT * FROM academy_materials WHERE realm_id = $1 AND course_id = $2
           AND (organization_id IS NULL OR organization_id = $3)
         ORDER BY CASE WHEN organization_id IS NULL THEN 0 ELSE 1 END, position, id",
        realm,
        course,
        organization
    )?)
}

/// The material with this id.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Material> {
    sql!(
        tx,
        fetch_optional as Material,
        "SELECT * FROM academy_materials WHERE realm_id = $1 AND id = $2",
        realm,
        id
    )?
    .ok_or(Error::not_found("material"))
}

/// The file of a material: its title, what it is for, and its text.
pub fn document(title: &str, description: &str, text: &str) -> String {
    format!("# {title}\n\n{description}\n\n{text}\n")
}

/// The text of a material, page after page.
///
/// # Errors
/// If the database fails.
pub async fn text(tx: &mut Tx, realm: RealmId, id: &str) -> Result<String> {
    let pages = sql!(
        tx,
        fetch_all as (String,),
        "SELECT body FROM academy_pages WHERE realm_id = $1 AND material_id = $2 ORDER BY page",
        realm,
        id
    )?;
    let pages: Vec<String> = pages.into_iter().map(|(body,)| body).collect();
    Ok(pages.join(PAGE_BREAK))
}

/// A material that a learner opened.
#[derive(Debug, Clone, FromRow)]
pub struct Opened {
    /// The material.
    pub material_id: String,
    /// Its title.
    pub title: String,
    /// When it was last opened.
    pub last_at: UnixMs,
}

/// The materials that were opened with an enrollment, in the order of the kit.
///
/// # Errors
/// If the database fails.
pub async fn opened(tx: &mut Tx, realm: RealmId, enrollment: &str) -> Result<Vec<Opened>> {
    Ok(sql!(
        tx,
        fetch_all as Opened,
        "SELECT a.material_id, m.title, a.last_at FROM academy_accesses a
         JOIN academy_materials m ON m.realm_id = a.realm_id AND m.id = a.material_id
         WHERE a.realm_id = $1 AND a.enrollment_id = $2 ORDER BY m.position, m.id",
        realm,
        enrollment
    )?)
}

/// Notes that a learner opened a material, which brings their enrollment on.
///
/// # Errors
/// If the database fails.
pub async fn note_access(
    tx: &mut Tx,
    realm: RealmId,
    (enrollment, material): (&Enrollment, &str),
    now: UnixMs,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_accesses (realm_id, enrollment_id, material_id, times, was_downloaded, last_at)
         VALUES ($1, $2, $3, 1, TRUE, $4)
         ON CONFLICT (realm_id, enrollment_id, material_id)
         DO UPDATE SET times = academy_accesses.times + 1, was_downloaded = TRUE, last_at = excluded.last_at",
        realm,
        &enrollment.id,
        material,
        now
    )?;
    enrollment::advance(tx, realm, enrollment, now).await
}

/// Adds a material and the text of its pages, which the course chat finds from then on, or replaces the one with this id;
/// who has opened it stays.
///
/// # Errors
/// If the database fails.
pub async fn put(tx: &mut Tx, realm: RealmId, material: &Material, pages: &[String]) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_materials (realm_id, id, course_id, organization_id, position, title, description, kind,
             format, file_name, size_bytes, page_count, duration, metadata, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (realm_id, id) DO UPDATE SET
             course_id = excluded.course_id, organization_id = excluded.organization_id,
             position = excluded.position, title = excluded.title, description = excluded.description,
             kind = excluded.kind, format = excluded.format, file_name = excluded.file_name,
             size_bytes = excluded.size_bytes, page_count = excluded.page_count,
             duration = excluded.duration, metadata = excluded.metadata, updated_at = excluded.updated_at",
        realm,
        &material.id,
        &material.course_id,
        material.organization_id.as_deref(),
        material.position,
        &material.title,
        &material.description,
        material.kind.as_str(),
        &material.format,
        &material.file_name,
        material.size_bytes,
        material.page_count,
        material.duration.as_deref(),
        material.metadata.to_text(),
        material.updated_at
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM academy_pages WHERE realm_id = $1 AND material_id = $2",
        realm,
        &material.id
    )?;
    for (page, body) in (1_i64..).zip(pages) {
        sql!(
            tx,
            execute,
            "INSERT INTO academy_pages (realm_id, material_id, page, body) VALUES ($1, $2, $3, $4)",
            realm,
            &material.id,
            page,
            body
        )?;
        course_chat::index_page(tx, realm, (&material.id, page), body).await?;
    }
    Ok(())
}
