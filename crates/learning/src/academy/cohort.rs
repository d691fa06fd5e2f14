//! Cohorts: when and where a course is held, its seats, and the states that it goes through.

use serde::Deserialize;
use sqlx::FromRow;

use super::json::Json;
use super::{Actor, Error, RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::{Page, Tx, words};

words! {
    /// Where a cohort stands.
    Status {
        /// Announced.
        Scheduled = "scheduled",
        /// Takes people.
        Open = "open",
        /// Is being held.
        InProgress = "in_progress",
        /// Has ended.
        Completed = "completed",
        /// Will not be held.
        Cancelled = "cancelled",
    }
}

words! {
    /// How a cohort meets.
    Modality {
        /// Over the network.
        Online = "online",
        /// In one place.
        InPerson = "in-person",
        /// Both.
        Hybrid = "hybrid",
    }
}

words! {
    /// What somebody who wants to enroll finds.
    Availability {
        /// It does not take people yet.
        Scheduled = "scheduled",
        /// There are seats.
        Open = "open",
        /// There are none, and a list of those who wait.
        Waitlist = "waitlist",
        /// There are none.
        Full = "full",
    }
}

/// One day on which a cohort meets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(inline)]
pub struct Session {
    /// The day, `2024-12-01`.
    pub date: String,
    /// How they meet.
    #[serde(rename = "type")]
    pub modality: Modality,
}

/// A cohort, with what is always said along with it.
#[derive(Debug, Clone, FromRow)]
pub struct Cohort {
    /// Its id, `coh_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The course that is held.
    pub course_id: String,
    /// That course's title.
    pub course_title: String,
    /// That course's slug.
    pub course_slug: String,
    /// Who teaches.
    pub instructor_id: String,
    /// Their name.
    pub instructor_name: String,
    /// Where they come from.
    pub instructor_bio: String,
    /// Where mail to them goes.
    pub instructor_email: String,
    /// The profile of the instructor.
    pub instructor_person: Option<String>,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// How it meets.
    #[sqlx(try_from = "String")]
    pub modality: Modality,
    /// Where it meets; empty online.
    pub location: String,
    /// When it begins.
    pub starts_at: UnixMs,
    /// When it ends.
    pub ends_at: UnixMs,
    /// Until when one may enroll.
    pub registration_deadline: UnixMs,
    /// The days on which it meets.
    #[sqlx(try_from = "String")]
    pub sessions: Json<Vec<Session>>,
    /// Whether those who come too late may wait.
    pub has_waitlist: bool,
    /// Its seats.
    pub seats_total: i64,
    /// Those that are taken.
    pub seats_taken: i64,
    /// For a person, in US dollars.
    pub price_individual: i64,
    /// For a person sent by an organization, in US dollars.
    pub price_corporate: i64,
    /// How many days an enrollment's access lasts.
    pub access_days: i64,
}

impl Cohort {
    /// The seats that are left.
    pub fn seats_free(&self) -> i64 {
        self.seats_total - self.seats_taken
    }

    /// Where it is held, if it is held somewhere.
    pub fn place(&self) -> Option<&str> {
        Some(self.location.as_str()).filter(|place| !place.is_empty())
    }

    /// Whether the actor teaches it: by the instructor's own profile, else by the instructor's address.
    fn is_taught_by(&self, actor: &Actor) -> bool {
        match &self.instructor_person {
            Some(person) => actor.is(person),
            None => {
                let own = actor.person.as_ref();
                own.is_some_and(|own| own.has_email(&self.instructor_email))
            }
        }
    }

    /// What somebody who wants to enroll finds.
    pub fn availability(&self) -> Availability {
        match (self.seats_free() > 0, self.has_waitlist) {
            (false, true) => Availability::Waitlist,
            (false, false) => Availability::Full,
            (true, _) if self.status == Status::Scheduled => Availability::Scheduled,
            (true, _) => Availability::Open,
        }
    }

    /// Why nobody may enroll now, beside a lack of seats; one sentence each.
    pub fn blockers(&self, now: UnixMs) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.status {
            Status::Cancelled => reasons.push("Cohort has been cancelled".to_owned()),
            Status::Completed => reasons.push("Cohort has already ended".to_owned()),
            Status::InProgress | Status::Scheduled | Status::Open => {}
        }
        if self.seats_free() <= 0 {
            reasons.push(format!(
                "Cohort is at full capacity ({}/{} seats)",
                self.seats_taken, self.seats_total
            ));
        }
        if now > self.registration_deadline {
            reasons.push("Registration deadline has passed".to_owned());
        }
        reasons
    }
}

