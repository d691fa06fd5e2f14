//! Revocation: what is open because of a permission, and its end when the permission ends, in this process or in any
//! other: a key, a person, a mentor, an attachment, a server, a connection, a grant.
//! Decides only about what is under way; whether something may begin is asked elsewhere.

mod look;
mod verdict;

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::registry::connection::ConnectionId;
use crate::registry::grant::GrantId;
use crate::registry::server::ServerId;
use base::clock::{Clock, UnixMs};
use base::error::{Ended, Error};
use base::metrics::Metrics;
use base::storage::Db;
use tenancy::auth::Caller;
use tenancy::tenant::mentor::MentorId;

/// How often the permissions of everything that is open are looked at (docs/inside/decisions.md#two-seconds: 2 s in
/// all).
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What ends sooner is never looked at: a short call costs the database nothing.
pub(crate) const UNGUARDED: Duration = Duration::from_millis(250);
/// How long a look waits for others that want one.
const GATHER: Duration = Duration::from_millis(50);

/// Everything in this process that ends with a permission. Cheap to clone.
#[derive(Clone)]
pub struct Guards(Arc<Shared>);

struct Shared {
    db: Db,
    clock: Clock,
    metrics: Metrics,
    held: Mutex<Vec<Weak<Inner>>>,
    /// Somebody is new, or something was changed here.
    wanted: Notify,
    /// Something was changed here: everybody is to be looked at.
    is_changed: AtomicBool,
}

/// What a thing is open through, beside its caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Through {
    /// The mentor whose endpoint it is at. With a server: whose attachment and whose tools it uses.
    pub mentor: Option<MentorId>,
    /// The server that it uses.
    pub server: Option<ServerId>,
    /// The connection whose credential travels.
    pub connection: Option<ConnectionId>,
    /// The OAuth grant whose token travels.
    pub grant: Option<GrantId>,
}

/// One open thing and what it is allowed by. It is guarded as long as any clone is kept.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// None of what the gateway keeps open for everybody who has the credential.
    caller: Option<Arc<Caller>>,
    through: Mutex<Through>,
    since: Instant,
    is_held: AtomicBool,
    is_looked_at: AtomicBool,
    why: OnceLock<Ended>,
    told: Notify,
    last_deed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Guards {
    /// No open thing yet. [`Guards::run`] looks after those that will be.
    pub fn new(db: Db, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            db,
            clock,
            metrics,
            held: Mutex::default(),
            wanted: Notify::new(),
            is_changed: AtomicBool::new(false),
        }))
    }

    /// A guard of something that this caller begins.
    pub fn guard(&self, caller: &Arc<Caller>) -> Guard {
        self.of(Some(caller.clone()), Through::default())
    }

    /// A guard of what is open at a server for everybody who has a credential.
    pub fn guard_credential(&self, through: Through) -> Guard {
        self.of(None, through)
    }

    fn of(&self, caller: Option<Arc<Caller>>, through: Through) -> Guard {
        Guard(Arc::new(Inner {
            shared: self.0.clone(),
            caller,
            through: Mutex::new(through),
            since: Instant::now(),
            is_held: AtomicBool::new(false),
            is_looked_at: AtomicBool::new(false),
            why: OnceLock::new(),
            told: Notify::new(),
            last_deed: Mutex::default(),
        }))
    }

    /// Looks at everything that is open soon, because something was changed in this process.
    pub fn look_soon(&self) {
        self.0.is_changed.store(true, Ordering::Release);
        self.0.wanted.notify_one();
    }

    /// Looks at everything that is open now, before something else ends it without a reason.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn look_now(&self) -> Result<(), Error> {
        self.look(self.0.open(true)).await
    }

    /// How many things are guarded.
    pub fn count(&self) -> usize {
        lock(&self.0.held).len()
    }

    /// Looks until the gateway stops.
    pub async fn run(self, stop: CancellationToken) {
        let mut next = Instant::now() + LOOK_EVERY;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.wanted.notified() => tokio::time::sleep(GATHER).await,
                () = self.until(next) => {}
            }
            let is_due = Instant::now() >= next;
            let is_changed = self.0.is_changed.swap(false, Ordering::AcqRel);
            let open = self.0.open(is_due || is_changed);
            if is_due {
                next = Instant::now() + LOOK_EVERY;
            }
            // A database that does not answer now is asked again.
            if let Err(error) = self.look(open).await {
                tracing::warn!(error = %error.chain(), "the permissions of what is open cannot be read");
            }
        }
    }

    /// Nothing is looked at while nothing is open.
    async fn until(&self, next: Instant) {
        let is_idle = lock(&self.0.held).is_empty();
        match is_idle {
            true => pending().await,
            false => tokio::time::sleep_until(next).await,
        }
    }

    async fn look(&self, open: Vec<Arc<Inner>>) -> Result<(), Error> {
        if open.is_empty() {
            return Ok(());
        }
        // Each is judged by what was read for it: what it comes to depend on meanwhile, the next look reads.
        let through = |inner: Arc<Inner>| {
            let through = *lock(&inner.through);
            (inner, through)
        };
        let open: Vec<(Arc<Inner>, Through)> = open.into_iter().map(through).collect();
        let rows = look::rows(&self.0.db, &open).await?;
        let now = self.0.clock.now();
        // First everybody knows, then everybody acts: a call must not take the end of its session for its own.
        let is_over = |(inner, through): &(Arc<Inner>, Through)| inner.judge(through, (&rows, now));
        let ended: Vec<(Arc<Inner>, Through)> = open.into_iter().filter(is_over).collect();
        for (inner, _) in ended {
            inner.tell();
        }
        Ok(())
    }
}

