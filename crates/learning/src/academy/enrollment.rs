//! Enrollments: who has a place in which cohort, how far they are, and until when their access lasts.

use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::cohort::{Cohort, Modality};
pub use super::enrollment_words::{Kind, Payment, Status};
use super::json::Json;
use super::{Actor, Error, RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;

/// Progress of a completed enrollment, in percent.
pub const COMPLETE: i64 = 100;
/// An enrollment, with what is always said along with it.
#[derive(Debug, Clone, FromRow)]
pub struct Enrollment {
    /// Its id, `enr_…`.
    pub id: String,
    /// The cohort.
    pub cohort_id: String,
    /// Whose it is.
    pub person_id: String,
    /// Who sent them.
    pub organization_id: Option<String>,
    /// How they came to it.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// Whether it is paid.
    #[sqlx(try_from = "String")]
    pub payment: Payment,
    /// Since when.
    pub enrolled_at: UnixMs,
    /// When it was completed.
    pub completed_at: Option<UnixMs>,
    /// When materials, chat and office hours close.
    pub expires_at: UnixMs,
    /// How far it is, in percent.
    pub progress: i64,
    /// When something was last done with it.
    pub last_activity_at: UnixMs,
    /// The cohort's name.
    pub cohort_name: String,
    /// When the cohort begins.
    pub starts_at: UnixMs,
    /// When the cohort ends.
    pub ends_at: UnixMs,
    /// How the cohort meets.
    #[sqlx(try_from = "String")]
    pub modality: Modality,
    /// The course.
    pub course_id: String,
    /// The course's title.
    pub course_title: String,
    /// The course's slug.
    pub course_slug: String,
    /// Who teaches the cohort.
    pub instructor_name: String,
    /// The learner's name.
    pub learner_name: String,
    /// The learner's address.
    pub learner_email: String,
    /// Who sent them, by name.
    pub organization_name: Option<String>,
    /// Its certificate.
    pub certificate_id: Option<String>,
}

impl Enrollment {
    /// Whether the actor may see and use it.
    fn is_reached_by(&self, actor: &Actor) -> bool {
        actor.reaches(&self.person_id, self.organization_id.as_deref())
    }

    /// Whether materials, chat and office hours are open.
    ///
    /// # Errors
    /// `EnrollmentExpired` or `NotEnrolled` if they are not.
    pub fn require_access(&self, what: &'static str, now: UnixMs) -> Result<()> {
        match self.status {
            Status::Pending | Status::Withdrawn => Err(Error::NotEnrolled(what)),
            Status::Active | Status::Completed if now >= self.expires_at => {
                Err(Error::EnrollmentExpired {
                    enrollment: self.id.clone(),
                    expired_at: self.expires_at.0,
                })
            }
            Status::Active | Status::Completed => Ok(()),
        }
    }
}

/// The one text that joins an enrollment with what is said along with it.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT e.*, c.name AS cohort_name, c.starts_at, c.ends_at, c.modality, c.course_id,
                    k.title AS course_title, k.slug AS course_slug, i.name AS instructor_name,
                    p.name AS learner_name, p.email AS learner_email, o.name AS organization_name,
                    f.id AS certificate_id
             FROM academy_enrollments e
             JOIN academy_cohorts c ON c.realm_id = e.realm_id AND c.id = e.cohort_id
             JOIN academy_courses k ON k.realm_id = c.realm_id AND k.id = c.course_id
             JOIN academy_instructors i ON i.realm_id = c.realm_id AND i.id = c.instructor_id
             JOIN academy_people p ON p.realm_id = e.realm_id AND p.id = e.person_id
             LEFT JOIN academy_organizations o ON o.realm_id = e.realm_id AND o.id = e.organization_id
             LEFT JOIN academy_certificates f ON f.realm_id = e.realm_id AND f.enrollment_id = e.id
             WHERE e.realm_id = $1 AND ",
            $rest
        )
    };
}

