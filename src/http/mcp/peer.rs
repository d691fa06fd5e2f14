//! A client on a connection that carries everything both ways: WebSocket, or the HTTP+SSE pair.
//! The same handler stands behind it as behind streamable HTTP; there are no headers to check.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::super::base_url;
use super::era::{self, Opening};
use super::events::{Messages as _, Said};
use super::streamable::client_of;
use crate::app::App;
use base::clock::random_hex;
use base::trace::{self, Trace};
use broker::guard::Guard;
use mcp::error::{INVALID_REQUEST, RpcError};
use mcp::message::Kind;
use mcp::{Message, ParseError, RawObject, Version, message};
use relay::gateway::chats;
use relay::gateway::client::ClientSession;
use relay::gateway::listen::{CAPABILITIES, Listening, list_changed};
use relay::gateway::{Outcome, Request, Target};
use relay::upstream::{Client, Unsolicited};
use tenancy::auth::Caller;

/// Messages that wait to be written; a client that does not read for longer is let go.
const OUT_MESSAGES_MAX: usize = 256;
/// Longest wait for a client that does not read.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// Requests of one connection that may be under way at once.
const IN_FLIGHT_MAX: u32 = 256;
/// How long the calls of a connection that ends with its permission may take to say so.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The client.
#[derive(Debug)]
pub(super) struct Peer {
    /// 256 random bits: what the POSTs of an HTTP+SSE pair name.
    pub(super) id: String,
    app: Arc<App>,
    caller: Arc<Caller>,
    target: Target,
    /// The chat session that the connection was opened in.
    chat: Option<Arc<str>>,
    /// Scheme and host for absolute links.
    base_url: Arc<str>,
    out: mpsc::Sender<Bytes>,
    session: Mutex<Option<Arc<ClientSession>>>,
    /// Calls of the stateless era, which on such a connection are cancelled by notification.
    calls: Mutex<HashMap<Bytes, CancellationToken>>,
    in_flight: Semaphore,
    /// Cancelled when no `initialize` is under way: what comes after one waits for its session.
    opened: Mutex<CancellationToken>,
    /// Ends the connection with the permission of its opener.
    pub(super) guard: Guard,
    /// Cancelled when the connection is over.
    pub(super) closed: CancellationToken,
}

