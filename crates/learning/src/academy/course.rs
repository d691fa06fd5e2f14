//! Courses: what is taught, at what price, and by whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::json::Json;
use super::{Error, RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::{Tx, words};

words! {
    /// For whom a course is.
    Level {
        /// Nothing is assumed.
        Beginner = "beginner",
        /// Some practice is assumed.
        Intermediate = "intermediate",
        /// Much practice is assumed.
        Advanced = "advanced",
    }
}

/// One module of a curriculum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Module {
    /// 1-based.
    pub module_number: i64,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub topics: Vec<String>,
    /// How long it takes, in words.
    pub duration: String,
}

/// One block of a day in the syllabus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Block {
    /// From when to when, in words.
    pub time: String,
    /// What it is about.
    pub topic: String,
    /// What is done.
    pub activities: Vec<String>,
}

/// A course.
#[derive(Debug, Clone, FromRow, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Its id, `crs_…`.
    pub id: String,
    /// Its id in URLs.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// One line for a catalog.
    pub summary: String,
    /// Some sentences.
    pub description: String,
    /// A paragraph.
    pub long_description: String,
    /// How it is held: `2-day intensive`.
    pub format: String,
    /// How long it takes, in words.
    pub duration: String,
    /// The same for a catalog.
    pub duration_short: String,
    /// For whom it is.
    #[sqlx(try_from = "String")]
    pub level: Level,
    /// What one should bring.
    #[sqlx(try_from = "String")]
    pub prerequisites: Json<Vec<String>>,
    /// What one takes home.
    #[sqlx(try_from = "String")]
    pub objectives: Json<Vec<String>>,
    /// What a certificate attests.
    #[sqlx(try_from = "String")]
    pub skills: Json<Vec<String>>,
    /// Its modules.
    #[sqlx(try_from = "String")]
    pub curriculum: Json<Vec<Module>>,
    /// Its days, in order.
    #[sqlx(try_from = "String")]
    pub syllabus: Json<Vec<Vec<Block>>>,
    /// For a person, in US dollars.
    pub price_individual: i64,
    /// For a person sent by an organization, in US dollars.
    pub price_corporate: i64,
    /// How many days after it began an enrollment's access lasts.
    pub access_days: i64,
    /// Whether it is shown.
    pub is_published: bool,
    /// Whether it comes with an enablement kit.
    pub has_kit: bool,
    /// Whether it ends with a certificate.
    pub has_certificate: bool,
}

/// A teacher.
#[derive(Debug, Clone, FromRow, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructor {
    /// Its id, `ins_…`.
    pub id: String,
    /// The name.
    pub name: String,
    /// What they are.
    pub title: String,
    /// Where they come from.
    pub bio: String,
    /// Where mail goes.
    pub email: String,
    /// Their own profile.
    #[serde(default)]
    pub person_id: Option<String>,
    /// Where their sessions are held; empty if nowhere yet.
    #[serde(default)]
    pub meeting_url: String,
}

/// What a catalog says beside the course itself.
#[derive(Debug, Clone, Copy, PartialEq, FromRow)]
pub struct Popularity {
    /// Cohorts that are still to begin and take people.
    pub upcoming: i64,
    /// Everybody who ever enrolled.
    pub enrollments: i64,
    /// From 1 to 5, of those who rated it.
    pub average_rating: Option<f64>,
}

/// The published courses, by title.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, realm: RealmId) -> Result<Vec<Course>> {
    Ok(sql!(
        tx,
        fetch_all as Course,
        "SELECT * FROM academy_courses WHERE realm_id = $1 AND is_published ORDER BY lower(title), id",
        realm
    )?)
}

/// The published course with this slug.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_by_slug(tx: &mut Tx, realm: RealmId, slug: &str) -> Result<Course> {
    sql!(
        tx,
        fetch_optional as Course,
        "SELECT * FROM academy_courses WHERE realm_id = $1 AND slug = $2 AND is_published",
        realm,
        slug
    )?
    .ok_or(Error::not_found("course"))
}

/// The course with this id.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Course> {
    sql!(
        tx,
        fetch_optional as Course,
        "SELECT * FROM academy_courses WHERE realm_id = $1 AND id = $2",
        realm,
        id
    )?
    .ok_or(Error::not_found("course"))
}

