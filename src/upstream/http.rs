//! Streamable HTTP: stateless requests of 2026-07-28, and sessions of 2025-03-26 to 2025-11-25.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::era::{Era, is_modern_error};
use super::exchange::{Answer, Exchange, Reply};
use super::failure::CallFailure;
use super::outgoing::{Client, Outgoing};
use super::session::{Lane, Session, Wire};
use super::{ANSWER_BYTES_MAX, Upstream};
use crate::credentials::Outbound;
use crate::egress::{Body, EventStream, Failure, Limits};
use crate::error::UpstreamFailureKind;
use crate::mcp::raw::string;
use crate::mcp::{Message, RawObject, Version, headers, message};

/// Longest wait for the answer to the question which era a server speaks.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// Longest silence of a stream that is only listened to.
const LISTEN_IDLE: Duration = Duration::from_secs(30 * 60);
/// First and longest wait before a broken listening stream is opened again.
const LISTEN_RETRY: Duration = Duration::from_secs(1);
const LISTEN_RETRY_MAX: Duration = Duration::from_secs(60);

const ACCEPT_BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const ACCEPT_EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The HTTP side of a session.
#[derive(Debug)]
pub(super) struct HttpWire {
    session_id: Option<HeaderValue>,
}

/// What came back from a POST.
enum Came {
    Message(Message, StatusCode),
    Events(EventStream),
    Nothing,
}

/// Shakes hands in the client's era if the server speaks it, else in the other one.
pub(super) async fn open(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
    client: &Client,
) -> Result<Arc<Session>, CallFailure> {
    let mut refused = CallFailure::of(UpstreamFailureKind::Protocol, false);
    for era in Era::in_order(client.prefers_legacy) {
        if !upstream.era.may_speak(era) {
            continue;
        }
        let opened = match era {
            Era::Modern => discover(upstream, credential, client).await,
            Era::Legacy => initialize(upstream, lane, credential, client).await,
        };
        match opened {
            Ok(Some(session)) => {
                upstream.era.learn(era, true);
                return Ok(session);
            }
            Ok(None) if upstream.era.speaks(era) => upstream.era.forget(),
            Ok(None) => upstream.era.learn(era, false),
            Err(failure) if says_wrong_era(&failure) && !upstream.era.speaks(era) => {
                refused = failure
            }
            Err(failure) => return Err(failure),
        }
    }
    // Neither era: what was remembered may be of a server that is there no more.
    upstream.era.forget();
    Err(refused)
}

/// Asks `server/discover`. `None` if the server is of the session era.
async fn discover(
    upstream: &Arc<Upstream>,
    credential: &Outbound,
    client: &Client,
) -> Result<Option<Arc<Session>>, CallFailure> {
    let id = Bytes::from_static(b"\"discover\"");
    let out = Outgoing {
        method: "server/discover",
        id: &id,
        params: RawObject::default(),
        client,
        param_headers: Vec::new(),
        is_idempotent: true,
    };
    let body = message::request(&id, out.method, &out.modern_params());
    let request = post(
        upstream,
        &credential.headers,
        modern_headers(&out),
        body.into(),
    );
    let limits = Limits {
        headers: PROBE_DEADLINE.min(upstream.limits.headers),
        idle: PROBE_DEADLINE,
    };
    let came = match upstream
        .egress
        .send(request, &limits)
        .await
        .map_err(CallFailure::from)
    {
        Ok(response) => read(response, &limits).await,
        Err(failure) => Err(failure),
    };
    let answer = match came {
        Ok(Came::Message(message, _)) => Some(message),
        Ok(Came::Events(mut events)) => first_message(&mut events).await,
        Ok(Came::Nothing) => None,
        Err(failure) if says_wrong_era(&failure) => None,
        Err(failure) => return Err(failure),
    };
    let Some(answer) = answer else {
        return Ok(None);
    };
    let result = match answer.result.clone() {
        Some(result) if result.starts_with(b"{") => result,
        None if is_modern_error(&answer) => Bytes::from_static(b"{}"),
        _ => return Ok(None),
    };
    let session = Session::new(
        upstream.clone(),
        &Lane::default(),
        credential,
        Wire::Http(HttpWire { session_id: None }),
    );
    let _ = session.handshake.set((Version::V2026_07_28, result));
    Ok(Some(session))
}

