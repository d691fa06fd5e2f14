//! What each upstream offers, held per server and credential (docs/inside/decisions.md#lists-from-a-snapshot): lists
//! are answered from here, so a dead or hanging upstream slows the first one at most.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::fetch;
use super::item::{Item, List};
use super::snapshot::Snapshot;
use crate::upstream::{CallFailure, Upstream, Upstreams};
use base::tasks::Tasks;
use broker::credentials::Outbound;
use broker::guard::{Guard, Guards, Through};
use broker::registry::connection::ConnectionId;
use broker::registry::server::ServerId;

/// Catalogs held at once, and how long an unused one is.
const CELLS_MAX: u64 = 20_000;
const CELL_IDLE: Duration = Duration::from_secs(1800);
/// A catalog is looked at again after this, unless the upstream names another time within the bounds.
const FRESH_FOR: Duration = Duration::from_secs(60);
const FRESH_FOR_MIN: Duration = Duration::from_secs(5);
const FRESH_FOR_MAX: Duration = Duration::from_secs(600);
/// Looks at one server are at least this far apart, however often it announces changes
/// (docs/inside/threats.md#servers-that-mean-harm).
const LOOK_SPACING: Duration = Duration::from_secs(1);
/// A failed look is repeated after this.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long the first look at a server may hold up anything but the first list.
pub(crate) const FIRST_LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// Looks that a slow listener may be behind.
const LOOKS_MAX: usize = 1024;

/// The catalog of one server for one credential.
#[derive(Debug)]
pub struct Cell {
    upstream: Arc<Upstream>,
    /// With the newest token, if it is an OAuth grant's.
    credential: RwLock<Outbound>,
    born: Instant,
    snapshot: RwLock<Arc<Snapshot>>,
    is_refreshing: AtomicBool,
    /// When the next look is due.
    due: RwLock<Option<Instant>>,
    /// The lists whose change was announced since the last look, a bit for each of [`CAPABILITIES`].
    announced: AtomicU8,
    /// Since when a change is known that no look has seen, if a call of somebody who uses the catalog brought it.
    stale_since: Mutex<Option<Instant>>,
    looks: watch::Sender<u64>,
    looked: broadcast::Sender<Looked>,
    /// Of the connections that have its credential.
    guards: Mutex<Vec<(ConnectionId, Guard)>>,
}

/// A look at a catalog that may have changed it.
#[derive(Debug, Clone, Copy)]
pub struct Looked {
    /// The address of the cell: whoever compares holds it.
    cell: usize,
    announced: u8,
}

impl Looked {
    /// Whether it was a look at this catalog.
    pub(crate) fn is_of(&self, cell: &Arc<Cell>) -> bool {
        self.cell == Arc::as_ptr(cell) as usize
    }

    /// What the server itself said to have changed, whether anything of it can be seen or not.
    pub fn said(self) -> impl Iterator<Item = &'static str> {
        CAPABILITIES
            .into_iter()
            .filter(move |capability| self.announced & bit_of(capability) != 0)
    }
}

/// Every catalog in use.
#[derive(Debug, Clone)]
pub struct Catalogs {
    cells: Cache<(ServerId, usize, [u8; 16]), Arc<Cell>>,
    tasks: Tasks,
    looked: broadcast::Sender<Looked>,
}

impl Catalogs {
    /// No catalog yet. Listens to what upstreams say of changes.
    pub fn new(upstreams: Upstreams, tasks: Tasks) -> Self {
        let cells = Cache::builder()
            .max_capacity(CELLS_MAX)
            .time_to_idle(CELL_IDLE)
            .build();
        let (looked, _) = broadcast::channel(LOOKS_MAX);
        let catalogs = Self {
            cells,
            tasks: tasks.clone(),
            looked,
        };
        let listener = catalogs.clone();
        tasks.supervise("list_changes", move || {
            listener.clone().hear_upstreams(upstreams.clone())
        });
        catalogs
    }

