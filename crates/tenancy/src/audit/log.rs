//! The audit rows of MCP calls: queued on the hot path, written in groups.
//! While writing fails, calls that would use a secret are refused (docs/inside/threats.md#audit-fails-closed).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::{Counts, Entry, record_many};
use base::clock::Clock;
use base::error::{Error, Result};
use base::metrics::Metrics;
use base::storage::{Db, StorageError};
use mcp::method;

/// Entries that wait for the writer at most; a full queue refuses calls.
const QUEUE_ENTRIES_MAX: usize = 8192;
/// Entries written in one transaction at most.
const GROUP_ENTRIES_MAX: usize = 512;
/// How long the writer gathers before it writes: bounds what a kill can lose of the log.
const GATHER: Duration = Duration::from_millis(50);
/// Pause after a failed write before the same group is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// The queue in front of the audit table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditLog {
    queue: Sender<Entry>,
    failing: Arc<AtomicBool>,
    metrics: Metrics,
    counts: Counts,
}

/// The other end of the queue; [`Writer::run`] empties it.
#[derive(Debug)]
pub struct Writer {
    db: Db,
    queue: Receiver<Entry>,
    failing: Arc<AtomicBool>,
    metrics: Metrics,
}

impl AuditLog {
    /// A queue and its writer, which counts the calls among what it writes.
    pub fn new(db: Db, metrics: Metrics, clock: &Clock) -> (Self, Writer) {
        let (sender, receiver) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let failing = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            db,
            queue: receiver,
            failing: failing.clone(),
            metrics: metrics.clone(),
        };
        (
            Self {
                queue: sender,
                failing,
                metrics,
                counts: Counts::new(clock),
            },
            writer,
        )
    }

    /// Whether a call that uses a secret may go out now.
    ///
    /// # Errors
    /// `Unavailable` while rows cannot be written or the queue is full.
    pub fn admit(&self) -> Result<()> {
        let full = self.queue.capacity() == 0;
        if full || self.failing.load(Ordering::Acquire) {
            Err(Error::Unavailable("audit"))
        } else {
            Ok(())
        }
    }

    /// How many rows there are of what was written.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many entries wait for the writer.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Counts a call whose row was written elsewhere, in the transaction of what it did.
    pub fn count(&self, entry: &Entry) {
        count(&self.metrics, entry);
    }

    /// Queues one entry. A full queue drops it, and says so: `admit` refused new calls before that.
    pub fn push(&self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            tracing::error!("an audit entry was dropped: the queue is full");
        }
    }
}

impl Writer {
    /// Writes groups until cancelled, then what is left.
    pub async fn run(&mut self, stop: CancellationToken) {
        let mut group = Vec::with_capacity(GROUP_ENTRIES_MAX);
        loop {
            tokio::select! {
                received = self.queue.recv_many(&mut group, GROUP_ENTRIES_MAX) => if received == 0 { return },
                () = stop.cancelled() => break,
            }
            // Under load the queue fills a group by itself; then there is nothing to wait for.
            if group.len() < GROUP_ENTRIES_MAX {
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    () = stop.cancelled() => {}
                }
                self.fill(&mut group);
            }
            self.write(&mut group, &stop).await;
        }
        self.fill(&mut group);
        while !group.is_empty() {
            self.write(&mut group, &stop).await;
            if self.failing.load(Ordering::Acquire) {
                tracing::error!(entries = group.len(), "audit entries were lost at shutdown");
                return;
            }
            self.fill(&mut group);
        }
    }

    fn fill(&mut self, group: &mut Vec<Entry>) {
        while group.len() < GROUP_ENTRIES_MAX {
            match self.queue.try_recv() {
                Ok(entry) => group.push(entry),
                Err(_) => return,
            }
        }
    }

    async fn write(&self, group: &mut Vec<Entry>, stop: &CancellationToken) {
        while !group.is_empty() {
            match self.try_write(group).await {
                Ok(()) => {
                    self.failing.store(false, Ordering::Release);
                    for entry in group.drain(..) {
                        count(&self.metrics, &entry);
                    }
                }
                Err(error) if is_of_values(&error) => self.write_each(group).await,
                Err(error) => {
                    self.failing.store(true, Ordering::Release);
                    tracing::error!(error = %error.chain(), "audit entries cannot be written");
                    if stop.is_cancelled() {
                        return;
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Writes a group in which there is an entry that the database does not take, and puts that one aside: it would hold
    /// up all the others for ever.
    async fn write_each(&self, group: &mut Vec<Entry>) {
        let mut left = Vec::new();
        for entry in group.drain(..) {
            match self.try_write(std::slice::from_ref(&entry)).await {
                Ok(()) => count(&self.metrics, &entry),
                Err(error) if is_of_values(&error) => {
                    tracing::error!(
                        request.id = entry.request_id, action = entry.action, error = %error.chain(),
                        "an audit entry was set aside: the database refuses it"
                    );
                }
                Err(_) => left.push(entry),
            }
        }
        *group = left;
    }

    async fn try_write(&self, group: &[Entry]) -> Result<()> {
        let mut tx = self.db.write().await?;
        record_many(&mut tx, group).await?;
        Ok(tx.commit().await?)
    }
}

/// Whether the database refused something in an entry, and will again.
fn is_of_values(error: &Error) -> bool {
    let Error::Internal(source) = error else {
        return false;
    };
    let of_storage = source.downcast_ref::<StorageError>();
    of_storage.is_some_and(StorageError::is_of_values)
}

/// Calls are named after their MCP method; what REST does is counted as an answer.
fn count(metrics: &Metrics, entry: &Entry) {
    if let Some(method) = method::known(&entry.action) {
        let micros = u64::try_from(entry.duration_us).unwrap_or_default();
        metrics.called(method, entry.outcome, Duration::from_micros(micros));
    }
}