/// What a catalog says beside the course itself.
///
/// # Errors
/// If the database fails.
pub async fn popularity(
    tx: &mut Tx,
    realm: RealmId,
    course: &str,
    now: UnixMs,
) -> Result<Popularity> {
    Ok(sql!(
        tx,
        fetch_one as Popularity,
        "SELECT (SELECT COUNT(*) FROM academy_cohorts c WHERE c.realm_id = $1 AND c.course_id = $2
                   AND c.starts_at > $3 AND c.status IN ('scheduled', 'open')) AS upcoming,
                COUNT(*) AS enrollments, CAST(AVG(e.rating) AS DOUBLE PRECISION) AS average_rating
         FROM academy_cohorts c JOIN academy_enrollments e ON e.realm_id = c.realm_id AND e.cohort_id = c.id
         WHERE c.realm_id = $1 AND c.course_id = $2",
        realm,
        course,
        now
    )?)
}

/// Those who teach a course, by name.
///
/// # Errors
/// If the database fails.
pub async fn instructors(tx: &mut Tx, realm: RealmId, course: &str) -> Result<Vec<Instructor>> {
    Ok(sql!(
        tx,
        fetch_all as Instructor,
        "SELECT i.id, i.name, i.title, i.bio, i.email, i.person_id, i.meeting_url FROM academy_course_instructors t
         JOIN academy_instructors i ON i.realm_id = t.realm_id AND i.id = t.instructor_id
         WHERE t.realm_id = $1 AND t.course_id = $2 ORDER BY i.name, i.id",
        realm,
        course
    )?)
}

/// Ids of published courses that begin with a text, for completion.
///
/// # Errors
/// If the database fails.
pub async fn ids_like(tx: &mut Tx, realm: RealmId, pattern: &str, max: i64) -> Result<Vec<String>> {
    let rows = sql!(
        tx,
        fetch_all as (String,),
        "SELECT id FROM academy_courses WHERE realm_id = $1 AND is_published AND id LIKE $2 ESCAPE '\\'
         ORDER BY id LIMIT $3",
        realm,
        pattern,
        max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Adds a course and those who teach it, or replaces the one with this id.
///
/// # Errors
/// If another course has its slug.
pub async fn put(
    tx: &mut Tx,
    realm: RealmId,
    course: &Course,
    instructors: &[String],
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_courses (realm_id, id, slug, title, summary, description, long_description, format,
             duration, duration_short, level, prerequisites, objectives, skills, curriculum, syllabus,
             price_individual, price_corporate, access_days, is_published, has_kit, has_certificate)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
         ON CONFLICT (realm_id, id) DO UPDATE SET
             slug = excluded.slug, title = excluded.title, summary = excluded.summary,
             description = excluded.description, long_description = excluded.long_description,
             format = excluded.format, duration = excluded.duration,
             duration_short = excluded.duration_short, level = excluded.level,
             prerequisites = excluded.prerequisites, objectives = excluded.objectives,
             skills = excluded.skills, curriculum = excluded.curriculum, syllabus = excluded.syllabus,
             price_individual = excluded.price_individual, price_corporate = excluded.price_corporate,
             access_days = excluded.access_days, is_published = excluded.is_published,
             has_kit = excluded.has_kit, has_certificate = excluded.has_certificate",
        realm,
        &course.id,
        &course.slug,
        &course.title,
        &course.summary,
        &course.description,
        &course.long_description,
        &course.format,
        &course.duration,
        &course.duration_short,
        course.level.as_str(),
        course.prerequisites.to_text(),
        course.objectives.to_text(),
        course.skills.to_text(),
        course.curriculum.to_text(),
        course.syllabus.to_text(),
        course.price_individual,
        course.price_corporate,
        course.access_days,
        course.is_published,
        course.has_kit,
        course.has_certificate
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM academy_course_instructors WHERE realm_id = $1 AND course_id = $2",
        realm,
        &course.id
    )?;
    for instructor in instructors {
        sql!(
            tx,
            execute,
            "INSERT INTO academy_course_instructors (realm_id, course_id, instructor_id) VALUES ($1, $2, $3)",
            realm,
            &course.id,
            instructor
        )?;
    }
    Ok(())
}

/// Adds a teacher, or replaces the one with this id.
///
/// # Errors
/// If the database fails.
pub(crate) async fn put_instructor(
    tx: &mut Tx,
    realm: RealmId,
    instructor: &Instructor,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_instructors (realm_id, id, name, title, bio, email, person_id, meeting_url)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (realm_id, id) DO UPDATE SET name = excluded.name, title = excluded.title, bio = excluded.bio,
             email = excluded.email, person_id = excluded.person_id, meeting_url = excluded.meeting_url",
        realm,
        &instructor.id,
        &instructor.name,
        &instructor.title,
        &instructor.bio,
        &instructor.email,
        instructor.person_id.as_deref(),
        &instructor.meeting_url
    )?;
    Ok(())
}
