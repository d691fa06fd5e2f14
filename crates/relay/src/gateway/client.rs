//! Sessions of clients whose revision has them. Bound to the caller who opened it: for anybody else it does
//! not exist (docs/inside/decisions.md#what-was-seen-of-rmcp).

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use moka::future::Cache;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::capabilities::is_undeclared;
use super::known::Known;
use super::streams::Streams;
use super::target::Target;
use super::watch::WATCHED_MAX;
use crate::upstream::{Ask, Client, Inbox, Lane, Session, Unread, Unsolicited, Upstream};
use base::clock::{Clock, random_hex};
use base::tasks::Next;
use broker::credentials::Outbound;
use broker::guard::Guard;
use mcp::message::{self, Kind};
use mcp::{Message, RawObject, Version};
use tenancy::auth::Caller;

/// Sessions open at once.
const SESSIONS_MAX: u64 = 100_000;
/// A session that is not used for this long ends.
const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// How often sessions that are over are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(15);
/// Longest wait for a client's answer to an upstream's request.
const ASK_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// An upstream where a client's session has one of its own.
#[derive(Debug)]
struct Used {
    upstream: Arc<Upstream>,
    credential: Outbound,
    session: Weak<Session>,
    lane: Lane,
    /// Ends that session with what it was opened through.
    #[expect(dead_code, reason = "it guards as long as it is kept")]
    guard: Guard,
}

impl Used {
    fn is(&self, upstream: &Arc<Upstream>, credential: &Outbound) -> bool {
        Arc::ptr_eq(&self.upstream, upstream)
            && self.credential.fingerprint == credential.fingerprint
    }
}

/// A client's session.
#[derive(Debug)]
pub struct ClientSession {
    /// What the client shows: 256 random bits.
    pub id: Arc<str>,
    /// The revision that was agreed.
    pub version: Version,
    /// Where upstream sessions of this session put what belongs to no call.
    pub inbox: Inbox,
    owner: (i64, i64),
    target: Target,
    client: Mutex<Client>,
    unsolicited: Mutex<Unread>,
    /// Ends the stream that reads them, for a newer one.
    reader: Mutex<CancellationToken>,
    asked: Mutex<HashMap<u64, oneshot::Sender<Message>>>,
    next_ask: AtomicU64,
    calls: Mutex<HashMap<Bytes, CancellationToken>>,
    upstreams: Mutex<Vec<Used>>,
    watches: Mutex<HashMap<(i64, String), CancellationToken>>,
    /// Its streams, kept for a while for a client that comes back.
    pub streams: Streams,
    /// What it was last told of the lists.
    pub known: Known,
    /// Cancelled when the session ends.
    pub closed: CancellationToken,
    /// Ends it with the key that it was opened with.
    pub guard: Guard,
    clock: Clock,
    /// Milliseconds of [`Clock::uptime`] when the client was last heard.
    used_at_ms: AtomicU64,
}

impl ClientSession {
    /// A new session of this caller.
    pub fn new(
        (caller, guard): (&Caller, Guard),
        target: Target,
        client: Client,
        clock: &Clock,
    ) -> Arc<Self> {
        let is_of_union = matches!(target, Target::Mentor(_));
        let (inbox, unsolicited) = Inbox::new(is_of_union);
        let version = client.legacy_version;
        Arc::new(Self {
            id: random_hex::<32>().into(),
            version,
            inbox,
            owner: (caller.tenant.id.0, caller.user.id.0),
            target,
            client: Mutex::new(client),
            unsolicited: Mutex::new(unsolicited),
            reader: Mutex::default(),
            asked: Mutex::default(),
            next_ask: AtomicU64::new(1),
            calls: Mutex::default(),
            upstreams: Mutex::default(),
            watches: Mutex::default(),
            streams: Streams::default(),
            known: Known::default(),
            closed: CancellationToken::new(),
            guard,
            clock: clock.clone(),
            used_at_ms: AtomicU64::new(now_ms(clock)),
        })
    }