/// What a list of cohorts is narrowed to; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this course.
    pub course: Option<String>,
    /// Meeting in this way.
    pub modality: Option<Modality>,
    /// In this state.
    pub status: Option<Status>,
    /// Only those that are still announced or take people.
    pub is_upcoming: bool,
    /// Beginning after this time.
    pub starts_after: Option<UnixMs>,
}

/// The cohort with this id.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Cohort> {
    sql!(
        tx,
        fetch_optional as Cohort,
        "SELECT c.*, k.title AS course_title, k.slug AS course_slug, k.price_individual, k.price_corporate,
                k.access_days, i.name AS instructor_name, i.bio AS instructor_bio, i.email AS instructor_email,
                i.person_id AS instructor_person
         FROM academy_cohorts c JOIN academy_courses k ON k.realm_id = c.realm_id AND k.id = c.course_id
         JOIN academy_instructors i ON i.realm_id = c.realm_id AND i.id = c.instructor_id
         WHERE c.realm_id = $1 AND c.id = $2",
        realm,
        id
    )?
    .ok_or(Error::not_found("cohort"))
}

/// The cohort with this id, if the actor may see who is in it: an administrator, or its instructor.
///
/// # Errors
/// `NotFound` if there is none that they may see.
pub async fn get_taught(tx: &mut Tx, actor: &Actor, id: &str) -> Result<Cohort> {
    let cohort = get(tx, actor.realm, id).await?;
    if actor.is_admin || actor.is_instructor && cohort.is_taught_by(actor) {
        Ok(cohort)
    } else {
        Err(Error::not_found("cohort"))
    }
}

/// A part of the cohorts that pass the filter, the next to begin first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    realm: RealmId,
    filter: &Filter,
    (limit, offset): (i64, i64),
) -> Result<Page<Cohort>> {
    let (modality, status) = (
        filter.modality.map(Modality::as_str),
        filter.status.map(Status::as_str),
    );
    let total = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM academy_cohorts c WHERE c.realm_id = $1
           AND ($2 IS NULL OR c.course_id = $2) AND ($3 IS NULL OR c.modality = $3)
           AND ($4 IS NULL OR c.status = $4) AND (NOT $5 OR c.status IN ('scheduled', 'open'))
           AND ($6 IS NULL OR c.starts_at > $6)",
        realm,
        filter.course.as_deref(),
        modality,
        status,
        filter.is_upcoming,
        filter.starts_after
    )?;
    let rows = sql!(
        tx,
        fetch_all as Cohort,
        "SELECT c.*, k.title AS course_title, k.slug AS course_slug, k.price_individual, k.price_corporate,
                k.access_days, i.name AS instructor_name, i.bio AS instructor_bio, i.email AS instructor_email,
                i.person_id AS instructor_person
         FROM academy_cohorts c JOIN academy_courses k ON k.realm_id = c.realm_id AND k.id = c.course_id
         JOIN academy_instructors i ON i.realm_id = c.realm_id AND i.id = c.instructor_id
         WHERE c.realm_id = $1
           AND ($2 IS NULL OR c.course_id = $2) AND ($3 IS NULL OR c.modality = $3)
           AND ($4 IS NULL OR c.status = $4) AND (NOT $5 OR c.status IN ('scheduled', 'open'))
           AND ($6 IS NULL OR c.starts_at > $6)
         ORDER BY c.starts_at, c.id LIMIT $7 OFFSET $8",
        realm,
        filter.course.as_deref(),
        modality,
        status,
        filter.is_upcoming,
        filter.starts_after,
        limit,
        offset
    )?;
    Ok(Page { total, rows })
}