/// The enrollments of a person, the latest first.
///
/// # Errors
/// If the database fails.
pub async fn of_person(tx: &mut Tx, realm: RealmId, person: &str) -> Result<Vec<Enrollment>> {
    Ok(sql!(
        tx,
        fetch_all as Enrollment,
        select!("e.person_id = $2 ORDER BY e.enrolled_at DESC, e.id"),
        realm,
        person
    )?)
}

/// Those of a person that the actor may see.
///
/// # Errors
/// If the database fails.
pub async fn seen_of_person(tx: &mut Tx, actor: &Actor, person: &str) -> Result<Vec<Enrollment>> {
    let mut rows = of_person(tx, actor.realm, person).await?;
    rows.retain(|row| row.is_reached_by(actor));
    Ok(rows)
}

/// The enrollments in a cohort that the actor may see, in the order in which they came; withdrawn ones only if they are
/// wanted. An administrator of an organization sees its own people.
///
/// # Errors
/// If the database fails.
pub async fn roster(
    tx: &mut Tx,
    actor: &Actor,
    cohort: &str,
    includes_withdrawn: bool,
) -> Result<Vec<Enrollment>> {
    Ok(sql!(
        tx,
        fetch_all as Enrollment,
        select!(
            "e.cohort_id = $2 AND ($3 OR e.status <> 'withdrawn') AND ($4 IS NULL OR e.organization_id = $4)
             ORDER BY e.enrolled_at, e.id"
        ),
        actor.realm,
        cohort,
        includes_withdrawn,
        actor.confined_to()
    )?)
}

/// The place of a person in a cohort, if they have one; a given-up one only if there is no other.
///
/// # Errors
/// If the database fails.
pub async fn find_in_cohort(
    tx: &mut Tx,
    realm: RealmId,
    cohort: &str,
    person: &str,
) -> Result<Option<Enrollment>> {
    Ok(sql!(
        tx,
        fetch_optional as Enrollment,
        select!(
            "e.cohort_id = $2 AND e.person_id = $3
             ORDER BY CASE WHEN e.status = 'withdrawn' THEN 1 ELSE 0 END, e.enrolled_at DESC LIMIT 1"
        ),
        realm,
        cohort,
        person
    )?)
}

/// The enrollment with this id, if it is the actor's own or they are an administrator of the whole academy or of the
/// organization that gave it.
///
/// # Errors
/// `NotYours` if it is not, or there is none.
pub async fn get(tx: &mut Tx, actor: &Actor, id: &str) -> Result<Enrollment> {
    let found = sql!(
        tx,
        fetch_optional as Enrollment,
        select!("e.id = $2"),
        actor.realm,
        id
    )?;
    found
        .filter(|row| row.is_reached_by(actor))
        .ok_or(Error::NotYours("enrollment"))
}

/// The states of an enrollment that takes a seat.
pub const SEATED: [Status; 3] = [Status::Pending, Status::Active, Status::Completed];

/// The enrollment that opens a course's materials to the actor: their own, the latest that is open.
///
/// # Errors
/// `EnrollmentExpired` if theirs has run out, `NotEnrolled` if there is none.
pub async fn open_in_course(
    tx: &mut Tx,
    actor: &Actor,
    course: &str,
    now: UnixMs,
) -> Result<Enrollment> {
    let closed = Error::NotEnrolled("these materials");
    let Some(person) = &actor.person else {
        return Err(closed);
    };
    let rows = of_person(tx, actor.realm, &person.id).await?;
    let mut reason = closed;
    for row in rows.into_iter().filter(|row| row.course_id == course) {
        match row.require_access("these materials", now) {
            Ok(()) => return Ok(row),
            Err(error @ Error::EnrollmentExpired { .. }) => reason = error,
            Err(_) => {}
        }
    }
    Err(reason)
}

/// What a place costs in this way, in US dollars.
pub(super) fn price_of(cohort: &Cohort, kind: Kind) -> i64 {
    match kind {
        Kind::Standard => cohort.price_individual,
        Kind::Corporate => cohort.price_corporate,
        Kind::Complimentary | Kind::Trial => 0,
    }
}

