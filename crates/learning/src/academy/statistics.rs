//! What the rows of a cohort add up to. Every figure is computed from them; where there is nothing, there is none.

use sqlx::FromRow;

use super::cohort::Cohort;
use super::{Actor, RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;

/// One day, in ms.
const DAY_MS: i64 = 86_400_000;
/// A learner is on track with at least this share of the progress that the calendar expects, in percent.
const ON_TRACK_PERCENT: i64 = 50;
/// Materials and topics that are named at most.
const TOP_MAX: i64 = 3;

/// Of whom the figures are: everybody in a cohort, or those whom one organization sent.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    realm: RealmId,
    cohort: &'a str,
    organization: Option<&'a str>,
}

impl<'a> Group<'a> {
    /// Those of a cohort whom an administrator may see.
    pub fn seen_by(actor: &'a Actor, cohort: &'a str) -> Self {
        Self {
            realm: actor.realm,
            cohort,
            organization: actor.confined_to(),
        }
    }
}

/// How many enrollments a cohort has, by state.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Counts {
    /// All of them.
    pub total: i64,
    /// Those under way, paid or not.
    pub active: i64,
    /// Those that ended well.
    pub completed: i64,
    /// Those that were given up.
    pub dropped: i64,
    /// Those that an organization sent.
    pub b2b: i64,
    /// The others.
    pub b2c: i64,
}

/// What the learners of a cohort did.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Engagement {
    /// Materials opened, per enrollment.
    pub materials: f64,
    /// Questions asked, per enrollment.
    pub questions: f64,
    /// Office hours booked, per enrollment.
    pub bookings: f64,
    /// Learners seen within a day.
    pub daily: i64,
    /// Learners seen within a week.
    pub weekly: i64,
    /// Enrollments that downloaded something.
    pub downloaders: i64,
}

/// A material and how often it was opened.
#[derive(Debug, Clone, FromRow)]
pub struct Accessed {
    /// The material.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How often.
    pub times: i64,
}

/// The course chat of a cohort.
#[derive(Debug, Clone, FromRow)]
pub struct Chat {
    /// Questions asked.
    pub questions: i64,
    /// How long an answer took, in ms.
    pub answer_ms: Option<f64>,
    /// What learners think of the answers, 1 to 5.
    pub rating: Option<f64>,
}

/// The office hours of a cohort.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Sessions {
    /// Booked and not cancelled.
    pub booked: i64,
    /// Held.
    pub completed: i64,
    /// Missed.
    pub missed: i64,
    /// What learners think of them, 1 to 5.
    pub rating: Option<f64>,
}

/// Who will get through.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Outlook {
    /// Under way and on track.
    pub on_track: i64,
    /// Under way and behind.
    pub at_risk: i64,
}

/// How many enrollments a cohort has, by state.
///
/// # Errors
/// If the database fails.
pub async fn counts(tx: &mut Tx, of: Group<'_>) -> Result<Counts> {
    Ok(sql!(
        tx,
        fetch_one as Counts,
        "SELECT COUNT(*) AS total,
                COUNT(CASE WHEN status IN ('pending', 'active') THEN 1 END) AS active,
                COUNT(CASE WHEN status = 'completed' THEN 1 END) AS completed,
                COUNT(CASE WHEN status = 'withdrawn' THEN 1 END) AS dropped,
                COUNT(organization_id) AS b2b, COUNT(*) - COUNT(organization_id) AS b2c
         FROM academy_enrollments WHERE realm_id = $1 AND cohort_id = $2
           AND ($3 IS NULL OR organization_id = $3)",
        of.realm,
        of.cohort,
        of.organization
    )?)
}