/// Ids that match a pattern, for completion.
///
/// # Errors
/// If the database fails.
pub async fn ids_like(tx: &mut Tx, realm: RealmId, pattern: &str, max: i64) -> Result<Vec<String>> {
    let rows = sql!(
        tx,
        fetch_all as (String,),
        "SELECT id FROM academy_cohorts WHERE realm_id = $1 AND id LIKE $2 ESCAPE '\\' ORDER BY id LIMIT $3",
        realm,
        pattern,
        max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Takes a seat for one more person. Two who ask at once queue at this row, so the last seat goes to one.
///
/// # Errors
/// `CohortClosed` or `CohortFull` if nobody may enroll, `NotFound` if there is no such cohort.
pub(crate) async fn take_seat(
    tx: &mut Tx,
    realm: RealmId,
    id: &str,
    now: UnixMs,
) -> Result<Cohort> {
    let taken = sql!(
        tx,
        execute,
        "UPDATE academy_cohorts SET seats_taken = seats_taken + 1
         WHERE realm_id = $1 AND id = $2 AND seats_taken < seats_total
           AND status IN ('scheduled', 'open', 'in_progress')",
        realm,
        id
    )?;
    let cohort = get(tx, realm, id).await?;
    if taken > 0 {
        return Ok(cohort);
    }
    match cohort.status {
        Status::Cancelled | Status::Completed => {
            let reason = cohort.blockers(now).into_iter().next().unwrap_or_default();
            Err(Error::CohortClosed(reason))
        }
        Status::Scheduled | Status::Open | Status::InProgress => Err(Error::CohortFull {
            cohort: cohort.id,
            seats_total: cohort.seats_total,
            seats_taken: cohort.seats_taken,
        }),
    }
}

/// Takes a seat for somebody who has a place already, whatever the cohort's state.
///
/// # Errors
/// `Invalid` if there is none left.
pub(super) async fn seat(tx: &mut Tx, realm: RealmId, id: &str) -> Result<()> {
    let taken = sql!(
        tx,
        execute,
        "UPDATE academy_cohorts SET seats_taken = seats_taken + 1
         WHERE realm_id = $1 AND id = $2 AND seats_taken < seats_total",
        realm,
        id
    )?;
    if taken == 0 {
        return Err(Error::field("cohort_id", "The cohort has no seat left."));
    }
    Ok(())
}

/// A cohort to be added.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCohort {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The course that is held.
    pub course_id: String,
    /// Who teaches.
    pub instructor_id: String,
    /// Where it stands.
    pub status: Status,
    /// How it meets.
    pub modality: Modality,
    /// Where it meets.
    #[serde(default)]
    pub location: String,
    /// When it begins.
    pub starts_at: UnixMs,
    /// When it ends.
    pub ends_at: UnixMs,
    /// Until when one may enroll.
    pub registration_deadline: UnixMs,
    /// The days on which it meets.
    #[serde(default)]
    pub sessions: Json<Vec<Session>>,
    /// Whether those who come too late may wait.
    #[serde(default)]
    pub has_waitlist: bool,
    /// Its seats.
    pub seats_total: i64,
}

/// Adds a cohort in which nobody has a seat yet, or replaces what the one with this id says.
///
/// # Errors
/// `Invalid` if more people have a seat than there would be.
pub async fn put(tx: &mut Tx, realm: RealmId, new: &NewCohort, now: UnixMs) -> Result<()> {
    let taken = sql!(
        tx,
        scalar_optional as i64,
        "SELECT seats_taken FROM academy_cohorts WHERE realm_id = $1 AND id = $2",
        realm,
        &new.id
    )?;
    if let Some(taken) = taken.filter(|taken| *taken > new.seats_total) {
        let message = format!("{taken} people have a seat already.");
        return Err(Error::field("seats_total", message));
    }
    sql!(
        tx,
        execute,
        "INSERT INTO academy_cohorts (realm_id, id, course_id, instructor_id, name, status, status_reason, modality,
             location, starts_at, ends_at, registration_deadline, sessions, has_waitlist, seats_total, seats_taken,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, $9, $10, $11, $12, $13, $14, 0, $15)
         ON CONFLICT (realm_id, id) DO UPDATE SET
             course_id = excluded.course_id, instructor_id = excluded.instructor_id, name = excluded.name,
             status = excluded.status, modality = excluded.modality, location = excluded.location,
             starts_at = excluded.starts_at, ends_at = excluded.ends_at,
             registration_deadline = excluded.registration_deadline, sessions = excluded.sessions,
             has_waitlist = excluded.has_waitlist, seats_total = excluded.seats_total,
             updated_at = excluded.updated_at",
        realm,
        &new.id,
        &new.course_id,
        &new.instructor_id,
        &new.name,
        new.status.as_str(),
        new.modality.as_str(),
        &new.location,
        new.starts_at,
        new.ends_at,
        new.registration_deadline,
        new.sessions.to_text(),
        new.has_waitlist,
        new.seats_total,
        now
    )?;
    Ok(())
}
