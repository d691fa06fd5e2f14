//! A session with an upstream, or what stands for one with a stateless upstream.
//! One session belongs to one lane and one credential; it is never shared between people.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::era::is_modern_error;
use super::exchange::{Ask, Reply};
use super::failure::CallFailure;
use super::health::{Caller, Health};
use super::http::HttpWire;
use super::inbox::{Inbox, Unsolicited};
use super::lane::Lane;
use super::outgoing::{Client, Outgoing};
use super::slots::Slots;
use super::{Upstream, duplex, heard};
use base::error::{BrokenRule, UpstreamFailureKind};
use broker::credentials::{Echoes, Outbound};
use broker::registry::Transport;
use broker::registry::connection::ConnectionId;
use egress::{EventStream, Limits};
use mcp::error::{METHOD_NOT_FOUND, RpcError};
use mcp::heard::{Heard, hear};
use mcp::message::{self, Kind};
use mcp::{Message, RawObject, Version};
use tenancy::tenant::user::UserId;

/// How long a session waits for a call that does not read before it gives that call up.
const SLOT_STALL: Duration = Duration::from_secs(10);
/// Requests of an upstream that we answer ourselves within a time; a flood of them ends the session.
const REPLIES_MAX: u32 = 200;
const REPLIES_WINDOW: Duration = Duration::from_secs(10);
/// Longest wait for the farewell of a session.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// How messages travel.
#[derive(Debug)]
pub(super) enum Wire {
    /// A POST each.
    Http(HttpWire),
    /// Both ways over one connection (WebSocket) or a pair (HTTP+SSE).
    Duplex(duplex::Sender),
}

/// A session.
#[derive(Debug)]
pub struct Session {
    pub(super) upstream: Arc<Upstream>,
    pub(super) credential: HeaderMap,
    /// The connection that the credential is of, if it is of one.
    pub(super) connection: Option<ConnectionId>,
    /// What must not come back of it.
    echoes: Arc<Echoes>,
    fingerprint: [u8; 16],
    pub(super) wire: Wire,
    /// The revision and the result of `initialize` or `server/discover`; set once the handshake is done.
    pub(super) handshake: OnceLock<(Version, Bytes)>,
    /// The calls under way.
    pub(super) slots: Arc<Slots>,
    inbox: Option<Inbox>,
    log_level: tokio::sync::Mutex<Option<Bytes>>,
    pub(super) closed: CancellationToken,
    /// Whether somebody listens to list changes on it already.
    pub(super) is_listening: AtomicBool,
    /// The server no longer speaks the era of the handshake.
    is_outdated: AtomicBool,
    /// Whether a message was taken on it: what refuses it from then on knows it no more.
    has_worked: AtomicBool,
    /// Held while it is found out whether the server still knows the session.
    pub(super) checking: tokio::sync::Mutex<()>,
    /// Our own replies within the window that began then.
    replies: Mutex<(Instant, u32)>,
}

impl Session {
    /// Connects and shakes hands.
    pub(super) async fn open(
        upstream: Arc<Upstream>,
        lane: &Lane,
        credential: &Outbound,
        client: &Client,
    ) -> Result<Arc<Self>, CallFailure> {
        let caller = Caller {
            credential: credential.fingerprint,
            person: lane.person,
        };
        if !upstream.health.admit(caller) {
            return Err(CallFailure::of(UpstreamFailureKind::BreakerOpen, false));
        }
        let opened = match upstream.transport {
            Transport::StreamableHttp => {
                super::http::open(&upstream, lane, credential, client).await
            }
            Transport::Sse | Transport::Websocket => {
                duplex::open(&upstream, lane, credential, client).await
            }
        };
        match &opened {
            Ok(_) => upstream.health.connected(caller),
            Err(failure) => {
                upstream.log_refusal(failure, &credential.headers);
                upstream.health.failed(caller, failure, true);
            }
        }
        // Nothing of a handshake is the caller's request: it certainly was not carried out.
        opened.map_err(|failure| CallFailure {
            may_have_executed: false,
            ..failure
        })
    }

    pub(super) fn new(
        upstream: Arc<Upstream>,
        lane: &Lane,
        credential: &Outbound,
        wire: Wire,
    ) -> Arc<Self> {
        let closed = upstream.retired.child_token();
        Arc::new(Self {
            upstream,
            credential: credential.headers.clone(),
            connection: credential.connection(),
            echoes: credential.echoes.clone(),
            fingerprint: credential.fingerprint,
            wire,
            handshake: OnceLock::new(),
            slots: Arc::default(),
            inbox: lane.inbox.clone(),
            log_level: tokio::sync::Mutex::default(),
            closed,
            is_listening: AtomicBool::new(false),
            is_outdated: AtomicBool::new(false),
            has_worked: AtomicBool::new(false),
            checking: tokio::sync::Mutex::default(),
            replies: Mutex::new((Instant::now(), 0)),
        })
    }