/// What the learners of a cohort did.
///
/// # Errors
/// If the database fails.
pub async fn engagement(tx: &mut Tx, of: Group<'_>, now: UnixMs) -> Result<Engagement> {
    Ok(sql!(
        tx,
        fetch_one as Engagement,
        "SELECT CAST(COALESCE(AVG(materials * 1.0), 0) AS DOUBLE PRECISION) AS materials,
                CAST(COALESCE(AVG(questions * 1.0), 0) AS DOUBLE PRECISION) AS questions,
                CAST(COALESCE(AVG(bookings * 1.0), 0) AS DOUBLE PRECISION) AS bookings,
                COUNT(CASE WHEN last_activity_at > $4 AND status <> 'withdrawn' THEN 1 END) AS daily,
                COUNT(CASE WHEN last_activity_at > $5 AND status <> 'withdrawn' THEN 1 END) AS weekly,
                COUNT(CASE WHEN downloads > 0 THEN 1 END) AS downloaders
         FROM (SELECT e.status, e.last_activity_at,
                 (SELECT COUNT(*) FROM academy_accesses a WHERE a.realm_id = e.realm_id AND a.enrollment_id = e.id)
                   AS materials,
                 (SELECT COUNT(*) FROM academy_accesses a WHERE a.realm_id = e.realm_id AND a.enrollment_id = e.id
                    AND a.was_downloaded) AS downloads,
                 (SELECT COUNT(*) FROM academy_chat_messages m JOIN academy_conversations v
                    ON v.realm_id = m.realm_id AND v.id = m.conversation_id
                    WHERE v.realm_id = e.realm_id AND v.enrollment_id = e.id AND m.is_question) AS questions,
                 (SELECT COUNT(*) FROM academy_bookings b WHERE b.realm_id = e.realm_id AND b.enrollment_id = e.id
                    AND b.status <> 'cancelled') AS bookings
               FROM academy_enrollments e WHERE e.realm_id = $1 AND e.cohort_id = $2
                 AND ($3 IS NULL OR e.organization_id = $3)) AS each_one",
        of.realm,
        of.cohort,
        of.organization,
        UnixMs(now.0 - DAY_MS),
        UnixMs(now.0 - 7 * DAY_MS)
    )?)
}

/// The materials that a cohort opened most.
///
/// # Errors
/// If the database fails.
pub async fn most_accessed(tx: &mut Tx, of: Group<'_>) -> Result<Vec<Accessed>> {
    Ok(sql!(
        tx,
        fetch_all as Accessed,
        "SELECT m.id, m.title, CAST(SUM(a.times) AS BIGINT) AS times
         FROM academy_accesses a
         JOIN academy_enrollments e ON e.realm_id = a.realm_id AND e.id = a.enrollment_id
         JOIN academy_materials m ON m.realm_id = a.realm_id AND m.id = a.material_id
         WHERE e.realm_id = $1 AND e.cohort_id = $2 AND ($3 IS NULL OR e.organization_id = $3)
         GROUP BY m.id, m.title ORDER BY times DESC, m.id LIMIT $4",
        of.realm,
        of.cohort,
        of.organization,
        TOP_MAX
    )?)
}

/// The course chat of a cohort.
///
/// # Errors
/// If the database fails.
pub async fn chat(tx: &mut Tx, of: Group<'_>) -> Result<Chat> {
    Ok(sql!(
        tx,
        fetch_one as Chat,
        "SELECT COUNT(CASE WHEN m.is_question THEN 1 END) AS questions,
                CAST(AVG(CASE WHEN NOT m.is_question THEN m.duration_ms * 1.0 END) AS DOUBLE PRECISION) AS answer_ms,
                CAST(AVG(m.rating * 1.0) AS DOUBLE PRECISION) AS rating
         FROM academy_chat_messages m
         JOIN academy_conversations v ON v.realm_id = m.realm_id AND v.id = m.conversation_id
         JOIN academy_enrollments e ON e.realm_id = v.realm_id AND e.id = v.enrollment_id
         WHERE e.realm_id = $1 AND e.cohort_id = $2 AND ($3 IS NULL OR e.organization_id = $3)",
        of.realm,
        of.cohort,
        of.organization
    )?)
}