    /// Marks as stale what upstreams announce to have changed, until the gateway stops.
    async fn hear_upstreams(self, upstreams: Upstreams) {
        let mut announced = upstreams.changes();
        loop {
            let change = tokio::select! {
                () = self.tasks.stop.cancelled() => return,
                change = announced.recv() => change,
            };
            match change {
                Ok(change) => self.mark_stale(Some(change.server), bit_of(change.list)),
                Err(broadcast::error::RecvError::Lagged(_)) => self.mark_stale(None, u8::MAX),
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// The catalog of an upstream for a credential; a look begins if one is due.
    pub async fn cell(&self, upstream: &Arc<Upstream>, credential: &Outbound) -> Arc<Cell> {
        let key = (
            upstream.id,
            Arc::as_ptr(upstream) as usize,
            credential.identity,
        );
        let cell = self
            .cells
            .get_with(key, async {
                Arc::new(Cell {
                    upstream: upstream.clone(),
                    credential: RwLock::new(credential.clone()),
                    born: Instant::now(),
                    snapshot: RwLock::default(),
                    is_refreshing: AtomicBool::new(false),
                    due: RwLock::new(None),
                    announced: AtomicU8::new(0),
                    stale_since: Mutex::default(),
                    looks: watch::channel(0).0,
                    looked: self.looked.clone(),
                    guards: Mutex::default(),
                })
            })
            .await;
        cell.adopt(credential);
        self.revalidate(&cell);
        cell
    }

    /// A catalog is read for as long as one of its connections may be used. With each end all sessions that were opened
    /// with it.
    pub fn guard(&self, cell: &Arc<Cell>, guards: &Guards, connection: ConnectionId) {
        let mut held = cell.guards.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(_, guard)| guard.why().is_none());
        if held.iter().any(|(known, _)| *known == connection) {
            return;
        }
        let guard = guards.guard_credential(Through {
            connection: Some(connection),
            server: Some(cell.upstream.id),
            mentor: None,
            grant: cell.credential().grant.map(|grant| grant.id),
        });
        let (upstream, tasks) = (Arc::downgrade(&cell.upstream), self.tasks.clone());
        guard.at_end(move || {
            if let Some(upstream) = upstream.upgrade() {
                tasks.spawn(async move { upstream.end_sessions_of(connection).await });
            }
        });
        held.push((connection, guard));
    }

    /// Looks again now at an upstream that could not be read, and waits for what is seen, at most for `patience`.
    pub(crate) async fn look_again(&self, cell: &Arc<Cell>, patience: Duration) {
        let mut looks = cell.looks.subscribe();
        *cell
            .due
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        self.revalidate(cell);
        // Nothing seen in time is no failure: the caller reads what there is.
        let _ = tokio::time::timeout(patience, looks.changed()).await;
    }

    /// Looks that may have changed what is offered, after the new content can be read.
    pub fn looks(&self) -> broadcast::Receiver<Looked> {
        self.looked.subscribe()
    }

    /// A call said that a list changed: whoever asks for it next waits, a little, for what is seen now.
    pub(crate) fn changed_by_call(&self, cell: &Arc<Cell>, list: &str) {
        let mut since = cell.stale_since();
        since.get_or_insert_with(Instant::now);
        drop(since);
        self.mark_stale(Some(cell.upstream.id), bit_of(list));
    }

    fn mark_stale(&self, server: Option<ServerId>, lists: u8) {
        for (key, cell) in &self.cells {
            if server.is_none_or(|server| server == key.0) {
                cell.announced.fetch_or(lists, Ordering::AcqRel);
                self.revalidate(&cell);
            }
        }
    }

    /// Starts a look in the background if one is due and none is under way.
    fn revalidate(&self, cell: &Arc<Cell>) {
        if !cell.is_due() || cell.is_refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (cell, catalogs) = (cell.clone(), self.clone());
        self.tasks.spawn(async move {
            cell.look().await;
            tokio::select! {
                () = tokio::time::sleep(LOOK_SPACING) => {}
                () = catalogs.tasks.stop.cancelled() => return,
            }
            cell.is_refreshing.store(false, Ordering::Release);
            // A change that was announced meanwhile has not been seen.
            if cell.announced.load(Ordering::Acquire) != 0 {
                catalogs.revalidate(&cell);
            }
        });
    }
}

impl Cell {
    /// What was seen last.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn stale_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.stale_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call has brought a change that no look has seen.
    pub fn is_stale(&self) -> bool {
        self.stale_since().is_some()
    }

    /// Waits until what calls said to have changed was looked at, at most for `patience` from when it was said.
    pub async fn settled(&self, patience: Duration) {
        let mut looks = self.looks.subscribe();
        let since = *self.stale_since();
        if let Some(since) = since {
            let seen = looks.wait_for(|_| !self.is_stale());
            let _ = tokio::time::timeout_at(since + patience, seen).await;
        }
    }

    /// What was seen last, or will be seen by the first look if that ends within `patience` from when the
    /// catalog was first asked for: a server that hangs slows the first callers, and nobody after.
    pub(crate) async fn first_snapshot(&self, patience: Duration) -> Arc<Snapshot> {
        let mut looks = self.looks.subscribe();
        if *looks.borrow() == 0 {
            let _ =
                tokio::time::timeout_at(self.born + patience, looks.wait_for(|looks| *looks > 0))
                    .await;
        }
        self.snapshot()
    }

    /// Looks with a newer token from now on, and soon: it may be another account's.
    fn adopt(&self, credential: &Outbound) {
        let is_newer = |held: &Outbound| {
            let version = |of: &Outbound| of.grant.map(|grant| grant.version);
            held.fingerprint != credential.fingerprint && version(held) < version(credential)
        };
        if !is_newer(
            &self
                .credential
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        ) {
            return;
        }
        *self
            .credential
            .write()
            .unwrap_or_else(PoisonError::into_inner) = credential.clone();
        *self.due.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn credential(&self) -> Outbound {
        let held = self.credential.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every connection that has its credential was taken back.
    fn is_over(&self) -> bool {
        let held = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        !held.is_empty() && held.iter().all(|(_, guard)| guard.why().is_some())
    }

    fn is_due(&self) -> bool {
        if self.is_over() {
            return false;
        }
        let due = *self.due.read().unwrap_or_else(PoisonError::into_inner);
        self.announced.load(Ordering::Acquire) != 0 || due.is_none_or(|due| Instant::now() >= due)
    }

    async fn look(&self) {
        let announced = self.announced.swap(0, Ordering::AcqRel);
        let begun = Instant::now();
        let credential = self.credential();
        let before = self.snapshot();
        let mut seen = fetch::everything(&self.upstream, &credential, &before).await;
        if seen.as_ref().is_err_and(|failure| failure.is_of_session) {
            seen = fetch::everything(&self.upstream, &credential, &before).await;
        }
        let (next, wait) = match seen {
            Ok(mut fresh) => {
                let same = before.version > 0 && same_content(&before, &fresh);
                fresh.version = if same {
                    before.version
                } else {
                    self.log_notes(&fresh);
                    Snapshot::next_version()
                };
                let wait = match &fresh.failure {
                    Some(failure) => {
                        self.log_failure(failure);
                        RETRY_AFTER
                    }
                    None => fresh
                        .ttl_ms
                        .map_or(FRESH_FOR, Duration::from_millis)
                        .clamp(FRESH_FOR_MIN, FRESH_FOR_MAX),
                };
                (fresh, wait)
            }
            Err(failure) => {
                self.log_failure(&failure);
                let asked = failure.retry_after_s.map(Duration::from_secs);
                let wait = asked.map_or(RETRY_AFTER, |wait| wait.clamp(RETRY_AFTER, FRESH_FOR_MAX));
                let snapshot = Snapshot {
                    failure: Some(failure.of_a_list()),
                    ..Snapshot::clone(&before)
                };
                (snapshot, wait)
            }
        };
        let next = Arc::new(next);
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = next.clone();
        *self.due.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
        self.stale_since().take_if(|since| *since <= begun);
        self.looks.send_modify(|looks| *looks += 1);
        if next.version != before.version || next.failure.is_none() && announced != 0 {
            let looked = Looked {
                cell: std::ptr::from_ref(self) as usize,
                announced: if before.version == 0 { 0 } else { announced },
            };
            // Nobody listening is no failure.
            let _ = self.looked.send(looked);
        }
    }

    fn log_failure(&self, failure: &CallFailure) {
        tracing::warn!(
            server.id = self.upstream.id.0,
            kind = failure.kind.as_str(),
            broken = failure.broken.as_ref().map(|broken| &*broken.text),
            "the lists of a server cannot be read"
        );
    }

    /// How much was left out; the sentences have the server's words in them, which belong in no log.
    fn log_notes(&self, fresh: &Snapshot) {
        let (left_out, flagged) = (fresh.left_out.len(), fresh.flagged.len());
        if left_out + flagged > 0 {
            tracing::info!(
                server.id = self.upstream.id.0,
                left_out,
                flagged,
                "parts of a server's lists were left out or look deceptive; `_meta` of a list says which"
            );
        }
    }
}

/// What announces changes.
pub const CAPABILITIES: [&str; 3] = ["tools", "prompts", "resources"];

fn bit_of(capability: &str) -> u8 {
    CAPABILITIES
        .iter()
        .position(|known| *known == capability)
        .map_or(0, |at| 1 << at)
}

fn same_content(a: &Snapshot, b: &Snapshot) -> bool {
    a.instructions == b.instructions
        && a.left_out == b.left_out
        && a.flagged == b.flagged
        && List::ALL
            .into_iter()
            .all(|list| same_items(a.list(list), b.list(list)))
}

fn same_items(a: &[Item], b: &[Item]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.json == b.json)
}