    /// What the upstream says, as it may be passed on.
    pub(super) fn heard(&self, message: Message) -> Message {
        heard::clean(&message, &self.echoes).unwrap_or(message)
    }

    /// Sets what the upstream said in the handshake.
    pub(super) fn shaken(&self, version: Version, result: Bytes) {
        let cleaned = heard::cleaned(&result, &self.echoes, false);
        let _ = self
            .handshake
            .set((version, cleaned.map_or(result, Bytes::from)));
    }

    /// The revision that was agreed.
    pub fn version(&self) -> Version {
        self.handshake
            .get()
            .map_or(Version::NEWEST_LEGACY, |(version, _)| *version)
    }

    /// The result of `initialize` or `server/discover` as it came; `{}` if the upstream gave none.
    pub fn handshake(&self) -> Bytes {
        self.handshake
            .get()
            .map_or_else(|| Bytes::from_static(b"{}"), |(_, result)| result.clone())
    }

    /// Whether calls can be made on it.
    pub fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Returns once no call can be made on it any more.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether the next call may be made on it: it is open, and in an era that the server still speaks.
    pub(super) fn is_current(&self) -> bool {
        self.is_open() && !self.is_outdated.load(Ordering::Acquire)
    }

    /// The server answers as one of the other era: it was replaced, and the next call asks again.
    /// Calls under way go on.
    pub(super) fn outdate(&self) {
        self.is_outdated.store(true, Ordering::Release);
        self.upstream.era.forget();
    }

    /// The number of the server, for logs.
    pub fn server_id(&self) -> i64 {
        self.upstream.id.0
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.upstream.limits
    }

    /// Counts a request of this caller. What happens during the handshake is counted with the handshake.
    pub(super) fn ended(&self, caller: Caller, failure: Option<&CallFailure>) {
        match failure {
            _ if self.handshake.get().is_none() => {}
            Some(failure) => {
                self.upstream.log_refusal(failure, &self.credential);
                self.upstream.health.failed(caller, failure, false);
            }
            None => {
                self.works();
                self.upstream.health.succeeded(caller);
            }
        }
    }

    /// A message was taken on it.
    pub(super) fn works(&self) {
        if !self.has_worked() {
            self.has_worked.store(true, Ordering::Release);
        }
    }

