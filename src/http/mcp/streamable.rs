//! Streamable HTTP of every revision at one URL: stateless requests, and sessions with GET and DELETE.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{ACCEPT, ALLOW};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio_util::sync::CancellationToken;

use super::era::{self, Opening};
use super::events::{self, Messages, Said};
use super::{Asked, body};
use crate::app::App;
use base::trace::{self, Trace};
use broker::guard::Guard;
use mcp::error::{INVALID_REQUEST, RpcError};
use mcp::message::Kind;
use mcp::{Message, ParseError, RawObject, Version, headers};
use relay::gateway::chats;
use relay::gateway::client::{ClientSession, Reader};
use relay::gateway::listen::{CAPABILITIES, Listening, list_changed};
use relay::gateway::streams::{Position, Stream};
use relay::gateway::view::View;
use relay::gateway::{Outcome, Request, Target};
use relay::upstream::{Client, Unsolicited};

/// Answers one HTTP request that has passed the checks.
pub(super) async fn answer(asked: Asked, content: Body) -> Response {
    let answered = match asked.parts.method {
        Method::POST => asked.post(content).await,
        Method::GET => asked.get().await,
        Method::DELETE => asked.delete().await,
        _ => Ok(method_not_allowed()),
    };
    answered.unwrap_or_else(|error| body::refuse(None, &error))
}

fn method_not_allowed() -> Response {
    let mut response = body::empty(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
    response
}

fn accepts(map: &HeaderMap, media_type: &str) -> bool {
    let mut values = map.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            let group = media_type.split('/').next().unwrap_or_default();
            range == "*/*"
                || range.eq_ignore_ascii_case(media_type)
                || range.strip_suffix("/*") == Some(group)
        })
}

impl Asked {
    async fn post(self, content: Body) -> Result<Response, RpcError> {
        if !accepts(&self.parts.headers, "application/json")
            || !accepts(&self.parts.headers, "text/event-stream")
        {
            let text = "Not Acceptable: the client must accept both application/json and text/event-stream";
            return Err(RpcError::new(INVALID_REQUEST, text).with_status(406));
        }
        let text = body::read(&self.parts.headers, content, body::bytes_max(&self.target))
            .await
            .map_err(|error| RpcError::from(&error))?;
        let message = match Message::parse(text.clone()) {
            Err(ParseError::Batch) => return self.batch(&text).await,
            parsed => parsed?,
        };
        let id = message.id.clone();
        let answered = match era::opening(&self.parts.headers, &message) {
            Ok(Opening::Modern(client)) => Ok(self.modern(client, message).await),
            Ok(Opening::Legacy) => self.legacy(message).await,
            Err(error) => Err(error),
        };
        Ok(answered.unwrap_or_else(|error| body::refuse(id.as_ref(), &error)))
    }

    async fn modern(self, client: Client, message: Message) -> Response {
        if message.kind() == Kind::Notification {
            return body::empty(StatusCode::ACCEPTED);
        }
        let request = self.request(Version::V2026_07_28, client, None);
        self.handle(request, message).await
    }

