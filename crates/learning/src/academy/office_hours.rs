//! Office hours: slots of a course's instructors, and the places that learners book in them.

use serde::Deserialize;
use sqlx::FromRow;

use super::enrollment::Enrollment;
use super::{Error, RealmId, Result, new_id};
use base::clock::UnixMs;
use base::sql;
use base::storage::{Tx, words};

/// Sessions that one enrollment may have booked and not yet had.
pub const BOOKINGS_MAX: i64 = 4;
/// Slots in one answer at most.
const SLOTS_MAX: i64 = 500;

words! {
    /// How many are in a session.
    Kind {
        /// One.
        OneOnOne = "1-on-1",
        /// Several.
        Group = "group",
    }
}

/// A slot, with its holder.
#[derive(Debug, Clone, FromRow)]
pub struct Slot {
    /// Its id, `slot_…`.
    pub id: String,
    /// How many are in it.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// When it begins.
    pub starts_at: UnixMs,
    /// When it ends.
    pub ends_at: UnixMs,
    /// Its places.
    pub capacity: i64,
    /// Those that are taken.
    pub booked: i64,
    /// Who holds it.
    pub instructor_id: String,
    /// Their name.
    pub instructor_name: String,
    /// What they are.
    pub instructor_title: String,
    /// Where mail to them goes.
    pub instructor_email: String,
    /// Where their sessions are held; empty if nowhere yet.
    pub meeting_url: String,
}

/// A booked place.
#[derive(Debug, Clone, FromRow)]
pub struct Booking {
    /// Its id, `book_…`.
    pub id: String,
    /// The slot.
    pub slot_id: String,
    /// For which enrollment.
    pub enrollment_id: String,
    /// Whose it is.
    pub person_id: String,
    /// What it is about.
    pub topic: String,
    /// The course.
    pub course_title: String,
}

/// Between two times.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Not before.
    pub from: UnixMs,
    /// Before.
    pub until: UnixMs,
}

/// The slots of a course that begin within a span, the next first.
///
/// # Errors
/// If the database fails.
pub async fn slots(tx: &mut Tx, realm: RealmId, course: &str, span: Span) -> Result<Vec<Slot>> {
    Ok(sql!(
        tx,
        fetch_all as Slot,
        "SELECT s.id, s.kind, s.starts_at, s.ends_at, s.capacity, s.booked, s.instructor_id,
                i.name AS instructor_name, i.title AS instructor_title, i.email AS instructor_email, i.meeting_url
         FROM academy_slots s JOIN academy_instructors i ON i.realm_id = s.realm_id AND i.id = s.instructor_id
         WHERE s.realm_id = $1 AND s.course_id = $2 AND s.starts_at >= $3 AND s.starts_at < $4
         ORDER BY s.starts_at, s.id LIMIT $5",
        realm,
        course,
        span.from,
        span.until,
        SLOTS_MAX
    )?)
}

async fn find(tx: &mut Tx, realm: RealmId, course: &str, id: &str) -> Result<Option<Slot>> {
    Ok(sql!(
        tx,
        fetch_optional as Slot,
        "SELECT s.id, s.kind, s.starts_at, s.ends_at, s.capacity, s.booked, s.instructor_id,
                i.name AS instructor_name, i.title AS instructor_title, i.email AS instructor_email, i.meeting_url
         FROM academy_slots s JOIN academy_instructors i ON i.realm_id = s.realm_id AND i.id = s.instructor_id
         WHERE s.realm_id = $1 AND s.course_id = $2 AND s.id = $3",
        realm,
        course,
        id
    )?)
}

/// How many sessions an enrollment has booked and not yet had.
///
/// # Errors
/// If the database fails.
pub async fn booked(tx: &mut Tx, realm: RealmId, enrollment: &str) -> Result<i64> {
    Ok(sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM academy_bookings
         WHERE realm_id = $1 AND enrollment_id = $2 AND status = 'confirmed'",
        realm,
        enrollment
    )?)
}

/// What somebody wants of a session.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The slot.
    pub slot: &'a str,
    /// What it is about.
    pub topic: &'a str,
    /// Whether they want to be reminded.
    pub wants_reminder: bool,
}

/// Books a place. Returns the booking's id and the slot.
///
/// # Errors
/// `NotFound` for no slot of this course, `NotEnrolled` if the enrollment is open no more, `BookingConflict` if it is
/// past, taken, booked already, or one too many.
pub async fn book(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    wish: Wish<'_>,
    now: UnixMs,
) -> Result<(Booking, Slot)> {
    let slot = find(tx, realm, &enrollment.course_id, wish.slot).await?;
    let slot = slot.ok_or(Error::not_found("slot"))?;
    if slot.starts_at <= now {
        return Err(Error::BookingConflict(
            "Time slot no longer available".into(),
        ));
    }
    // Bookings of one enrollment queue at its row, so that the limit holds for those that are made at once; and so that
    // none is made for one that is being withdrawn.
    let is_open = sql!(
        tx,
        execute,
        "UPDATE academy_enrollments SET last_activity_at = $3
         WHERE realm_id = $1 AND id = $2 AND status IN ('active', 'completed')",
        realm,
        &enrollment.id,
        now
    )?;
    if is_open == 0 {
        return Err(Error::NotEnrolled("office hours"));
    }
    // The place comes first: at its row, bookings that one person makes at once for several enrollments queue.
    let taken = sql!(
        tx,
        execute,
        "UPDATE academy_slots SET booked = booked + 1 WHERE realm_id = $1 AND id = $2 AND booked < capacity",
        realm,
        &slot.id
    )?;
    check_own(tx, realm, enrollment, &slot.id).await?;
    if taken == 0 {
        return Err(Error::BookingConflict(
            "Time slot no longer available".into(),
        ));
    }
    let booking = Booking {
        id: new_id("book"),
        slot_id: slot.id.clone(),
        enrollment_id: enrollment.id.clone(),
        person_id: enrollment.person_id.clone(),
        topic: wish.topic.to_owned(),
        course_title: enrollment.course_title.clone(),
    };
    sql!(
        tx,
        execute,
        "INSERT INTO academy_bookings (realm_id, id, slot_id, enrollment_id, status, topic, wants_reminder, created_at)
         VALUES ($1, $2, $3, $4, 'confirmed', $5, $6, $7)",
        realm,
        &booking.id,
        &booking.slot_id,
        &booking.enrollment_id,
        &booking.topic,
        wish.wants_reminder,
        now
    )?;
    Ok((booking, slot))
}