/// A server that does not know an era may refuse its requests, choke on them or stay silent.
fn says_wrong_era(failure: &CallFailure) -> bool {
    match failure.kind {
        UpstreamFailureKind::Timeout | UpstreamFailureKind::Protocol => true,
        UpstreamFailureKind::Http(status) => matches!(status, 400..=501) && status != 429,
        _ => false,
    }
}

async fn first_message(events: &mut EventStream) -> Option<Message> {
    while let Some(Ok(event)) = events.next().await {
        if let Ok(message) = Message::parse(event.data)
            && message.method.is_none()
        {
            return Some(message);
        }
    }
    None
}

/// Sends `initialize`. `None` if the server is of the stateless era only.
async fn initialize(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
    client: &Client,
) -> Result<Option<Arc<Session>>, CallFailure> {
    let body = message::request(b"0", "initialize", &initialize_params(client));
    let request = post(upstream, &credential.headers, HeaderMap::new(), body.into());
    let response = upstream.egress.send(request, &upstream.limits).await?;
    let session_id = response.headers().get(headers::SESSION_ID).cloned();
    let answer = match read(response, &upstream.limits).await? {
        Came::Message(message, _) => Some(message),
        Came::Events(mut events) => first_message(&mut events).await,
        Came::Nothing => None,
    };
    if answer.as_ref().is_some_and(|answer| answer.error.is_some()) {
        return Ok(None);
    }
    let (version, result) = negotiated(answer.as_ref())?;
    let wire = Wire::Http(HttpWire { session_id });
    let session = Session::new(upstream.clone(), lane, credential, wire);
    let _ = session.handshake.set((version, result));
    session.notify("notifications/initialized", b"{}").await?;
    let listener = session.clone();
    upstream
        .tasks
        .spawn(async move { listen_on(listener).await });
    Ok(Some(session))
}

/// The parameters of `initialize` on behalf of a client.
pub(super) fn initialize_params(client: &Client) -> Vec<u8> {
    let mut params = RawObject::default();
    params.set("protocolVersion", string(client.legacy_version.as_str()));
    params.set("capabilities", &client.capabilities[..]);
    params.set("clientInfo", &client.info[..]);
    params.to_json()
}

/// The revision and result in the answer to `initialize`.
pub(super) fn negotiated(answer: Option<&Message>) -> Result<(Version, Bytes), CallFailure> {
    let broken = || CallFailure::of(UpstreamFailureKind::Protocol, false);
    let result = answer
        .and_then(|message| message.result.clone())
        .ok_or_else(broken)?;
    let version = RawObject::parse(&result)
        .ok()
        .and_then(|r| r.get_str("protocolVersion"))
        .ok_or_else(broken)?;
    let version: Version = version.parse().map_err(|()| broken())?;
    if version.is_modern() {
        Err(broken())
    } else {
        Ok((version, result))
    }
}

impl HttpWire {
    /// A request of 2026-07-28: the caller's id and token go as they are, each POST stands for itself.
    pub(super) async fn call_stateless(
        &self,
        session: &Arc<Session>,
        out: &Outgoing<'_>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Reply, CallFailure> {
        let upstream = &session.upstream;
        let body = message::request(out.id, out.method, &out.modern_params());
        let request = post(
            upstream,
            &session.credential,
            modern_headers(out),
            body.into(),
        );
        let idle = if out.is_subscription() {
            LISTEN_IDLE
        } else {
            upstream.limits.idle
        };
        let limits = Limits {
            headers: upstream.limits.headers,
            idle,
        };
        let response = upstream.egress.send(request, &limits).await?;
        match read(response, &limits).await? {
            Came::Message(message, status) => {
                let is_ours = message.id.as_ref() == Some(out.id)
                    || message.id.is_none() && message.error.is_some();
                if !is_ours {
                    return Err(CallFailure::of(UpstreamFailureKind::Protocol, true));
                }
                Ok(Reply::Answer(Answer {
                    message,
                    status: status.as_u16(),
                }))
            }
            Came::Events(events) => {
                let mut exchange = Exchange::new(session.clone(), out.id.clone(), permit);
                if out.is_subscription() {
                    exchange = exchange.for_subscription();
                }
                exchange.events = Some(events);
                Ok(Reply::Stream(Box::new(exchange)))
            }
            Came::Nothing => Err(CallFailure::of(UpstreamFailureKind::Protocol, true)),
        }
    }