impl Shared {
    /// What is open now: all of it, or what nobody has looked at yet.
    fn open(&self, is_everything: bool) -> Vec<Arc<Inner>> {
        let mut open = Vec::new();
        lock(&self.held).retain(|inner| {
            let Some(inner) = inner.upgrade() else {
                return false;
            };
            let goes_on = inner.why.get().is_none();
            let is_new = !inner.is_looked_at.swap(true, Ordering::AcqRel);
            if goes_on && (is_everything || is_new) {
                open.push(inner);
            }
            goes_on
        });
        open
    }
}

impl Guard {
    /// Says what else it depends on from now on.
    pub fn depend(&self, change: impl FnOnce(&mut Through)) {
        change(&mut lock(&self.0.through));
        // What it depends on now was not looked at.
        self.0.is_looked_at.store(false, Ordering::Release);
        if self.0.is_held.load(Ordering::Acquire) {
            self.0.shared.wanted.notify_one();
        }
    }

    /// What it depends on, beside its caller.
    pub fn through(&self) -> Through {
        *lock(&self.0.through)
    }

    /// The same for something else of the same caller, open through the same.
    #[must_use]
    pub fn another(&self) -> Self {
        let guards = Guards(self.0.shared.clone());
        guards.of(self.0.caller.clone(), self.through())
    }

    /// Guards it from now on, however young it is.
    pub fn hold(&self) {
        if !self.0.is_held.swap(true, Ordering::AcqRel) {
            lock(&self.0.shared.held).push(Arc::downgrade(&self.0));
            self.0.shared.wanted.notify_one();
        }
    }

    /// Why it ended, if it has.
    pub fn why(&self) -> Option<Ended> {
        self.0.why.get().copied()
    }

    /// Why it ended, if it has by now: looked at for it alone. A database that does not answer tells nothing.
    pub async fn check(&self) -> Option<Ended> {
        if self.why().is_none() {
            let guards = Guards(self.0.shared.clone());
            let _ = guards.look(vec![self.0.clone()]).await;
        }
        self.why()
    }

    /// What is done at the end, at once if that was before.
    pub fn at_end(&self, deed: impl FnOnce() + Send + 'static) {
        self.hold();
        *lock(&self.0.last_deed) = Some(Box::new(deed));
        if self.why().is_some() {
            self.0.act();
        }
    }

    /// Waits for its end. May be dropped and called again.
    pub async fn ended(&self) -> Ended {
        if !self.0.is_held.load(Ordering::Acquire) {
            tokio::time::sleep_until(self.0.since + UNGUARDED).await;
            self.hold();
        }
        loop {
            let told = self.0.told.notified();
            match self.why() {
                Some(why) => return why,
                None => told.await,
            }
        }
    }
}

impl Inner {
    /// Whether it is over now.
    fn judge(&self, through: &Through, (rows, now): (&look::Rows, UnixMs)) -> bool {
        match verdict::of(self.caller.as_deref(), through, rows, now) {
            Some(why) => self.why.set(why).is_ok(),
            None => false,
        }
    }

    fn tell(&self) {
        if let Some(why) = self.why.get() {
            self.shared.metrics.ended(why.as_str());
            let caller = self.caller.as_deref();
            let key = caller.and_then(|caller| caller.token).map(|key| key.0);
            let user = caller.map(|caller| caller.user.id.0);
            tracing::info!(
                token.id = key,
                user.id = user,
                reason = why.as_str(),
                "closed what was open: its permission was revoked or expired"
            );
        }
        self.act();
        self.told.notify_waiters();
    }

    fn act(&self) {
        let deed = lock(&self.last_deed).take();
        if let Some(deed) = deed {
            deed();
        }
    }
}

/// Waits for the end of what may not be there.
pub async fn ended(guard: Option<&Guard>) -> Ended {
    match guard {
        Some(guard) => guard.ended().await,
        None => pending().await,
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("through", &*lock(&self.0.through))
            .field("why", &self.why())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