/// What a cohort asked about most.
///
/// # Errors
/// If the database fails.
pub async fn topics(tx: &mut Tx, of: Group<'_>) -> Result<Vec<String>> {
    let rows = sql!(
        tx,
        fetch_all as (String,),
        "SELECT m.topic FROM academy_chat_messages m
         JOIN academy_conversations v ON v.realm_id = m.realm_id AND v.id = m.conversation_id
         JOIN academy_enrollments e ON e.realm_id = v.realm_id AND e.id = v.enrollment_id
         WHERE e.realm_id = $1 AND e.cohort_id = $2 AND ($3 IS NULL OR e.organization_id = $3)
           AND m.is_question AND m.topic <> ''
         GROUP BY m.topic ORDER BY COUNT(*) DESC, m.topic LIMIT $4",
        of.realm,
        of.cohort,
        of.organization,
        TOP_MAX
    )?;
    Ok(rows.into_iter().map(|(topic,)| topic).collect())
}

/// The office hours of a cohort.
///
/// # Errors
/// If the database fails.
pub async fn sessions(tx: &mut Tx, of: Group<'_>) -> Result<Sessions> {
    Ok(sql!(
        tx,
        fetch_one as Sessions,
        "SELECT COUNT(CASE WHEN b.status <> 'cancelled' THEN 1 END) AS booked,
                COUNT(CASE WHEN b.status = 'completed' THEN 1 END) AS completed,
                COUNT(CASE WHEN b.status = 'no_show' THEN 1 END) AS missed,
                CAST(AVG(b.rating * 1.0) AS DOUBLE PRECISION) AS rating
         FROM academy_bookings b JOIN academy_enrollments e ON e.realm_id = b.realm_id AND e.id = b.enrollment_id
         WHERE e.realm_id = $1 AND e.cohort_id = $2 AND ($3 IS NULL OR e.organization_id = $3)",
        of.realm,
        of.cohort,
        of.organization
    )?)
}

/// Who will get through: learners who are at least half as far as the calendar.
///
/// # Errors
/// If the database fails.
pub async fn outlook(tx: &mut Tx, of: Group<'_>, cohort: &Cohort, now: UnixMs) -> Result<Outlook> {
    let length = (cohort.ends_at.0 - cohort.starts_at.0).max(1);
    let elapsed = (now.0 - cohort.starts_at.0).clamp(0, length);
    let least = elapsed * ON_TRACK_PERCENT / length;
    Ok(sql!(
        tx,
        fetch_one as Outlook,
        "SELECT COUNT(CASE WHEN progress >= $4 THEN 1 END) AS on_track,
                COUNT(CASE WHEN progress < $4 THEN 1 END) AS at_risk
         FROM academy_enrollments
         WHERE realm_id = $1 AND cohort_id = $2 AND ($3 IS NULL OR organization_id = $3)
           AND status IN ('pending', 'active')",
        of.realm,
        of.cohort,
        of.organization,
        least
    )?)
}

/// What an organization's learners did, per enrollment.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct OrganizationEngagement {
    /// Materials opened.
    pub materials: f64,
    /// Questions asked.
    pub questions: f64,
}

/// What an organization's learners did, per enrollment.
///
/// # Errors
/// If the database fails.
pub async fn of_organization(
    tx: &mut Tx,
    realm: RealmId,
    organization: &str,
) -> Result<OrganizationEngagement> {
    Ok(sql!(
        tx,
        fetch_one as OrganizationEngagement,
        "SELECT CAST(COALESCE(AVG(materials * 1.0), 0) AS DOUBLE PRECISION) AS materials,
                CAST(COALESCE(AVG(questions * 1.0), 0) AS DOUBLE PRECISION) AS questions
         FROM (SELECT
                 (SELECT COUNT(*) FROM academy_accesses a WHERE a.realm_id = e.realm_id AND a.enrollment_id = e.id)
                   AS materials,
                 (SELECT COUNT(*) FROM academy_chat_messages m JOIN academy_conversations v
                    ON v.realm_id = m.realm_id AND v.id = m.conversation_id
                    WHERE v.realm_id = e.realm_id AND v.enrollment_id = e.id AND m.is_question) AS questions
               FROM academy_enrollments e WHERE e.realm_id = $1 AND e.organization_id = $2) AS each_one",
        realm,
        organization
    )?)
}
