//! What learners did and when. Rows are added and never changed.

use sqlx::FromRow;

use super::window::Window;
use base::clock::UnixMs;
use base::error::Result;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// A pause after which somebody has begun anew, in seconds.
const PAUSE_S: i64 = 600;
/// What a first message counts, in seconds: nobody knows when its writing began.
const FIRST_S: i64 = 60;
/// Events that one answer is computed from.
const EVENTS_MAX: i64 = 100_000;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Time with a course.
    Course,
    /// A piece of work was scored.
    Assessment,
    /// A message to a mentor.
    Mentor,
}

/// Every kind with its stored word.
const KINDS: [(Kind, &str); 3] = [
    (Kind::Course, "course"),
    (Kind::Assessment, "assessment"),
    (Kind::Mentor, "mentor"),
];

impl Kind {
    fn as_str(self) -> &'static str {
        let found = KINDS.iter().find(|(kind, _)| *kind == self);
        found.map_or("course", |(_, word)| word)
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let found = KINDS.iter().find(|(_, known)| *known == word);
        found
            .map(|(kind, _)| *kind)
            .ok_or_else(|| format!("{word:?} is no kind of event"))
    }
}

/// Something that a learner did.
#[derive(Debug, Clone, FromRow)]
pub struct Event {
    /// When.
    pub at: UnixMs,
    /// What.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// The academy's course that it belongs to.
    pub course_id: Option<String>,
    /// The mentor's UUID.
    pub mentor: Option<String>,
    /// How long it took.
    pub seconds: i64,
    /// What a scored piece of work came to, in percent.
    pub score: Option<i64>,
}

/// Writes an event down.
///
/// # Errors
/// If the database fails.
pub async fn record(tx: &mut Tx, (tenant, user): (TenantId, UserId), event: &Event) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO learner_events (tenant_id, user_id, at, kind, course_id, mentor, seconds, score)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        tenant,
        user,
        event.at,
        event.kind.as_str(),
        event.course_id.as_deref(),
        event.mentor.as_deref(),
        event.seconds,
        event.score
    )?;
    Ok(())
}

/// Writes down that a learner said something to a mentor: as long as it is since the last time, unless that was a pause.
///
/// # Errors
/// If the database fails.
pub async fn record_message(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    mentor: &str,
    now: UnixMs,
) -> Result<()> {
    let last = sql!(
        tx,
        scalar as Option<UnixMs>,
        "SELECT MAX(at) FROM learner_events WHERE user_id = $1 AND mentor = $2",
        user,
        mentor
    )?;
    let since = last.map(|last| i64::try_from(now.since_ms(last) / 1000).unwrap_or(i64::MAX));
    let event = Event {
        at: now,
        kind: Kind::Mentor,
        course_id: None,
        mentor: Some(mentor.to_owned()),
        seconds: since.filter(|since| *since <= PAUSE_S).unwrap_or(FIRST_S),
        score: None,
    };
    record(tx, (tenant, user), &event).await
}

/// What a learner did in a window, the first thing first.
pub(super) async fn within(tx: &mut Tx, user: UserId, window: &Window) -> Result<Vec<Event>> {
    Ok(sql!(
        tx,
        fetch_all as Event,
        "SELECT at, kind, course_id, mentor, seconds, score FROM learner_events
         WHERE user_id = $1 AND at >= $2 AND at < $3 ORDER BY at, id LIMIT $4",
        user,
        window.from,
        window.until,
        EVENTS_MAX
    )?)
}
