//! Rows that are tried until they end: claimed by one process at a time, settled by the outcome of an attempt, set aside
//! after the last one, deleted when they ended long ago.
//! Knows neither what a row is about nor what an attempt does; never waits for the network.

use std::time::Duration;

use crate::clock::UnixMs;
use crate::error::Result;
use crate::sql;
use crate::storage::{Db, Tx};

/// The state of a row that will be tried, for the first time or again.
pub(crate) const WAITING: &str = "waiting";

/// A table of such rows, and how they are tried; [`crate::queue_in!`] makes one. The table has the columns `id`, `state`,
/// `attempts`, `next_at`, `lease_until`, `result` and `ended_at`.
#[derive(Debug)]
pub struct Queue {
    /// Pauses after failed attempts; after the last one a row is set aside.
    pub pauses: &'static [Duration],
    /// How long a claimed row is left to who claimed it. Longer than any attempt takes.
    pub lease: Duration,
    /// How long rows that ended can be looked at.
    pub kept: Duration,
    /// The state of a row that ended well.
    pub done: &'static str,
    /// The state of a row that is not tried any more.
    pub set_aside: &'static str,
    /// What is said to the database.
    pub statements: Statements,
}

/// What is said to the database about one table.
#[derive(Debug)]
pub struct Statements {
    /// One row that may be claimed.
    pub any_due: &'static str,
    /// Moves the lease of a row, if it is still the one that was seen.
    pub take: &'static str,
    /// Writes the outcome of an attempt, if no other was written since.
    pub settle: &'static str,
    /// Deletes rows that ended before a time.
    pub expire: &'static str,
    /// Counts the rows that wait and those that were set aside.
    pub by_state: &'static str,
}

/// A queue in a table: `queue_in!("mails", pauses: &PAUSES, lease: LEASE, kept: KEPT, done: "sent", set_aside: "failed")`.
#[macro_export]
macro_rules! queue_in {
    ($table:literal, $($field:ident: $value:expr),+ $(,)?) => {
        $crate::queue::Queue {
            $($field: $value,)+
            statements: $crate::queue::Statements {
                any_due: concat!(
                    "SELECT id FROM ", $table,
                    " WHERE state = 'waiting' AND next_at <= $1 AND lease_until <= $1 LIMIT 1"
                ),
                take: concat!(
                    "UPDATE ", $table,
                    " SET lease_until = $3 WHERE id = $1 AND state = 'waiting' AND lease_until = $2"
                ),
                settle: concat!(
                    "UPDATE ", $table,
                    " SET state = $3, attempts = attempts + $4, next_at = $5, lease_until = 0, result = $6, ended_at = $7
                      WHERE id = $1 AND state = 'waiting' AND attempts = $2"
                ),
                expire: concat!("DELETE FROM ", $table, " WHERE ended_at < $1"),
                by_state: concat!(
                    "SELECT state, COUNT(*) FROM ", $table,
                    " WHERE state IN ('waiting', $1) GROUP BY state ORDER BY state"
                ),
            },
        }
    };
}
pub use crate::queue_in;

/// An attempt at a row.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The row's number.
    pub row: i64,
    /// Attempts before this one.
    pub made: i64,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The row is done.
    Done,
    /// It failed, and another attempt may succeed: after the next pause, if there is one.
    Failed,
    /// It failed, and every other attempt would.
    Refused,
    /// Nothing was attempted: it is tried again after this pause, and nothing is counted.
    PutOff(Duration),
    /// Nothing was attempted, and nothing will be.
    GivenUp,
}

impl Queue {
    /// Whether any row may be due; cheaper than to claim, and takes no lock.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn any_due(&self, tx: &mut Tx, now: UnixMs) -> Result<bool> {
        let found = sql!(tx, scalar_optional as i64, self.statements.any_due, now)?;
        Ok(found.is_some())
    }

    /// Takes a row that was seen with this lease, until it is settled or the new lease is over. `false` if another
    /// process was faster.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn take(
        &self,
        tx: &mut Tx,
        (row, lease_until): (i64, UnixMs),
        now: UnixMs,
    ) -> Result<bool> {
        let taken = sql!(
            tx,
            execute,
            self.statements.take,
            row,
            lease_until,
            now.plus(self.lease)
        )?;
        Ok(taken == 1)
    }

    /// Records the outcome of an attempt, in words. It counts only if no other was recorded since the row was claimed.
    ///
    /// # Errors
    /// If the database fails; then the row is tried again when the lease is over.
    pub async fn settle(
        &self,
        tx: &mut Tx,
        attempt: Attempt,
        (ending, result): (Ending, &str),
        now: UnixMs,
    ) -> Result<()> {
        let pause = match ending {
            Ending::Failed => usize::try_from(attempt.made)
                .ok()
                .and_then(|made| self.pauses.get(made).copied()),
            Ending::PutOff(pause) => Some(pause),
            Ending::Done | Ending::Refused | Ending::GivenUp => None,
        };
        let state = match (ending, pause) {
            (Ending::Done, _) => self.done,
            (_, Some(_)) => WAITING,
            (_, None) => self.set_aside,
        };
        let is_attempt = !matches!(ending, Ending::PutOff(_) | Ending::GivenUp);
        sql!(
            tx,
            execute,
            self.statements.settle,
            attempt.row,
            attempt.made,
            state,
            i64::from(is_attempt),
            now.plus(pause.unwrap_or_default()),
            result,
            pause.is_none().then_some(now)
        )?;
        Ok(())
    }

    /// Deletes what ended long ago and returns how many rows there were.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn expire(&self, tx: &mut Tx, now: UnixMs) -> Result<u64> {
        let kept_ms = i64::try_from(self.kept.as_millis()).unwrap_or(i64::MAX);
        let before = UnixMs(now.0.saturating_sub(kept_ms));
        Ok(sql!(tx, execute, self.statements.expire, before)?)
    }

    /// How many rows wait or were set aside, by state.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn by_state(&self, tx: &mut Tx) -> Result<Vec<(&'static str, i64)>> {
        let (statement, set_aside) = (self.statements.by_state, self.set_aside);
        let counted = sql!(tx, fetch_all as (String, i64), statement, set_aside)?.into_iter();
        let named = |state: String| if state == WAITING { WAITING } else { set_aside };
        Ok(counted
            .map(|(state, count)| (named(state), count))
            .collect())
    }

    /// [`Queue::any_due`] in a transaction of its own.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn is_idle(&self, db: &Db, now: UnixMs) -> Result<bool> {
        let mut tx = db.read().await?;
        Ok(!self.any_due(&mut tx, now).await?)
    }
}