    /// Notes that the client is there.
    fn touch(&self) {
        self.used_at_ms
            .store(now_ms(&self.clock), Ordering::Relaxed);
    }

    /// Whether nothing is open and the client has not been heard for [`SESSION_IDLE`].
    fn is_idle(&self) -> bool {
        let used_at = Duration::from_millis(self.used_at_ms.load(Ordering::Relaxed));
        self.clock.uptime().saturating_sub(used_at) >= SESSION_IDLE
            && !self.inbox.is_read()
            && lock(&self.calls).is_empty()
    }

    /// From now on it ends with the permission of its opener, and so do those that it has upstream.
    pub fn end_with_permission(self: &Arc<Self>, tasks: &base::tasks::Tasks) {
        let (session, tasks) = (Arc::downgrade(self), tasks.clone());
        self.guard.at_end(move || {
            if let Some(session) = session.upgrade() {
                session.closed.cancel();
                tasks.spawn(async move { session.close().await });
            }
        });
    }

    /// Whether this caller may use it at this endpoint.
    pub fn belongs_to(&self, caller: &Caller, target: &Target) -> bool {
        self.owner == (caller.tenant.id.0, caller.user.id.0) && self.target == *target
    }

    /// Whether its revision has batches.
    pub fn takes_batches(&self) -> bool {
        self.version == Version::V2025_03_26
    }

    /// The client as it described itself.
    pub fn client(&self) -> Client {
        lock(&self.client).clone()
    }

    /// Sets the log level that `logging/setLevel` asked for.
    pub fn set_log_level(&self, level: Bytes) {
        lock(&self.client).log_level = Some(level);
    }

    /// Reads the messages that belong to no call. The newest reader takes over, whatever became of the one before it:
    /// a connection may hang half open for long.
    pub fn read(self: &Arc<Self>) -> Reader {
        let mut reader = lock(&self.reader);
        reader.cancel();
        *reader = self.closed.child_token();
        self.inbox.set_read(true);
        Reader {
            session: self.clone(),
            is_over: reader.clone(),
        }
    }