    async fn handle(&self, request: Request, message: Message) -> Response {
        let handled = super::handle(&self.app, &self.base_url, request, message).await;
        headed(respond(handled.outcome), handled.headers)
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
            request_id: self.request_id.clone(),
            cancelled: CancellationToken::new(),
            param_headers: Some(param_headers(&self.parts.headers)),
            chat: chats::session_in(&self.parts.headers),
        }
    }

    async fn legacy(self, message: Message) -> Result<Response, RpcError> {
        if message.method.as_deref() == Some("initialize") && message.kind() == Kind::Request {
            return self.initialize(message).await;
        }
        // The session's revision was agreed: a header that names another one that we know changes nothing.
        let session = self.session().await?;
        match message.kind() {
            Kind::Request => {
                let request =
                    self.request(session.version, session.client(), Some(session.clone()));
                if let Target::Native(_) = self.target {
                    let handled = super::handle(&self.app, &self.base_url, request, message).await;
                    let answered = answered(&self.app, &session, handled.outcome);
                    return Ok(headed(answered, handled.headers));
                }
                let app = self.app.clone();
                let trace = trace::current();
                let handling = async move {
                    let handling = pin!(app.gateway.handle(request, message));
                    match trace {
                        Some(trace) => trace::within(trace, handling).await,
                        None => handling.await,
                    }
                };
                Ok(relayed(&self.app, &session, Box::pin(handling)).await)
            }
            Kind::Notification => {
                self.app.gateway.notified(&session, &message).await;
                Ok(body::empty(StatusCode::ACCEPTED))
            }
            Kind::Response => {
                take_response(&session, message);
                Ok(body::empty(StatusCode::ACCEPTED))
            }
        }
    }

    /// A batch, which servers must take in the one revision that has them (2025-03-26, base protocol): the answers
    /// come as events of one stream, each as soon as it is there.
    async fn batch(self, text: &Bytes) -> Result<Response, RpcError> {
        let has_session = self.parts.headers.contains_key(headers::SESSION_ID);
        let session = if has_session {
            Some(self.session().await?).filter(|session| session.takes_batches())
        } else {
            None
        };
        let session = session.ok_or(ParseError::Batch)?;
        let mut asked = Vec::new();
        for message in Message::batch(text)? {
            match message {
                Ok(message) if message.kind() == Kind::Notification => {
                    self.app.gateway.notified(&session, &message).await;
                }
                Ok(message) if message.kind() == Kind::Response => take_response(&session, message),
                message => asked.push(message),
            }
        }
        if asked.is_empty() {
            return Ok(body::empty(StatusCode::ACCEPTED));
        }
        let stream = session.streams.begin();
        let reader = stream.read_after(0);
        let app = self.app.clone();
        app.tasks.spawn(async move {
            let answering = asked.into_iter();
            let answering = answering.map(|message| self.answer_into(&session, message, &stream));
            tokio::select! {
                _ = join_all(answering) => {}
                () = stream.abandoned() => {}
            }
            stream.finish();
        });
        // Each call itself says why it has ended.
        Ok(events::numbered(reader, false, None))
    }

    /// Answers one message of a batch.
    async fn answer_into(
        &self,
        session: &Arc<ClientSession>,
        message: Result<Message, ParseError>,
        stream: &Stream,
    ) {
        let mut said = match message {
            Ok(message) if message.method.as_deref() == Some("initialize") => {
                let error =
                    RpcError::new(INVALID_REQUEST, "initialize must not be part of a batch");
                Said::error(message.id.as_ref(), &error)
            }
            Ok(message) => {
                let request =
                    self.request(session.version, session.client(), Some(session.clone()));
                let trace = Trace::call(self.request_id.clone());
                trace.called_by(&self.caller.tenant.key);
                let handling = super::handle(&self.app, &self.base_url, request, message);
                Said::of(trace::within(trace, pin!(handling)).await.outcome)
            }
            Err(error) => Said::error(None, &error.into()),
        };
        while let Some(text) = said.next().await {
            stream.push(text);
        }
    }

    async fn initialize(self, message: Message) -> Result<Response, RpcError> {
        let client = client_of(&message)?;
        let (target, clock) = (self.target.clone(), &self.app.clock);
        let who = (&*self.caller, self.app.guards.guard(&self.caller));
        let session = ClientSession::new(who, target, client.clone(), clock);
        let request = self.request(session.version, client, Some(session.clone()));
        let handled = super::handle(&self.app, &self.base_url, request, message).await;
        let made = matches!(&handled.outcome, Outcome::Answer(text, 200) if is_result(text));
        let mut response = headed(respond(handled.outcome), handled.headers);
        if made {
            let id = HeaderValue::from_str(&session.id).expect("hex is a header value");
            if let Some(view) = self.view().await? {
                view.bind(&session.guard);
            }
            session.end_with_permission(&self.app.tasks);
            self.app.sessions.insert(session).await;
            response.headers_mut().insert(headers::SESSION_ID, id);
        }
        Ok(response)
    }

    /// The caller's session; somebody else's answers as one that never was.
    async fn session(&self) -> Result<Arc<ClientSession>, RpcError> {
        let Some(id) = headers::one(&self.parts.headers, &headers::SESSION_ID) else {
            return Err(RpcError::new(
                INVALID_REQUEST,
                "Bad Request: Mcp-Session-Id header is required",
            )
            .with_status(400));
        };
        let session = self.app.sessions.find(id, &self.caller, &self.target).await;
        session.ok_or_else(|| RpcError::new(INVALID_REQUEST, "Session not found").with_status(404))
    }

    /// The stream of a session that belongs to no call. Stateless clients have none.
    async fn get(self) -> Result<Response, RpcError> {
        let is_modern = headers::one(&self.parts.headers, &headers::PROTOCOL_VERSION)
            .and_then(|version| version.parse().ok())
            .is_some_and(Version::is_modern);
        if is_modern || !self.parts.headers.contains_key(headers::SESSION_ID) {
            return Ok(method_not_allowed());
        }
        if !accepts(&self.parts.headers, "text/event-stream") {
            return Err(RpcError::new(
                INVALID_REQUEST,
                "Not Acceptable: the client must accept text/event-stream",
            )
            .with_status(406));
        }
        let session = self.session().await?;
        let last = headers::one(&self.parts.headers, &headers::LAST_EVENT_ID);
        let last = last
            .map(|id| Position::parse(id).ok_or_else(lost_events))
            .transpose()?;
        if let Some(position) = last.filter(|position| position.stream > 0) {
            let stream = session
                .streams
                .find(position.stream)
                .ok_or_else(lost_events)?;
            if !stream.has_all_after(position.message) {
                return Err(lost_events());
            }
            let guard = self.guard().await?;
            let reader = stream.read_after(position.message);
            return Ok(events::numbered(reader, false, Some(guard)));
        }
        let (changes, guard) = (self.changes(&session).await?, self.guard().await?);
        let own = session.streams.own();
        let replay = last.map_or_else(Vec::new, |position| own.kept_after(position.message));
        Ok(events::own_stream(SessionStream {
            unsolicited: session.read(),
            app: self.app,
            session,
            changes,
            guard,
            own,
            replay: replay.into(),
        }))
    }

    /// Changes of lists, which only a union announces by itself.
    async fn changes(&self, session: &ClientSession) -> Result<Option<Listening>, RpcError> {
        if let Target::Native(_) = self.target {
            return Ok(None);
        }
        let (of, known) = ((&self.caller, &self.target), session.known.clone());
        let listening = Listening::open(&self.app.gateway, of, &CAPABILITIES, known).await?;
        Ok(listening.is_union().then_some(listening))
    }

    /// What the caller may use behind the endpoint; none of a server of our own.
    async fn view(&self) -> Result<Option<Arc<View>>, RpcError> {
        if let Target::Native(_) = self.target {
            return Ok(None);
        }
        let view = self.app.gateway.view(&self.caller, &self.target);
        Ok(Some(view.await?))
    }

    /// A guard of what the caller keeps open here.
    async fn guard(&self) -> Result<Guard, RpcError> {
        Ok(self.app.gateway.guard(&self.caller, &self.target).await?)
    }

    async fn delete(self) -> Result<Response, RpcError> {
        let session = self.session().await?;
        self.app.sessions.remove(&session.id).await;
        session.close().await;
        Ok(body::empty(StatusCode::NO_CONTENT))
    }
}