/// Cancels the sessions that an enrollment has booked and that have not begun. Returns how many.
///
/// # Errors
/// If the database fails.
pub(crate) async fn cancel_coming(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &str,
    now: UnixMs,
) -> Result<u64> {
    sql!(
        tx,
        execute,
        "UPDATE academy_slots SET booked = booked - 1
         WHERE realm_id = $1 AND starts_at > $3 AND id IN
           (SELECT slot_id FROM academy_bookings WHERE realm_id = $1 AND enrollment_id = $2 AND status = 'confirmed')",
        realm,
        enrollment,
        now
    )?;
    Ok(sql!(
        tx,
        execute,
        "UPDATE academy_bookings SET status = 'cancelled'
         WHERE realm_id = $1 AND enrollment_id = $2 AND status = 'confirmed' AND slot_id IN
           (SELECT id FROM academy_slots WHERE realm_id = $1 AND starts_at > $3)",
        realm,
        enrollment,
        now
    )?)
}

/// One place of a slot for a person, whichever of their enrollments it is for, and so many sessions for an enrollment.
async fn check_own(tx: &mut Tx, realm: RealmId, enrollment: &Enrollment, slot: &str) -> Result<()> {
    let same = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM academy_bookings b
         JOIN academy_enrollments e ON e.realm_id = b.realm_id AND e.id = b.enrollment_id
         WHERE b.realm_id = $1 AND e.person_id = $2 AND b.slot_id = $3 AND b.status <> 'cancelled'",
        realm,
        &enrollment.person_id,
        slot
    )?;
    if same > 0 {
        return Err(Error::BookingConflict(
            "You have already booked this session".into(),
        ));
    }
    if booked(tx, realm, &enrollment.id).await? >= BOOKINGS_MAX {
        let text = format!("You have reached the limit of {BOOKINGS_MAX} booked sessions");
        return Err(Error::BookingConflict(text));
    }
    Ok(())
}

/// The booking with this id and its slot, for the holder of a link to it.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_booking(tx: &mut Tx, realm: RealmId, id: &str) -> Result<(Booking, Slot)> {
    let booking = sql!(
        tx,
        fetch_optional as Booking,
        "SELECT b.id, b.slot_id, b.enrollment_id, e.person_id, b.topic, k.title AS course_title
         FROM academy_bookings b
         JOIN academy_enrollments e ON e.realm_id = b.realm_id AND e.id = b.enrollment_id
         JOIN academy_cohorts c ON c.realm_id = e.realm_id AND c.id = e.cohort_id
         JOIN academy_courses k ON k.realm_id = c.realm_id AND k.id = c.course_id
         WHERE b.realm_id = $1 AND b.id = $2 AND b.status = 'confirmed'",
        realm,
        id
    )?;
    let booking = booking.ok_or(Error::not_found("booking"))?;
    let slot = sql!(
        tx,
        fetch_one as Slot,
        "SELECT s.id, s.kind, s.starts_at, s.ends_at, s.capacity, s.booked, s.instructor_id,
                i.name AS instructor_name, i.title AS instructor_title, i.email AS instructor_email, i.meeting_url
         FROM academy_slots s JOIN academy_instructors i ON i.realm_id = s.realm_id AND i.id = s.instructor_id
         WHERE s.realm_id = $1 AND s.id = $2",
        realm,
        &booking.slot_id
    )?;
    Ok((booking, slot))
}

/// A slot to be added.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSlot {
    /// Its id.
    pub id: String,
    /// The course.
    pub course_id: String,
    /// Who holds it.
    pub instructor_id: String,
    /// How many are in it.
    pub kind: Kind,
    /// When it begins.
    pub starts_at: UnixMs,
    /// When it ends.
    pub ends_at: UnixMs,
    /// Its places.
    pub capacity: i64,
    /// Those that are taken.
    #[serde(default)]
    pub booked: i64,
}

/// Adds a slot, or replaces the one with this id; who has booked it stays.
///
/// # Errors
/// If more places are taken than there would be.
pub async fn put(tx: &mut Tx, realm: RealmId, slot: &NewSlot) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_slots (realm_id, id, course_id, instructor_id, kind, starts_at, ends_at, capacity, booked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (realm_id, id) DO UPDATE SET
             course_id = excluded.course_id, instructor_id = excluded.instructor_id, kind = excluded.kind,
             starts_at = excluded.starts_at, ends_at = excluded.ends_at, capacity = excluded.capacity",
        realm,
        &slot.id,
        &slot.course_id,
        &slot.instructor_id,
        slot.kind.as_str(),
        slot.starts_at,
        slot.ends_at,
        slot.capacity,
        slot.booked
    )?;
    Ok(())
}