    /// Whether a message was ever taken on it.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Acquire)
    }

    /// Who calls on it for this person.
    pub(super) fn caller(&self, person: Option<UserId>) -> Caller {
        Caller {
            credential: self.fingerprint,
            person,
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If it cannot be sent or its answer does not come; `may_have_executed` says whether it may have arrived.
    pub async fn request(self: &Arc<Self>, out: &Outgoing<'_>) -> Result<Reply, CallFailure> {
        let caller = self.caller(out.person);
        if !self.upstream.health.admit(caller) {
            return Err(CallFailure::of(UpstreamFailureKind::BreakerOpen, false));
        }
        let seat = Health::seat(&self.upstream.health, caller);
        let seat = seat.ok_or_else(|| CallFailure::of(UpstreamFailureKind::Busy, false))?;
        let mut sent = match &self.wire {
            Wire::Http(wire) if self.version().is_modern() => {
                wire.call_stateless(self, out, seat).await
            }
            Wire::Http(wire) => {
                self.want_log_level(out.client).await;
                wire.call_in_session(self, out, seat).await
            }
            Wire::Duplex(sender) => {
                if !self.version().is_modern() {
                    self.want_log_level(out.client).await;
                }
                sender.call(self, out, seat).await
            }
        };
        if let Ok(Reply::Answer(answer)) = &mut sent
            && let Some(clean) = heard::clean(&answer.message, &self.echoes)
        {
            answer.message = clean;
        }
        if self.is_contradicted_by(&sent) {
            self.outdate();
        }
        match &sent {
            Ok(Reply::Answer(_)) => self.ended(caller, None),
            Ok(Reply::Stream(_)) => {}
            Err(failure) => self.ended(caller, Some(failure)),
        }
        sent
    }

    /// Whether an answer over HTTP is what a server of the other era says: a plain refusal to a stateless
    /// request, or an error that only the stateless era has to a session's.
    fn is_contradicted_by(&self, sent: &Result<Reply, CallFailure>) -> bool {
        match (sent, &self.wire) {
            (_, Wire::Duplex(_)) => false,
            (Err(failure), Wire::Http(_)) => {
                self.version().is_modern()
                    && matches!(failure.kind, UpstreamFailureKind::Http(400 | 404..=406))
            }
            (Ok(Reply::Answer(answer)), Wire::Http(_)) => {
                !self.version().is_modern() && is_modern_error(&answer.message)
            }
            (Ok(Reply::Stream(_)), Wire::Http(_)) => false,
        }
    }

    /// Sends a request of the gateway's own and waits for its result.
    ///
    /// # Errors
    /// As [`Session::request`]; an error response is a `Protocol` failure.
    pub async fn ask(
        self: &Arc<Self>,
        method: &str,
        params: RawObject<'_>,
        client: &Client,
    ) -> Result<Bytes, CallFailure> {
        let answer = self.ask_whole(method, params, client).await?;
        answer.result.ok_or_else(|| {
            let text = format!("it answers `{method}` with an error");
            CallFailure::broke(BrokenRule::new("error", text), false)
        })
    }

    /// Sends a request of the gateway's own and waits for its response, a result or an error.
    ///
    /// # Errors
    /// As [`Session::request`].
    pub async fn ask_whole(
        self: &Arc<Self>,
        method: &str,
        params: RawObject<'_>,
        client: &Client,
    ) -> Result<Message, CallFailure> {
        let out = Outgoing {
            method,
            person: None,
            params,
            client,
            param_headers: Vec::new(),
            is_idempotent: true,
        };
        let answer = match self.request(&out).await? {
            Reply::Answer(answer) => answer,
            Reply::Stream(exchange) => exchange.answer().await?,
        };
        Ok(answer.message)
    }

    /// Tells the server that the handshake is done. Some have no ear for it and answer with an error; it changes nothing.
    pub(super) async fn say_initialized(&self) -> Result<(), CallFailure> {
        match self.notify("notifications/initialized", b"{}").await {
            Err(failure) if self.is_open() && failure.is_from_upstream() => {
                tracing::warn!(
                    server.id = self.server_id(),
                    kind = failure.kind.as_str(),
                    status = failure.status(),
                    "a server refuses notifications/initialized; its session is used all the same"
                );
                Ok(())
            }
            said => {
                // The server took a message in the session.
                said.inspect(|()| self.works())
            }
        }
    }

    /// Sends a notification of the client.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn notify(&self, method: &str, params: &[u8]) -> Result<(), CallFailure> {
        let params = heard::said(params);
        self.send(message::notification(method, &params)).await
    }

    /// Answers a request of the upstream with the client's response, under the upstream's id.
    pub(super) async fn respond(
        &self,
        request: &Message,
        response: &Message,
    ) -> Result<(), CallFailure> {
        let id = request.id.as_deref().unwrap_or(b"null");
        let text = match (&response.result, &response.error) {
            (Some(result), _) => message::result(id, &heard::said(result)),
            (None, Some(error)) => message::error(id, error),
            (None, None) => return Err(CallFailure::of(UpstreamFailureKind::Protocol, false)),
        };
        self.send(text).await
    }

    /// Tells the upstream that nobody can answer its request.
    pub fn refuse(self: &Arc<Self>, request: &Message) {
        let error = RpcError::new(METHOD_NOT_FOUND, "the client does not support this").to_json();
        self.reply(message::error(
            request.id.as_deref().unwrap_or(b"null"),
            &error,
        ));
    }

    pub(super) fn answer_ping(self: &Arc<Self>, request: &Message) {
        self.reply(message::result(
            request.id.as_deref().unwrap_or(b"null"),
            b"{}",
        ));
    }

    /// Sends a reply of our own, unless the upstream wants too many of them.
    fn reply(self: &Arc<Self>, text: Vec<u8>) {
        let is_flood = {
            let mut replies = self
                .replies
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if replies.0.elapsed() > REPLIES_WINDOW {
                *replies = (Instant::now(), 0);
            }
            replies.1 += 1;
            replies.1 > REPLIES_MAX
        };
        if !is_flood {
            self.send_later(text);
        } else if self.is_open() {
            tracing::warn!(
                server.id = self.server_id(),
                "a server sends too many requests; its session is closed"
            );
            self.closed.cancel();
            self.slots.clear();
        }
    }

    pub(super) fn cancel_call(self: &Arc<Self>, id: &Bytes) {
        if self.is_open() {
            let mut params = RawObject::default();
            params.set("requestId", id.to_vec());
            self.send_later(message::notification(
                "notifications/cancelled",
                &params.to_json(),
            ));
        }
    }

    fn send_later(self: &Arc<Self>, text: Vec<u8>) {
        let session = self.clone();
        self.upstream.tasks.spawn(async move {
            if let Err(failure) = session.send(text).await {
                tracing::debug!(
                    server.id = session.server_id(),
                    kind = failure.kind.as_str(),
                    "a message was not delivered"
                );
            }
        });
    }

    async fn send(&self, text: Vec<u8>) -> Result<(), CallFailure> {
        match &self.wire {
            Wire::Http(wire) => wire.send(self, Bytes::from(text)).await,
            Wire::Duplex(sender) => sender.send(self, Bytes::from(text)).await,
        }
    }

    pub(super) async fn resume_stream(
        &self,
        last_event_id: &str,
    ) -> Result<EventStream, CallFailure> {
        match &self.wire {
            Wire::Http(wire) => wire.listen(self, Some(last_event_id)).await,
            Wire::Duplex(_) => Err(CallFailure::of(UpstreamFailureKind::Closed, true)),
        }
    }

    /// Asks a session upstream for the log level that the caller wants, where it differs from the last.
    async fn want_log_level(self: &Arc<Self>, client: &Client) {
        let Some(level) = &client.log_level else {
            return;
        };
        let mut current = self.log_level.lock().await;
        if current.as_ref() == Some(level) {
            return;
        }
        *current = Some(level.clone());
        let mut params = RawObject::default();
        params.set("level", level.to_vec());
        let quiet = Client {
            log_level: None,
            ..client.clone()
        };
        if let Err(failure) = Box::pin(self.ask("logging/setLevel", params, &quiet)).await {
            tracing::debug!(
                server.id = self.server_id(),
                kind = failure.kind.as_str(),
                "the log level was not set"
            );
        }
    }

    /// Ends the session: open calls fail, the upstream is told.
    pub async fn close(&self) {
        if self.closed.is_cancelled() {
            return;
        }
        self.closed.cancel();
        self.slots.clear();
        if let Wire::Http(wire) = &self.wire {
            let _ = tokio::time::timeout(CLOSE_DEADLINE, wire.delete(self)).await;
        }
    }

    /// Marks the session as gone at the upstream. Calls on a shared connection fail with it; one that has a stream of
    /// its own goes on, for as long as that lives.
    pub(super) fn lost(&self) {
        self.closed.cancel();
        if let Wire::Duplex(_) = &self.wire {
            self.slots.clear();
        }
    }

    /// Routes what came outside of a call's own stream, as far as it is made of messages.
    pub(super) async fn hear(self: &Arc<Self>, text: Bytes) {
        match hear(text) {
            Ok(Heard::One(message)) => self.dispatch(message).await,
            Ok(Heard::Batch(messages)) => {
                for message in messages {
                    self.dispatch(message).await;
                }
            }
            Err(broken) => tracing::warn!(
                server.id = self.server_id(),
                rule = broken.rule,
                "skipped what is not a message"
            ),
        }
    }

    /// Routes a message that came outside of a call's own stream.
    pub(super) async fn dispatch(self: &Arc<Self>, message: Message) {
        let message = self.heard(message);
        if message.kind() == Kind::Request && message.method.as_deref() == Some("ping") {
            return self.answer_ping(&message);
        }
        match self.slots.route(&message, self.version().is_modern()) {
            Some(route) => match route.send_timeout(Box::new(message), SLOT_STALL).await {
                Ok(()) => {}
                // The call has ended meanwhile.
                Err(SendTimeoutError::Closed(message)) => self.dispatch_unsolicited(*message),
                Err(SendTimeoutError::Timeout(_)) => tracing::warn!(
                    server.id = self.server_id(),
                    "a call is a slow consumer; a message was dropped"
                ),
            },
            None => self.dispatch_unsolicited(message),
        }
    }

    /// Hands on what belongs to no call.
    pub(super) fn dispatch_unsolicited(self: &Arc<Self>, message: Message) {
        if message.kind() == Kind::Response {
            tracing::warn!(
                server.id = self.server_id(),
                "dropped an answer to no request"
            );
            return;
        }
        if let Some(list) = message.method.as_deref().and_then(changed_list) {
            self.upstream.changed(list);
        }
        let item = match message.kind() {
            Kind::Request => Unsolicited::Ask(Ask {
                message: message.clone(),
                session: self.clone(),
                _asking: None,
            }),
            Kind::Notification | Kind::Response => Unsolicited::Notification(message.clone()),
        };
        let is_taken = self
            .inbox
            .as_ref()
            .is_some_and(|inbox| inbox.put_of(self.server_id(), item));
        if !is_taken && message.kind() == Kind::Request {
            self.refuse(&message);
        }
    }
}

/// The list whose change a notification announces.
pub fn changed_list(method: &str) -> Option<&'static str> {
    match method {
        "notifications/tools/list_changed" => Some("tools"),
        "notifications/prompts/list_changed" => Some("prompts"),
        "notifications/resources/list_changed" => Some("resources"),
        _ => None,
    }
}