/// The mirrored parameters, decoded; what does not decode is kept as a value that agrees with nothing.
fn param_headers(map: &HeaderMap) -> Arc<[(String, String)]> {
    map.iter()
        .filter(|(name, _)| name.as_str().starts_with(headers::PARAM_PREFIX))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                headers::decode(value).unwrap_or_else(|| "\0".to_owned()),
            )
        })
        .collect()
}

fn is_result(text: &[u8]) -> bool {
    Message::parse(Bytes::copy_from_slice(text)).is_ok_and(|message| message.result.is_some())
}

/// The client in the parameters of `initialize`, and the revision that we agree to: the one it asks for if
/// we know it, else the newest with sessions.
pub(super) fn client_of(message: &Message) -> Result<Client, RpcError> {
    let invalid = |what| {
        RpcError::new(
            mcp::error::INVALID_PARAMS,
            format!("Invalid params: {what}"),
        )
    };
    let params =
        RawObject::parse(message.params_or_empty()).map_err(|_| invalid("not an object"))?;
    let asked = params
        .get_str("protocolVersion")
        .ok_or_else(|| invalid("protocolVersion must be a string"))?;
    let known = asked
        .parse()
        .ok()
        .filter(|version: &Version| !version.is_modern());
    let part = |name: &str, default: &'static [u8]| {
        params
            .get(name)
            .map_or(Bytes::from_static(default), Bytes::copy_from_slice)
    };
    Ok(Client {
        info: part("clientInfo", br#"{"name":"unknown","version":"0"}"#),
        capabilities: part("capabilities", b"{}"),
        log_level: None,
        legacy_version: known.unwrap_or(Version::NEWEST_LEGACY),
        prefers_legacy: true,
    })
}

/// How long the first word of an answer is awaited before a client with a session gets a stream with comments: an
/// upstream that answers in JSON says nothing while it thinks, and what lies between would take the connection for dead.
const FIRST_WORD_WAIT: Duration = Duration::from_millis(500);