    /// Asks the client something: returns the request to send and where the response arrives.
    pub fn ask(self: &Arc<Self>, method: &str, params: &[u8]) -> (Bytes, Asked) {
        let number = self.next_ask.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.asked).insert(number, sender);
        let text = message::request(number.to_string().as_bytes(), method, params);
        (
            text.into(),
            Asked {
                number,
                receiver,
                session: self.clone(),
            },
        )
    }

    /// Hands an upstream's request on to the client: returns the request to send; the client's response
    /// goes back by itself. A request for what the client did not declare is refused on its behalf.
    pub fn forward(self: &Arc<Self>, ask: Ask, tasks: &base::tasks::Tasks) -> Option<Bytes> {
        if is_undeclared(&self.client().capabilities, &ask.message) {
            ask.refuse();
            return None;
        }
        let method = ask.message.method.as_deref().unwrap_or_default();
        let (text, mut asked) = self.ask(method, ask.message.params_or_empty());
        tasks.spawn(async move {
            match asked.response().await {
                Some(response) => {
                    if let Err(failure) = ask.answer(&response).await {
                        tracing::debug!(
                            kind = failure.kind.as_str(),
                            "a client's response was not delivered"
                        );
                    }
                }
                None => ask.refuse(),
            }
        });
        Some(text)
    }

    /// Takes a response of the client. `false` if nothing waits for it.
    pub fn respond(&self, response: Message) -> bool {
        debug_assert_eq!(response.kind(), Kind::Response);
        let number = response
            .id
            .as_deref()
            .and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let waiting = number.and_then(|number: u64| lock(&self.asked).remove(&number));
        waiting.is_some_and(|waiting| waiting.send(response).is_ok())
    }

    /// Notes a call under way, so that `notifications/cancelled` finds it.
    pub(crate) fn begin_call(&self, id: &Bytes) -> CancellationToken {
        let token = self.closed.child_token();
        lock(&self.calls).insert(id.clone(), token.clone());
        token
    }

    /// Forgets a call that ended.
    pub(crate) fn end_call(&self, id: &Bytes) {
        self.touch();
        lock(&self.calls).remove(id);
    }

    /// Cancels the call that a `notifications/cancelled` names.
    pub(crate) fn cancel_call(&self, params: &[u8]) {
        let params = RawObject::parse(params).unwrap_or_default();
        let call = params
            .get("requestId")
            .and_then(|id| lock(&self.calls).remove(id));
        if let Some(call) = call {
            call.cancel();
        }
    }

    /// Notes an upstream where this session has a session of its own, which ends with what it is opened through. Returns
    /// whether it had another one there before, with whatever the server kept in it.
    pub fn uses(
        self: &Arc<Self>,
        (upstream, credential): (&Arc<Upstream>, &Outbound),
        lane: &Lane,
        session: &Arc<Session>,
        (guard, tasks): (&Guard, &base::tasks::Tasks),
    ) -> bool {
        let mut all = lock(&self.upstreams);
        if let Some(used) = all.iter_mut().find(|used| used.is(upstream, credential)) {
            let is_other = !std::ptr::eq(used.session.as_ptr(), Arc::as_ptr(session));
            if is_other {
                used.session = Arc::downgrade(session);
            }
            return is_other && !session.version().is_modern();
        }
        let is_other = all.iter().any(|used| used.upstream.id == upstream.id);
        let guard = guard.another();
        all.push(Used {
            upstream: upstream.clone(),
            credential: credential.clone(),
            session: Arc::downgrade(session),
            lane: lane.clone(),
            guard: guard.clone(),
        });
        drop(all);
        self.end_upstream_with(&guard, (upstream, credential, lane), tasks);
        is_other && !session.version().is_modern()
    }

    /// Has its session at an upstream end with a guard.
    fn end_upstream_with(
        self: &Arc<Self>,
        guard: &Guard,
        (upstream, credential, lane): (&Arc<Upstream>, &Outbound, &Lane),
        tasks: &base::tasks::Tasks,
    ) {
        let (session, upstream) = (Arc::downgrade(self), Arc::downgrade(upstream));
        let (credential, lane, tasks) = (credential.clone(), lane.clone(), tasks.clone());
        guard.at_end(move || {
            if let (Some(session), Some(upstream)) = (session.upgrade(), upstream.upgrade()) {
                lock(&session.upstreams).retain(|used| !used.is(&upstream, &credential));
                tasks.spawn(async move { upstream.end_session(&lane, &credential).await });
            }
        });
    }

    /// Ends a watch of a resource, and notes a new one if it is wanted: returns what will end that.
    pub(crate) fn rewatch(
        &self,
        server: i64,
        uri: &str,
        is_wanted: bool,
    ) -> Option<CancellationToken> {
        let mut watches = lock(&self.watches);
        let key = (server, uri.to_owned());
        if let Some(old) = watches.remove(&key) {
            old.cancel();
        }
        if !is_wanted || watches.len() >= WATCHED_MAX {
            return None;
        }
        let stop = self.closed.child_token();
        watches.insert(key, stop.clone());
        Some(stop)
    }

    /// Where updates of watched resources go: to this session's own stream.
    pub(crate) fn updates(self: &Arc<Self>, tasks: &base::tasks::Tasks) -> mpsc::Sender<Message> {
        let (sink, mut updates) = mpsc::channel(WATCHED_MAX);
        let (inbox, closed) = (self.inbox.clone(), self.closed.clone());
        tasks.spawn(async move {
            loop {
                let update = tokio::select! {
                    () = closed.cancelled() => return,
                    update = updates.recv() => update,
                };
                match update {
                    Some(message) => {
                        inbox.put(Unsolicited::Notification(message));
                    }
                    None => return,
                }
            }
        });
        sink
    }

    /// Passes a notification of the client on to every upstream session of this session.
    pub(crate) async fn notify_upstreams(&self, message: &Message) {
        let upstreams: Vec<_> = {
            let used = lock(&self.upstreams);
            used.iter().map(|used| used.upstream.clone()).collect()
        };
        let method = message.method.as_deref().unwrap_or_default();
        for upstream in upstreams {
            upstream
                .notify_sessions(&self.id, method, message.params_or_empty())
                .await;
        }
    }

    /// Ends the session and those it has upstream.
    pub async fn close(&self) {
        self.closed.cancel();
        let used = std::mem::take(&mut *lock(&self.upstreams));
        for Used {
            upstream,
            credential,
            lane,
            ..
        } in used
        {
            upstream.end_session(&lane, &credential).await;
        }
    }
}

