//! Upstream MCP servers behind one client: streamable HTTP, HTTP+SSE and WebSocket, both eras.
//! Relays what it is given; decides neither who may call nor with whose credential.

mod breaker;
mod duplex;
mod era;
mod exchange;
mod failure;
mod heard;
mod health;
mod http;
mod ids;
mod inbox;
mod lane;
mod listen;
mod outgoing;
mod said;
mod session;
mod slots;
mod sse;
pub mod uri;
mod websocket;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::http::HeaderMap;
use moka::future::Cache;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

pub use exchange::{Answer, Ask, Event, Exchange, Reply};
pub use failure::CallFailure;
pub use inbox::{Inbox, Unread, Unsolicited};
pub use lane::Lane;
pub use outgoing::{Client, Outgoing};
pub use session::{Session, changed_list};

use base::error::UpstreamFailureKind;
use base::tasks::Tasks;
use broker::credentials::Outbound;
use broker::registry::Transport;
use broker::registry::connection::ConnectionId;
use broker::registry::server::{Server, ServerId};
use egress::{Destination, Egress, Limits};
use era::{Era, EraMemory};
use health::{Caller, Health};
use lane::SessionKey;
use tenancy::tenant::user::UserId;

/// Largest whole answer, and largest event of a stream, in bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Announced changes that a slow reader may be behind; it then refreshes everything.
const CHANGES_MAX: usize = 1024;
/// Upstreams remembered at once, and how long an unused one is.
const UPSTREAMS_MAX: u64 = 20_000;
const UPSTREAM_IDLE: Duration = Duration::from_secs(1800);
/// Sessions to one server at once, and how long an unused one is kept.
const SESSIONS_MAX: u64 = 5_000;
const SESSION_IDLE: Duration = Duration::from_secs(600);

/// Every upstream that is in use.
#[derive(Clone)]
pub struct Upstreams {
    egress: Egress,
    tasks: Tasks,
    limits: Limits,
    known: Cache<(ServerId, String), Arc<Upstream>>,
    made: Arc<AtomicU64>,
    changes: broadcast::Sender<Change>,
    listeners: Arc<Semaphore>,
}

/// An upstream said that one of its lists changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which server.
    pub server: ServerId,
    /// `tools`, `prompts` or `resources`.
    pub list: &'static str,
}

impl Upstreams {
    /// No upstream yet; each is made when it is first asked for. `timeout` bounds each wait for an answer.
    pub fn new(egress: Egress, tasks: Tasks, timeout: Duration) -> Self {
        let known = Cache::builder()
            .max_capacity(UPSTREAMS_MAX)
            .time_to_idle(UPSTREAM_IDLE)
            .build();
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        Self {
            egress,
            tasks,
            limits: Limits {
                headers: timeout,
                idle: timeout,
            },
            known,
            made: Arc::default(),
            changes,
            listeners: Arc::new(Semaphore::new(listen::LISTENERS_MAX)),
        }
    }

    /// The upstreams that are in use now.
    pub fn known(&self) -> Vec<Arc<Upstream>> {
        self.known.iter().map(|(_, upstream)| upstream).collect()
    }

    /// Lets go of an upstream whose record is gone: its sessions end, its open calls fail.
    pub(crate) async fn retire(&self, upstream: &Arc<Upstream>) {
        self.known.invalidate(&upstream.key()).await;
        upstream.close().await;
    }

    /// How many upstreams were made so far.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Whether any upstream is in use.
    pub fn is_idle(&self) -> bool {
        self.known.iter().next().is_none()
    }

    /// What upstreams say of changes to their lists.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// The upstream of a server record. A changed address or transport is another upstream.
    ///
    /// # Errors
    /// `Refused` if the address is not one that may be dialled.
    pub async fn of(&self, server: &Server) -> Result<Arc<Upstream>, CallFailure> {
        let key = (
            server.id,
            address_of(server.transport.as_str(), &server.url),
        );
        if let Some(known) = self.known.get(&key).await {
            return Ok(known);
        }
        let destination = self
            .egress
            .check_url(&server.url)
            .map_err(|_| CallFailure::of(UpstreamFailureKind::Refused, false))?;
        let upstream = Arc::new(Upstream {
            id: server.id,
            address: key.1.clone(),
            name: server.name.clone(),
            transport: server.transport,
            destination,
            egress: self.egress.clone(),
            tasks: self.tasks.clone(),
            limits: self.limits,
            era: EraMemory::default(),
            health: Arc::default(),
            sessions: lane::cache(SESSIONS_MAX, SESSION_IDLE),
            changes: self.changes.clone(),
            listeners: self.listeners.clone(),
            retired: self.tasks.stop.child_token(),
        });
        let upstream = self.known.get_with(key, async { upstream }).await;
        self.made.fetch_add(1, Ordering::AcqRel);
        Ok(upstream)
    }
}

/// What a record is reached by; a change makes it another upstream.
pub(crate) fn address_of(transport: &str, url: &str) -> String {
    format!("{transport} {url}")
}

