//! Which failures of a database pass by themselves, and which are about what was written.
//! Says nothing of what becomes of a request.

use std::borrow::Cow;

use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

/// Result codes of SQLite that pass: busy, locked, read-only, I/O error, full, cannot open, protocol (of locks).
const SQLITE_PASSING: [i32; 7] = [5, 6, 8, 10, 13, 14, 15];
/// Result codes of SQLite that are about a value: too big, mismatch, and of constraints `CHECK`, `NOT NULL`, `DATATYPE`.
const SQLITE_OF_VALUES: [i32; 5] = [18, 20, 275, 1299, 3091];
/// The part of an extended result code that names its kind.
const SQLITE_KIND: i32 = 0xff;
/// Classes of SQLSTATE that pass: connection, rolled back (deadlock), resources (disk full), not in the prerequisite
/// state (lock not available), operator intervention (shutdown, timeout of a statement), system error.
const SQLSTATE_PASSING: [&str; 6] = ["08", "40", "53", "55", "57", "58"];
/// A standby takes no writes until it is promoted.
const SQLSTATE_READ_ONLY: &str = "25006";
/// Classes and values of SQLSTATE that are about a value: data exception, `NOT NULL`, `CHECK`.
const SQLSTATE_OF_VALUES: [&str; 3] = ["22", "23502", "23514"];

/// Whether the same may work later, with nothing changed by us or the caller: the database is away, full, locked or slow.
pub(super) fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => match Code::of(&**error) {
            Code::Sqlite(code) => SQLITE_PASSING.contains(&(code & SQLITE_KIND)),
            Code::State(state) => state == SQLSTATE_READ_ONLY || is_in(&SQLSTATE_PASSING, &state),
        },
        _ => false,
    }
}

/// Whether the database refused a value, so that the same is refused again however often it is tried.
pub(super) fn is_of_values(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => match Code::of(&**error) {
            Code::Sqlite(code) => SQLITE_OF_VALUES.contains(&code),
            Code::State(state) => is_in(&SQLSTATE_OF_VALUES, &state),
        },
        sqlx::Error::Encode(_) => true,
        _ => false,
    }
}

/// How a database names a failure.
enum Code<'a> {
    Sqlite(i32),
    State(Cow<'a, str>),
}

impl<'a> Code<'a> {
    fn of(error: &'a dyn DatabaseError) -> Self {
        let code = error.code().unwrap_or_default();
        match error.try_downcast_ref::<SqliteError>() {
            Some(_) => Self::Sqlite(code.parse().unwrap_or(0)),
            None => Self::State(code),
        }
    }
}

fn is_in(beginnings: &[&str], state: &str) -> bool {
    beginnings
        .iter()
        .any(|beginning| state.starts_with(beginning))
}