/// The one stream that reads what belongs to no call of a session.
#[derive(Debug)]
pub struct Reader {
    session: Arc<ClientSession>,
    /// Cancelled when a newer stream has taken over, and when the session ends.
    pub is_over: CancellationToken,
}

impl Reader {
    /// The next message; `None` once it reads no more. May be dropped and asked again.
    pub async fn next(&mut self) -> Option<Unsolicited> {
        let next = poll_fn(|context| lock(&self.session.unsolicited).poll_next(context));
        tokio::select! {
            biased;
            () = self.is_over.cancelled() => None,
            message = next => message,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _newest = lock(&self.session.reader);
        if !self.is_over.is_cancelled() {
            self.session.inbox.set_read(false);
            self.session.touch();
        }
    }
}

/// A request to the client whose response is awaited.
#[derive(Debug)]
pub struct Asked {
    number: u64,
    receiver: oneshot::Receiver<Message>,
    session: Arc<ClientSession>,
}

impl Asked {
    /// The response; `None` if none came in time or the session ended.
    pub async fn response(&mut self) -> Option<Message> {
        let closed = self.session.closed.clone();
        tokio::select! {
            response = tokio::time::timeout(ASK_DEADLINE, &mut self.receiver) => response.ok()?.ok(),
            () = closed.cancelled() => None,
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        lock(&self.session.asked).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn now_ms(clock: &Clock) -> u64 {
    u64::try_from(clock.uptime().as_millis()).unwrap_or(u64::MAX)
}

/// Every open session.
#[derive(Debug, Clone)]
pub struct ClientSessions(Cache<Arc<str>, Arc<ClientSession>>);

impl Default for ClientSessions {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(SESSIONS_MAX)
            .eviction_listener(|_, session: Arc<ClientSession>, _| session.closed.cancel())
            .build();
        Self(cache)
    }
}

impl ClientSessions {
    /// No session yet. Those whose clients are gone are ended until the gateway stops.
    pub fn begin(tasks: &base::tasks::Tasks) -> Self {
        let sessions = Self::default();
        let swept = sessions.clone();
        tasks.every("session_sweep", SWEEP_EVERY, move || {
            let swept = swept.clone();
            async move {
                swept.sweep().await;
                Ok(Next::Later)
            }
        });
        sessions
    }

    async fn sweep(&self) {
        for (id, session) in &self.0 {
            if session.is_idle() {
                self.0.invalidate(&*id).await;
                session.close().await;
            }
        }
    }

    /// Adds a session.
    pub async fn insert(&self, session: Arc<ClientSession>) {
        self.0.insert(session.id.clone(), session).await;
    }

    /// The session with this id, if it is this caller's at this endpoint.
    pub async fn find(
        &self,
        id: &str,
        caller: &Caller,
        target: &Target,
    ) -> Option<Arc<ClientSession>> {
        let session = self.0.get(id).await?;
        // One that is over is ended by the sweep.
        let is_over = session.is_idle() || session.closed.is_cancelled();
        if is_over || !session.belongs_to(caller, target) {
            return None;
        }
        session.touch();
        Some(session)
    }

    /// Removes a session.
    pub async fn remove(&self, id: &str) {
        self.0.invalidate(id).await;
    }
}
