//! The audit row of a call to a native server: written with what was done, or queued where nothing was.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use base::clock::{Clock, Stopwatch};
use base::error::Error;
use base::storage::{Db, Tx};
use base::trace;
use tenancy::audit::{self, AuditLog, Entry, RowId};

/// A call and its audit row.
pub(super) struct AuditedCall {
    /// All of the row that is known when the call begins.
    begun: Entry,
    clock: Clock,
    watch: Stopwatch,
    /// The row, once it is written with what was done.
    written: OnceLock<Written>,
    /// Whether it goes through several transactions.
    is_stepwise: AtomicBool,
    /// Its outcome, if that is more than that it succeeded.
    outcome: OnceLock<&'static str>,
}

/// A row that is written.
enum Written {
    /// With its outcome.
    Whole,
    /// To be completed.
    Begun(RowId),
}

impl AuditedCall {
    pub(super) fn begin(begun: Entry, clock: Clock) -> Self {
        Self {
            begun,
            clock,
            watch: Stopwatch::start(),
            written: OnceLock::new(),
            is_stepwise: AtomicBool::new(false),
            outcome: OnceLock::new(),
        }
    }

    /// It goes through several transactions, and its row is completed when it ends.
    pub(super) fn spans_transactions(&self) {
        self.is_stepwise.store(true, Ordering::Relaxed);
    }

    /// Its outcome, if it did not just succeed.
    pub(super) fn set_outcome(&self, outcome: &'static str) {
        // The first word stands.
        let _ = self.outcome.set(outcome);
    }

    /// Commits what was done: it and the row that says so are there together or not at all. A call has one row, which
    /// goes with the first of its transactions.
    ///
    /// # Errors
    /// If the database fails; then nothing was done.
    pub(super) async fn commit(&self, mut tx: Tx) -> Result<(), Error> {
        let written = match self.written.get() {
            Some(_) => None,
            None if self.is_stepwise.load(Ordering::Relaxed) => {
                let row = audit::begin(&mut tx, &self.entry(audit::BEGUN)).await?;
                Some(Written::Begun(row))
            }
            None => {
                audit::record(&mut tx, &self.entry("ok")).await?;
                Some(Written::Whole)
            }
        };
        tx.commit().await?;
        if let Some(written) = written {
            self.written.get_or_init(|| written);
        }
        Ok(())
    }

    /// Completes the row that was begun, or queues that of a call that has written none. `failure`: why it failed.
    pub(super) async fn conclude(&self, log: &AuditLog, db: &Db, failure: Option<&'static str>) {
        let succeeded = || self.outcome.get().copied().unwrap_or("ok");
        let outcome = failure.unwrap_or_else(succeeded);
        trace::note(|trace| trace.ended(outcome));
        let entry = self.entry(outcome);
        match self.written.get() {
            None => log.push(entry),
            Some(Written::Whole) => log.count(&entry),
            Some(Written::Begun(row)) => {
                log.count(&entry);
                if let Err(error) = complete(db, *row, &entry).await {
                    tracing::error!(request.id = %entry.request_id, error = %error.chain(), "failed to complete an audit row");
                }
            }
        }
    }

    fn entry(&self, outcome: &'static str) -> Entry {
        Entry {
            at: self.clock.now().0,
            outcome,
            duration_us: i64::try_from(self.watch.elapsed().as_micros()).unwrap_or(i64::MAX),
            ..self.begun.clone()
        }
    }
}

async fn complete(db: &Db, row: RowId, entry: &Entry) -> Result<(), Error> {
    let mut tx = db.write().await?;
    audit::end(&mut tx, row, entry).await?;
    Ok(tx.commit().await?)
}