    /// A request of a session: id and token are ours, so that callers who share numbers never meet.
    pub(super) async fn call_in_session(
        &self,
        session: &Arc<Session>,
        out: &Outgoing<'_>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Reply, CallFailure> {
        let upstream = &session.upstream;
        let slot = session.new_slot();
        let (params, token) = out.legacy_params(slot.id);
        let mut exchange = Exchange::in_session(session, slot, token, permit);
        let body = message::request(&exchange.id, out.method, &params);
        let request = post(
            upstream,
            &session.credential,
            self.headers(session),
            body.into(),
        );
        let sent = match upstream.egress.send(request, &upstream.limits).await {
            Ok(response) => read(response, &upstream.limits).await,
            Err(failure) => Err(failure.into()),
        };
        match sent {
            Ok(Came::Message(message, status))
                if message.id.as_ref() == Some(&exchange.id) || message.error.is_some() =>
            {
                exchange.finished = true;
                Ok(Reply::Answer(Answer {
                    message,
                    status: status.as_u16(),
                }))
            }
            Ok(Came::Events(events)) => {
                exchange.events = Some(events);
                Ok(Reply::Stream(Box::new(exchange)))
            }
            Ok(Came::Message(..) | Came::Nothing) => {
                Err(CallFailure::of(UpstreamFailureKind::Protocol, true))
            }
            Err(failure) => {
                exchange.finished = !failure.may_have_executed;
                Err(self.session_failure(session, failure, &mut exchange))
            }
        }
    }

    /// HTTP 404 to a request with a session means that the session is gone and nothing was carried out.
    fn session_failure(
        &self,
        session: &Session,
        failure: CallFailure,
        exchange: &mut Exchange,
    ) -> CallFailure {
        if self.session_id.is_none() || failure.kind != UpstreamFailureKind::Http(404) {
            return failure;
        }
        exchange.finished = true;
        session.lost();
        CallFailure::of(UpstreamFailureKind::Closed, false)
    }

    /// A notification or response.
    pub(super) async fn send(&self, session: &Session, body: Bytes) -> Result<(), CallFailure> {
        let upstream = &session.upstream;
        let request = post(upstream, &session.credential, self.headers(session), body);
        let response = upstream.egress.send(request, &upstream.limits).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && self.session_id.is_some() {
            session.lost();
        }
        if status.is_success() {
            Ok(())
        } else {
            Err(CallFailure::of(
                UpstreamFailureKind::Http(status.as_u16()),
                false,
            ))
        }
    }

    /// Opens the stream of a session that belongs to no call, or takes a broken one up again.
    pub(super) async fn listen(
        &self,
        session: &Session,
        last_event_id: Option<&str>,
    ) -> Result<EventStream, CallFailure> {
        let upstream = &session.upstream;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = upstream.destination.uri().clone();
        *request.headers_mut() = session.credential.clone();
        request.headers_mut().extend(self.headers(session));
        request.headers_mut().insert(ACCEPT, ACCEPT_EVENTS);
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request.headers_mut().insert(headers::LAST_EVENT_ID, id);
        }
        let limits = Limits {
            headers: upstream.limits.headers,
            idle: LISTEN_IDLE,
        };
        let response = upstream.egress.send(request, &limits).await?;
        match response.status() {
            status if status.is_success() && is_event_stream(&response) => {
                Ok(response.into_body().events(ANSWER_BYTES_MAX))
            }
            status => Err(CallFailure::of(
                UpstreamFailureKind::Http(status.as_u16()),
                true,
            )),
        }
    }

    /// Ends the session at the upstream.
    pub(super) async fn delete(&self, session: &Session) {
        if self.session_id.is_none() {
            return;
        }
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = session.upstream.destination.uri().clone();
        *request.headers_mut() = session.credential.clone();
        request.headers_mut().extend(self.headers(session));
        if let Err(failure) = session
            .upstream
            .egress
            .send(request, session.limits())
            .await
        {
            tracing::debug!(%failure, "a session was not ended at the upstream");
        }
    }

    fn headers(&self, session: &Session) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(4);
        if session.version() > Version::V2025_03_26 {
            map.insert(
                headers::PROTOCOL_VERSION,
                HeaderValue::from_static(session.version().as_str()),
            );
        }
        if let Some(id) = &self.session_id {
            map.insert(headers::SESSION_ID, id.clone());
        }
        map
    }
}