/// An enrollment as it is stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEnrollment {
    /// Its id.
    pub id: String,
    /// The cohort.
    pub cohort_id: String,
    /// Whose it is.
    pub person_id: String,
    /// Who sent them.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// How they came to it.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// Whether it is paid.
    pub payment: Payment,
    /// What was paid, in US dollars.
    #[serde(default)]
    pub price_paid: i64,
    /// Since when.
    pub enrolled_at: UnixMs,
    /// When it was completed.
    #[serde(default)]
    pub completed_at: Option<UnixMs>,
    /// When its access ends.
    pub expires_at: UnixMs,
    /// How far it is, in percent.
    pub progress: i64,
    /// When something was last done with it.
    pub last_activity_at: UnixMs,
    /// What the learner thinks of the course, 1 to 5.
    #[serde(default)]
    pub rating: Option<i64>,
    /// What the administrator wants to remember.
    #[serde(default)]
    pub notes: String,
    /// What else is known.
    #[serde(default)]
    pub metadata: Json<Map<String, Value>>,
}

/// Stores an enrollment as it is given; the seat is the caller's business.
///
/// # Errors
/// If the id is taken, or the person has a place in the cohort.
pub async fn insert(tx: &mut Tx, realm: RealmId, row: &NewEnrollment) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_enrollments (realm_id, id, cohort_id, person_id, organization_id, kind, status, payment,
             price_paid, enrolled_at, completed_at, expires_at, progress, last_activity_at, rating, notes, metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        realm,
        &row.id,
        &row.cohort_id,
        &row.person_id,
        row.organization_id.as_deref(),
        row.kind.as_str(),
        row.status.as_str(),
        row.payment.as_str(),
        row.price_paid,
        row.enrolled_at,
        row.completed_at,
        row.expires_at,
        row.progress,
        row.last_activity_at,
        row.rating,
        &row.notes,
        row.metadata.to_text()
    )?;
    Ok(())
}

/// What was done with an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Activity {
    /// Materials that were opened.
    pub materials_accessed: i64,
    /// Materials that there are.
    pub materials_total: i64,
    /// Questions asked in the course chat.
    pub chat_messages: i64,
    /// Office hours that were booked and not cancelled.
    pub bookings: i64,
}

/// What was done with an enrollment.
///
/// # Errors
/// If the database fails.
pub async fn activity(tx: &mut Tx, realm: RealmId, row: &Enrollment) -> Result<Activity> {
    Ok(sql!(
        tx,
        fetch_one as Activity,
        "SELECT (SELECT COUNT(*) FROM academy_accesses WHERE realm_id = $1 AND enrollment_id = $2) AS materials_accessed,
                (SELECT COUNT(*) FROM academy_materials WHERE realm_id = $1 AND course_id = $3
                   AND (organization_id IS NULL OR organization_id = $4)) AS materials_total,
                (SELECT COUNT(*) FROM academy_chat_messages m JOIN academy_conversations v
                   ON v.realm_id = m.realm_id AND v.id = m.conversation_id
                   WHERE v.realm_id = $1 AND v.enrollment_id = $2 AND m.is_question) AS chat_messages,
                (SELECT COUNT(*) FROM academy_bookings WHERE realm_id = $1 AND enrollment_id = $2
                   AND status <> 'cancelled') AS bookings",
        realm,
        &row.id,
        &row.course_id,
        row.organization_id.as_deref()
    )?)
}

/// Brings an enrollment as far as its share of opened materials; never back.
///
/// # Errors
/// If the database fails.
pub async fn advance(tx: &mut Tx, realm: RealmId, row: &Enrollment, now: UnixMs) -> Result<()> {
    let done = activity(tx, realm, row).await?;
    let share = done.materials_accessed * COMPLETE / done.materials_total.max(1);
    sql!(
        tx,
        execute,
        "UPDATE academy_enrollments SET last_activity_at = $4, progress = CASE WHEN progress < $3 THEN $3 ELSE progress END
         WHERE realm_id = $1 AND id = $2",
        realm,
        &row.id,
        share.min(COMPLETE),
        now
    )?;
    Ok(())
}