type Handling = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The response to a request of a session, which is a stream if its answer takes its time.
async fn relayed(app: &App, session: &Arc<ClientSession>, mut handling: Handling) -> Response {
    match tokio::time::timeout(FIRST_WORD_WAIT, &mut handling).await {
        Ok(outcome) => answered(app, session, outcome),
        Err(_) => resumable(app, session, Late::Awaited(handling)),
    }
}

fn answered(app: &App, session: &Arc<ClientSession>, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Stream(relay) => resumable(app, session, relay),
        Outcome::Told(telling) => resumable(app, session, telling),
        outcome => respond(outcome),
    }
}

/// What becomes of a request whose stream began before anything was known.
enum Late {
    Awaited(Handling),
    Come(Said),
}

impl Messages for Late {
    async fn next(&mut self) -> Option<Bytes> {
        if let Self::Awaited(handling) = self {
            let outcome = handling.await;
            *self = Self::Come(Said::of(outcome));
        }
        match self {
            Self::Awaited(_) => None,
            Self::Come(said) => said.next().await,
        }
    }
}

/// A call's stream that goes on for a while when its connection breaks (2025-11-25: "disconnection SHOULD NOT
/// be interpreted as the client cancelling its request").
fn resumable(app: &App, session: &Arc<ClientSession>, mut messages: impl Messages) -> Response {
    let stream = session.streams.begin();
    let reader = stream.read_after(0);
    app.tasks.spawn(async move {
        loop {
            let text = tokio::select! {
                text = messages.next() => text,
                () = stream.abandoned() => None,
            };
            match text {
                Some(text) => stream.push(text),
                None => return stream.finish(),
            };
        }
    });
    // The call itself says why it has ended.
    events::numbered(reader, session.version >= Version::V2025_11_25, None)
}

/// One that nothing waits for comes late or again, and is no fault of its client's.
fn take_response(session: &ClientSession, response: Message) {
    if !session.respond(response) {
        tracing::debug!("dropped a response to no request");
    }
}

fn lost_events() -> RpcError {
    RpcError::new(
        INVALID_REQUEST,
        "the events after this Last-Event-ID are not kept",
    )
    .with_status(404)
}

fn headed(mut response: Response, headers: HeaderMap) -> Response {
    response.headers_mut().extend(headers);
    response
}

fn respond(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Answer(text, status) if text.is_empty() => {
            body::empty(StatusCode::from_u16(status).unwrap_or(StatusCode::ACCEPTED))
        }
        Outcome::Answer(text, status) => body::json(text, status),
        Outcome::Stream(relay) => events::stream(relay),
        Outcome::Told(telling) => events::stream(telling),
        Outcome::Listen(subscription) => events::stream(subscription),
    }
}

/// What a session's own stream carries: what upstreams say outside of calls, and changes of lists.
struct SessionStream {
    app: Arc<App>,
    session: Arc<ClientSession>,
    unsolicited: Reader,
    /// For the union of several servers; a single server announces its own changes.
    changes: Option<Listening>,
    /// Ends it with the permission of its opener.
    guard: Guard,
    /// Keeps what was sent for a client that comes back.
    own: Arc<Stream>,
    /// What such a client has missed.
    replay: VecDeque<(u64, Bytes)>,
}

impl events::Numbered for SessionStream {
    async fn next(&mut self) -> Option<(Position, Bytes)> {
        let (message, text) = match self.replay.pop_front() {
            Some(missed) => missed,
            None => {
                let text = self.next_text().await?;
                (self.own.push(text.clone()), text)
            }
        };
        Some((Position { stream: 0, message }, text))
    }
}

impl SessionStream {
    async fn next_text(&mut self) -> Option<Bytes> {
        loop {
            let item = tokio::select! {
                biased;
                () = self.app.tasks.stop.cancelled() => return None,
                _ = self.guard.ended() => return None,
                item = self.unsolicited.next() => item?,
                changed = changed(self.changes.as_mut()) => return Some(list_changed(changed?, None)),
            };
            match item {
                // The union announces changes itself, once its own list has changed.
                Unsolicited::Notification(message)
                    if self.changes.is_some() && super::is_list_change(&message) => {}
                Unsolicited::Notification(message) => return Some(message.whole),
                Unsolicited::Ask(ask) => {
                    if let Some(text) = self.session.forward(ask, &self.app.tasks) {
                        return Some(text);
                    }
                }
            }
        }
    }
}

async fn changed(listening: Option<&mut Listening>) -> Option<&'static str> {
    match listening {
        Some(listening) => listening.next().await,
        None => std::future::pending().await,
    }
}