/// Listens to a session's own stream for as long as the session lives.
async fn listen_on(session: Arc<Session>) {
    let Wire::Http(wire) = &session.wire else {
        return;
    };
    let (mut last_event_id, mut wait) = (None::<String>, LISTEN_RETRY);
    loop {
        let opened = tokio::select! {
            () = session.closed.cancelled() => return,
            opened = wire.listen(&session, last_event_id.as_deref()) => opened,
        };
        match opened {
            Ok(mut events) => loop {
                let event = tokio::select! {
                    () = session.closed.cancelled() => return,
                    event = events.next() => event,
                };
                let Some(Ok(event)) = event else { break };
                wait = event.retry.unwrap_or(LISTEN_RETRY).min(LISTEN_RETRY_MAX);
                last_event_id = event.id.or(last_event_id);
                if let Ok(message) = Message::parse(event.data) {
                    session.dispatch(message).await;
                }
            },
            // 405 is the documented "no such stream"; other refusals will not change either.
            Err(failure) if !failure.is_outage() => {
                if failure.kind == UpstreamFailureKind::Http(404) && wire.session_id.is_some() {
                    session.lost();
                }
                return;
            }
            Err(_) => wait = (wait * 2).min(LISTEN_RETRY_MAX),
        }
        tokio::select! {
            () = session.closed.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn post(
    upstream: &Upstream,
    credential: &HeaderMap,
    more: HeaderMap,
    body: Bytes,
) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = upstream.destination.uri().clone();
    let map = request.headers_mut();
    map.reserve(credential.len() + more.len() + 2);
    for (name, value) in credential {
        map.insert(name, value.clone());
    }
    map.extend(more);
    map.insert(CONTENT_TYPE, JSON);
    map.insert(ACCEPT, ACCEPT_BOTH);
    request
}

/// The headers that mirror the body (2026-07-28, streamable HTTP, request metadata).
fn modern_headers(out: &Outgoing<'_>) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(4);
    map.insert(
        headers::PROTOCOL_VERSION,
        HeaderValue::from_static(Version::V2026_07_28.as_str()),
    );
    map.insert(headers::METHOD, headers::encode(out.method));
    if let Some(name) = out.name() {
        map.insert(headers::NAME, headers::encode(&name));
    }
    map.extend(out.param_headers.iter().cloned());
    map
}

fn is_event_stream(response: &Response<Body>) -> bool {
    content_type(response).is_some_and(|t| t.starts_with("text/event-stream"))
}

fn content_type(response: &Response<Body>) -> Option<&str> {
    response.headers().get(CONTENT_TYPE)?.to_str().ok()
}

/// Reads an answer as far as it is one message; a refused credential and an HTTP error are failures, unless
/// the body is a JSON-RPC error.
async fn read(response: Response<Body>, limits: &Limits) -> Result<Came, CallFailure> {
    let status = response.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let challenge = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        return Err(CallFailure {
            challenge,
            ..CallFailure::of(UpstreamFailureKind::Unauthorized, false)
        });
    }
    if status.is_success() && is_event_stream(&response) {
        return Ok(Came::Events(response.into_body().events(ANSWER_BYTES_MAX)));
    }
    let is_json = content_type(&response).is_some_and(|t| t.starts_with("application/json"));
    let body = response
        .into_body()
        .read_to_end(ANSWER_BYTES_MAX as u64, limits.idle)
        .await
        .map_err(after_sending)?;
    if status.is_success() && body.is_empty() {
        return Ok(Came::Nothing);
    }
    match Message::parse(body) {
        Ok(message) if status.is_success() && is_json => Ok(Came::Message(message, status)),
        Ok(message)
            if !status.is_success()
                && message.error.is_some()
                && status != StatusCode::NOT_FOUND =>
        {
            Ok(Came::Message(message, status))
        }
        // A 404 with -32601 is a modern server's "no such method"; any other 404 is a lost session.
        Ok(message) if status == StatusCode::NOT_FOUND && is_unknown_method(&message) => {
            Ok(Came::Message(message, status))
        }
        _ if status.is_success() => Err(CallFailure::of(UpstreamFailureKind::Protocol, true)),
        _ => Err(CallFailure::of(
            UpstreamFailureKind::Http(status.as_u16()),
            status.is_server_error(),
        )),
    }
}

fn is_unknown_method(message: &Message) -> bool {
    message
        .error
        .as_deref()
        .and_then(|e| RawObject::parse(e).ok())
        .is_some_and(|e| e.get("code") == Some(b"-32601"))
}

fn after_sending(failure: Failure) -> CallFailure {
    CallFailure {
        may_have_executed: true,
        ..failure.into()
    }
}
