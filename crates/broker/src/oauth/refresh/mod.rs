//! Refresh of grants (docs/inside/decisions.md#keeping-grants-fresh): one request for each expiry, whoever and
//! however many notice it.
//! Never deletes a grant; the worst that happens to one is that its person must sign in again, and it says why.

mod lease;
mod due;
mod sweep;
mod work;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::watch;

pub use due::{Ask, is_ending};

use crate::oauth::flow::Flow;
use crate::oauth::reauth::ReauthReason;
use crate::registry::grant::GrantId;
use base::tasks::Tasks;

/// Longest wait of a call for the refresh of its grant; the refresh itself goes on.
pub(crate) const CALLER_PATIENCE: Duration = Duration::from_secs(30);

/// `last_used_at` is written at most this often per grant, and remembered for so many.
const USED_EVERY: Duration = Duration::from_secs(600);
const USED_MAX: u64 = 50_000;

/// What a refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The stored access token is good: a new one, or still the old one.
    Fresh,
    /// The person must sign in again; the grant says why.
    NeedsReauth,
    /// An administrator must act before anybody can sign in again; the grant says why.
    NeedsAdministrator,
    /// Not now, for a reason that may pass.
    Later,
    /// There is no such grant, or it cannot be refreshed at all.
    Impossible,
}

impl Refreshed {
    /// What a grant that is over came to.
    fn needs(reason: Option<ReauthReason>) -> Self {
        match reason.is_some_and(ReauthReason::needs_administrator) {
            true => Self::NeedsAdministrator,
            false => Self::NeedsReauth,
        }
    }
}

/// What refreshing needs.
struct Parts {
    /// The same as signing in needs.
    flow: Flow,
    /// Background work.
    tasks: Tasks,
}

/// Refreshes grants, each at most once at a time. Cheap to clone.
#[derive(Clone)]
pub struct Refresher {
    parts: Arc<Parts>,
    flights: Arc<Mutex<Flights>>,
    /// Grants whose use was noted lately.
    used: Cache<GrantId, ()>,
    /// Grants whose token was refused although it was refreshed for that, at the version that was.
    in_vain: Cache<GrantId, i64>,
    /// Changes when tokens may have.
    renewed: watch::Sender<()>,
}

/// What is under way in this process, and where its end is announced.
type Flights = HashMap<(GrantId, Ask), watch::Receiver<Option<Refreshed>>>;

impl std::fmt::Debug for Refresher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refresher").finish_non_exhaustive()
    }
}

impl Refresher {
    /// A refresher with what signing in needs, and a place for its background work.
    pub fn new(flow: Flow, tasks: Tasks) -> Self {
        Self {
            parts: Arc::new(Parts { flow, tasks }),
            flights: Arc::default(),
            used: Cache::builder()
                .max_capacity(USED_MAX)
                .time_to_live(USED_EVERY)
                .build(),
            in_vain: Cache::builder().max_capacity(USED_MAX).build(),
            renewed: watch::channel(()).0,
        }
    }

    /// Notes that a server refused a token of a grant although it was refreshed because the one before was refused.
    pub fn note_in_vain(&self, grant: GrantId, version: i64) {
        self.in_vain.insert(grant, version);
    }

    /// Whether a refresh would not help against the refusal of a token of this version, as far as this process knows.
    pub fn was_in_vain(&self, grant: GrantId, version: i64) -> bool {
        self.in_vain.get(&grant) == Some(version)
    }

    /// Starts the background job that refreshes ahead of expiry.
    pub fn begin(&self) {
        let refresher = self.clone();
        self.parts
            .tasks
            .supervise("grant_sweep", move || sweep::run(refresher.clone()));
    }

    /// Refreshes a grant if it is due, together with everybody who asks the same meanwhile. Whoever stops waiting
    /// stops nothing.
    pub async fn refresh(&self, grant: GrantId, ask: Ask) -> Refreshed {
        let mut end = self.join(grant, ask);
        let ended = tokio::time::timeout(CALLER_PATIENCE, end.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(end)) => end.unwrap_or(Refreshed::Later),
            // The wait was too long, or the task ended without a word.
            Err(_) | Ok(Err(_)) => Refreshed::Later,
        }
    }

    /// Changes whenever the tokens of a grant may have.
    pub fn renewed(&self) -> watch::Receiver<()> {
        self.renewed.subscribe()
    }

    /// Notes that a call travels with a grant. Written now and then, and by nobody waited for.
    pub fn used(&self, grant: GrantId) {
        if self.used.contains_key(&grant) {
            return;
        }
        self.used.insert(grant, ());
        let parts = self.parts.clone();
        self.parts.tasks.spawn(async move {
            if let Err(error) = lease::touch(&parts.flow.db, grant, parts.flow.clock.now()).await {
                tracing::warn!(grant.id = grant.0, error = %error.chain(), "failed to record the use of a grant");
            }
        });
    }

    /// Refreshes what is due ahead of its expiry. Returns how many grants were looked at.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sweep(&self) -> base::error::Result<usize> {
        sweep::sweep(self).await
    }

    fn join(&self, grant: GrantId, ask: Ask) -> watch::Receiver<Option<Refreshed>> {
        let key = (grant, ask);
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match flights.entry(key) {
            Entry::Occupied(entry) => return entry.get().clone(),
            Entry::Vacant(entry) => entry,
        };
        let (sender, receiver) = watch::channel(None);
        entry.insert(receiver.clone());
        let landing = Landing {
            flights: self.flights.clone(),
            key,
        };
        let (parts, renewed) = (self.parts.clone(), self.renewed.clone());
        self.parts.tasks.spawn(async move {
            let end = work::refresh(&parts, grant, ask).await;
            renewed.send_replace(());
            // Whoever comes from now on must look again; whoever waits is told after that.
            drop(landing);
            let _ = sender.send(Some(end));
        });
        receiver
    }
}

/// Takes a flight off the list when its task ends, however it ends.
struct Landing {
    flights: Arc<Mutex<Flights>>,
    key: (GrantId, Ask),
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}