/// One upstream server as we know it.
pub struct Upstream {
    /// The record it was made from.
    pub id: ServerId,
    /// What the record was reached by when it was read: see [`address_of`].
    pub address: String,
    /// The record's name.
    pub name: String,
    transport: Transport,
    destination: Destination,
    egress: Egress,
    tasks: Tasks,
    limits: Limits,
    era: EraMemory,
    health: Arc<Health>,
    sessions: Cache<SessionKey, Arc<Session>>,
    changes: broadcast::Sender<Change>,
    /// Streams that only listen for changes, all upstreams together.
    listeners: Arc<Semaphore>,
    /// Cancelled when the record is gone: a session that was being made meanwhile ends as it begins.
    retired: CancellationToken,
}

impl Upstream {
    /// The session for a lane and credential: an existing one, or a new one after the handshake.
    ///
    /// # Errors
    /// If the breaker is open, or no session can be made.
    pub async fn session(
        self: &Arc<Self>,
        lane: &Lane,
        credential: &Outbound,
        client: &Client,
    ) -> Result<Arc<Session>, CallFailure> {
        if self.retired.is_cancelled() {
            return Err(CallFailure::of(UpstreamFailureKind::Disabled, false));
        }
        if self.is_broken(credential, lane.person) {
            return Err(CallFailure::of(UpstreamFailureKind::BreakerOpen, false));
        }
        let key = SessionKey {
            credential: credential.fingerprint,
            lane: self.lane_of(lane),
        };
        if let Some(session) = self.sessions.get(&key).await {
            if session.is_current() {
                return Ok(session);
            }
            self.sessions.invalidate(&key).await;
        }
        let opening = Session::open(self.clone(), lane, credential, client);
        // Rare, and its future is ten times as large as all else of a call: in place it would be moved with each.
        let made = Box::pin(self.sessions.try_get_with(key, opening));
        made.await.map_err(|failure| CallFailure::clone(&failure))
    }

    /// What a server says to an HTTP error, or which rule it broke, helps its operator, and is nobody else's.
    fn log_refusal(&self, failure: &CallFailure, credential: &HeaderMap) {
        let said = failure.said.as_ref().filter(|said| !said.is_empty());
        let broken = failure.broken.as_ref().map(|broken| &*broken.text);
        if said.is_none() && broken.is_none() || !self.health.may_log() {
            return;
        }
        let said = said.map(|said| said::for_log(said, credential));
        tracing::warn!(
            server.id = self.id.0,
            status = failure.status(),
            said,
            broken,
            "a server refused a request or broke the protocol"
        );
    }

    /// Ends the session of a lane, if there is one.
    pub async fn end_session(&self, lane: &Lane, credential: &Outbound) {
        let key = SessionKey {
            credential: credential.fingerprint,
            lane: lane.clone(),
        };
        if let Some(session) = self.sessions.remove(&key).await {
            session.close().await;
        }
    }

    /// Ends every session that has the credential of this connection.
    pub(crate) async fn end_sessions_of(&self, connection: ConnectionId) {
        for (key, session) in &self.sessions {
            if session.connection == Some(connection) {
                self.sessions.invalidate(&*key).await;
                session.close().await;
            }
        }
    }

    fn key(&self) -> (ServerId, String) {
        (self.id, self.address.clone())
    }

    /// Ends every session, and any that may still come.
    async fn close(&self) {
        for (_, session) in &self.sessions {
            session.close().await;
        }
        self.retired.cancel();
        self.sessions.invalidate_all();
    }

    /// Passes a client's notification on to the sessions here that belong to the client's session.
    pub(crate) async fn notify_sessions(&self, client_session: &str, method: &str, params: &[u8]) {
        for (key, session) in &self.sessions {
            if key.lane.session.as_deref() == Some(client_session)
                && let Err(failure) = session.notify(method, params).await
            {
                tracing::debug!(
                    server.id = self.id.0,
                    kind = failure.kind.as_str(),
                    "a notification was not delivered"
                );
            }
        }
    }

    /// A stateless upstream needs no session of its own per person: one entry per credential serves all.
    fn lane_of(&self, lane: &Lane) -> Lane {
        let is_stateless =
            self.transport == Transport::StreamableHttp && self.era.speaks(Era::Modern);
        if is_stateless && lane.session.is_none() {
            Lane::default()
        } else {
            lane.clone()
        }
    }

    fn changed(&self, list: &'static str) {
        // Nobody listening is no failure.
        let _ = self.changes.send(Change {
            server: self.id,
            list,
        });
    }

    /// Whether it is left alone for now, for this person with this credential, because it failed repeatedly.
    pub fn is_broken(&self, credential: &Outbound, person: Option<UserId>) -> bool {
        self.health.is_broken(Caller {
            credential: credential.fingerprint,
            person,
        })
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams")
            .field("known", &self.known.entry_count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("id", &self.id)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