impl Peer {
    /// A client, and what is to be written to it.
    pub(super) fn new(
        app: Arc<App>,
        caller: Arc<Caller>,
        target: Target,
        headers: &HeaderMap,
    ) -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let (out, to_write) = mpsc::channel(OUT_MESSAGES_MAX);
        let closed = app.tasks.stop.child_token();
        let opened = CancellationToken::new();
        opened.cancel();
        let guard = app.guards.guard(&caller);
        guard.hold();
        let peer = Self {
            guard,
            id: random_hex::<32>(),
            base_url: base_url::of(&app, headers).into(),
            app,
            caller,
            target,
            chat: chats::session_in(headers),
            out,
            session: Mutex::default(),
            calls: Mutex::default(),
            in_flight: Semaphore::new(IN_FLIGHT_MAX as usize),
            opened: Mutex::new(opened),
            closed,
        };
        (Arc::new(peer), to_write)
    }

    /// From here on the connection ends with what it was opened at, too.
    pub(super) async fn bind(&self) {
        // What is not there refuses each request.
        if let Ok(view) = self.app.gateway.view(&self.caller, &self.target).await {
            view.bind(&self.guard);
        }
    }

    /// Waits until the permission has ended and the last words have had their time.
    pub(super) async fn is_overdue(&self) {
        self.guard.ended().await;
        tokio::time::sleep(2 * LAST_WORDS).await;
    }

    /// What is still to be written when the permission has ended: each call under way says why it ends too.
    pub(super) async fn last_words(&self, to_write: &mut mpsc::Receiver<Bytes>) -> VecDeque<Bytes> {
        let mut words = VecDeque::new();
        let is_quiet = self.in_flight.acquire_many(IN_FLIGHT_MAX);
        let _ = tokio::time::timeout(LAST_WORDS, async {
            tokio::pin!(is_quiet);
            loop {
                tokio::select! {
                    biased;
                    Some(text) = to_write.recv() => words.push_back(text),
                    _ = &mut is_quiet => return,
                }
            }
        })
        .await;
        words
    }

    /// Whether this caller may use it at this endpoint.
    pub(super) fn belongs_to(&self, caller: &Caller, target: &Target) -> bool {
        (self.caller.tenant.id, self.caller.user.id) == (caller.tenant.id, caller.user.id)
            && self.target == *target
    }

    /// Takes what the client sends: a message, or several in the one revision that has batches.
    pub(super) async fn receive(self: &Arc<Self>, text: Bytes) {
        let takes_batches = || {
            self.session()
                .is_some_and(|session| session.takes_batches())
        };
        match Message::parse(text.clone()) {
            Err(ParseError::Batch) if takes_batches() => match Message::batch(&text) {
                Ok(messages) => {
                    for message in messages {
                        self.take(message).await;
                    }
                }
                Err(error) => self.refuse(None, &error.into()).await,
            },
            message => self.take(message).await,
        }
    }

    /// Takes one message. Requests are answered while the next message is read.
    async fn take(self: &Arc<Self>, message: Result<Message, ParseError>) {
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.refuse(None, &error.into()).await,
        };
        let opened = lock(&self.opened).clone();
        let is_request = message.kind() == Kind::Request;
        if !is_request && opened.is_cancelled() {
            return self.hear(message).await;
        }
        let is_opening = is_request && message.method.as_deref() == Some("initialize");
        let opening = is_opening.then(|| {
            let opening = CancellationToken::new();
            *lock(&self.opened) = opening.clone();
            // However it ends, whoever waits for it goes on.
            opening.drop_guard()
        });
        let peer = self.clone();
        self.app.tasks.spawn(async move {
            let _opening = opening;
            let closed = peer.closed.clone();
            let taking = async {
                match is_request {
                    true => {
                        let answering = pin!(peer.answer(message, opened));
                        trace::within(peer.trace(), answering).await;
                    }
                    false => {
                        opened.cancelled().await;
                        peer.hear(message).await;
                    }
                }
            };
            tokio::select! {
                () = closed.cancelled() => {}
                () = taking => {}
            }
        });
    }

    /// Takes what has no answer.
    async fn hear(&self, message: Message) {
        if message.kind() == Kind::Notification {
            return self.notified(&message).await;
        }
        let session = self.session();
        if !session.is_some_and(|session| session.respond(message)) {
            tracing::debug!("dropped a response to no request");
        }
    }

    async fn notified(&self, message: &Message) {
        if message.method.as_deref() == Some("notifications/cancelled") {
            let params = RawObject::parse(message.params_or_empty()).unwrap_or_default();
            let call = params
                .get("requestId")
                .and_then(|id| lock(&self.calls).remove(id));
            if let Some(call) = call {
                return call.cancel();
            }
        }
        if let Some(session) = self.session() {
            self.app.gateway.notified(&session, message).await;
        }
    }

    async fn answer(self: &Arc<Self>, message: Message, opened: CancellationToken) {
        let id = message.id.clone();
        let Ok(_permit) = self.in_flight.try_acquire() else {
            let error = RpcError::new(
                INVALID_REQUEST,
                "too many requests are under way on this connection",
            );
            return self.refuse(id.as_ref(), &error).await;
        };
        let answered = match era::opening_of_body(&message) {
            Ok(Opening::Modern(client)) => {
                self.modern(client, message).await;
                Ok(())
            }
            Ok(Opening::Legacy) => {
                opened.cancelled().await;
                self.legacy(message).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            self.refuse(id.as_ref(), &error).await;
        }
    }

    async fn modern(&self, client: Client, message: Message) {
        let id = message.id.clone().unwrap_or_default();
        let request = self.request(Version::V2026_07_28, client, None);
        lock(&self.calls).insert(id.clone(), request.cancelled.clone());
        let outcome = self.handle(request, message).await;
        self.write_outcome(outcome).await;
        lock(&self.calls).remove(&id);
    }

    async fn legacy(self: &Arc<Self>, message: Message) -> Result<(), RpcError> {
        if message.method.as_deref() == Some("initialize") {
            return self.initialize(message).await;
        }
        let session = self.session().ok_or_else(|| {
            RpcError::new(INVALID_REQUEST, "the first request must be initialize")
        })?;
        let request = self.request(session.version, session.client(), Some(session));
        let outcome = self.handle(request, message).await;
        self.write_outcome(outcome).await;
        Ok(())
    }

    async fn initialize(self: &Arc<Self>, message: Message) -> Result<(), RpcError> {
        let client = client_of(&message)?;
        let (target, clock) = (self.target.clone(), &self.app.clock);
        let who = (&*self.caller, self.guard.clone());
        let session = ClientSession::new(who, target, client.clone(), clock);
        let request = self.request(session.version, client, Some(session.clone()));
        let outcome = self.handle(request, message).await;
        let old = lock(&self.session).replace(session.clone());
        if let Some(old) = old {
            self.app.tasks.spawn(async move { old.close().await });
        }
        self.write_outcome(outcome).await;
        let peer = self.clone();
        self.app
            .tasks
            .spawn(async move { peer.pump(session).await });
        Ok(())
    }

    /// Writes what upstreams say outside of calls, and changes of lists.
    async fn pump(self: Arc<Self>, session: Arc<ClientSession>) {
        let mut unsolicited = session.read();
        let of = (&self.caller, &self.target);
        let listening =
            Listening::open(&self.app.gateway, of, &CAPABILITIES, session.known.clone());
        let Ok(mut changes) = listening.await else {
            return;
        };
        let is_union = changes.is_union();
        loop {
            let text = tokio::select! {
                () = self.closed.cancelled() => return,
                changed = changes.next(), if is_union => match changed {
                    Some(capability) => list_changed(capability, None),
                    None => return,
                },
                item = unsolicited.next() => match item {
                    Some(Unsolicited::Notification(message)) if is_union && super::is_list_change(&message) => continue,
                    Some(Unsolicited::Notification(message)) => message.whole,
                    Some(Unsolicited::Ask(ask)) => match session.forward(ask, &self.app.tasks) {
                        Some(text) => text,
                        None => continue,
                    },
                    None => return,
                },
            };
            self.write(text).await;
        }
    }

    async fn handle(&self, request: Request, message: Message) -> Outcome {
        let handled = super::handle(&self.app, &self.base_url, request, message).await;
        handled.outcome
    }

    fn request(
        &self,
        version: Version,
        client: Client,
        session: Option<Arc<ClientSession>>,
    ) -> Request {
        Request {
            caller: self.caller.clone(),
            guard: self.app.guards.guard(&self.caller),
            target: self.target.clone(),
            version,
            client,
            session,
            request_id: trace::request_id(),
            cancelled: self.closed.child_token(),
            param_headers: None,
            chat: self.chat.clone(),
        }
    }

    /// What the log says of one of its requests.
    fn trace(&self) -> Arc<Trace> {
        let trace = Trace::call(random_hex::<16>().into());
        trace.called_by(&self.caller.tenant.key);
        trace
    }

    /// Where its background work runs.
    pub(super) fn tasks(&self) -> &base::tasks::Tasks {
        &self.app.tasks
    }

    fn session(&self) -> Option<Arc<ClientSession>> {
        lock(&self.session).clone()
    }

    async fn write_outcome(&self, outcome: Outcome) {
        let mut said = Said::of(outcome);
        while let Some(text) = said.next().await {
            self.write(text).await;
        }
    }

    async fn refuse(&self, id: Option<&Bytes>, error: &RpcError) {
        let id = id.map_or(&b"null"[..], |id| &id[..]);
        self.write(message::error(id, &error.to_json()).into())
            .await;
    }

    async fn write(&self, text: Bytes) {
        if self.out.send_timeout(text, WRITE_STALL).await.is_err() {
            self.closed.cancel();
        }
    }

    /// Ends everything that the connection began.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        let session = lock(&self.session).take();
        if let Some(session) = session {
            session.close().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
