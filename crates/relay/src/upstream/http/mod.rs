//! Streamable HTTP: stateless requests of 2026-07-28, and sessions of 2025-03-26 to 2025-11-25.
//! A POST each; nothing is kept of one but what its session needs.

mod answer;
mod handshake;
mod own_stream;
mod stale;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::exchange::{Answer, Exchange, Reply, other_id};
use super::failure::CallFailure;
use super::health::Seat;
use super::ids;
use super::outgoing::Outgoing;
use super::session::Session;
use super::slots::Slots;
use super::{ANSWER_BYTES_MAX, Upstream};
use answer::{Came, is_event_stream, read};
use base::error::BrokenRule;
use base::trace;
use egress::{EventStream, Limits};
use mcp::{Message, Version, headers, heard, message};

pub(super) use answer::failure_of;

/// Longest silence of a stream that is only listened to.
const LISTEN_IDLE: Duration = Duration::from_secs(30 * 60);
const ACCEPT_BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const ACCEPT_EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(super) use handshake::{initialize_params, negotiated, open};

/// The HTTP side of a session.
#[derive(Debug)]
pub(super) struct HttpWire {
    session_id: Option<HeaderValue>,
}

impl HttpWire {
    /// A request of 2026-07-28: each POST stands for itself. Id and token are ours all the same, for the sake of what may
    /// stand between us and the server.
    pub(super) async fn call_stateless(
        &self,
        session: &Arc<Session>,
        out: &Outgoing<'_>,
        seat: Seat,
    ) -> Result<Reply, CallFailure> {
        let upstream = &session.upstream;
        let number = ids::next();
        let (params, token) = out.modern_params(number);
        let id = number.to_string();
        let body = message::request(id.as_bytes(), out.method, &params);
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
        let came = read(response, &limits).await?;
        let mut exchange = Exchange::new(session.clone(), number, seat);
        exchange.token = token;
        if out.is_subscription() {
            exchange = exchange.for_subscription();
        }
        reply_of(came, exchange)
    }

    /// A request of a session: id and token are ours, so that callers who share numbers never meet.
    pub(super) async fn call_in_session(
        &self,
        session: &Arc<Session>,
        out: &Outgoing<'_>,
        seat: Seat,
    ) -> Result<Reply, CallFailure> {
        let upstream = &session.upstream;
        let slot = Slots::take(&session.slots);
        let (params, token) = out.legacy_params(slot.id);
        let mut exchange = Exchange::in_session(session, slot, token, seat);
        let body = message::request(&exchange.id(), out.method, &params);
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
        if let Some(failure) = self.session_failure(session, &sent).await {
            exchange.finished = true;
            session.lost();
            return Err(failure);
        }
        match sent {
            Ok(came) => reply_of(came, exchange),
            Err(failure) => {
                exchange.finished = !failure.may_have_executed;
                Err(failure)
            }
        }
    }

    /// A notification or response.
    pub(super) async fn send(&self, session: &Session, body: Bytes) -> Result<(), CallFailure> {
        let upstream = &session.upstream;
        let request = post(upstream, &session.credential, self.headers(session), body);
        let response = upstream.egress.send(request, &upstream.limits).await?;
        let status = response.status();
        // A server that has no ear for a notification may say so in the same way.
        let was_known = self.session_id.is_some() && session.has_worked();
        if status == StatusCode::NOT_FOUND && was_known {
            session.lost();
        }
        if status.is_success() {
            return Ok(());
        }
        Err(CallFailure {
            may_have_executed: false,
            ..failure_of(status, response.headers())
        })
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
            status if status.is_success() && is_event_stream(response.headers()) => {
                Ok(response.into_body().events(ANSWER_BYTES_MAX))
            }
            status => Err(CallFailure {
                may_have_executed: true,
                ..failure_of(status, response.headers())
            }),
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
            tracing::debug!(%failure, "failed to end a session at the upstream");
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

/// What the caller gets of what came for a call.
fn reply_of(came: Came, mut exchange: Exchange) -> Result<Reply, CallFailure> {
    match came {
        Came::Message(message, status)
            if exchange.is_answered_by(&message) || is_general(&message) =>
        {
            exchange.finished = true;
            exchange.session.works();
            Ok(Reply::Answer(Answer {
                message,
                status: status.as_u16(),
            }))
        }
        Came::Message(..) => Err(CallFailure::broke(other_id(), true)),
        Came::Batch(messages) => Ok(Reply::Stream(Box::new(exchange.with_batch(messages)))),
        Came::Events(events) => {
            exchange.events = Some(events);
            Ok(Reply::Stream(Box::new(exchange)))
        }
        Came::Nothing => {
            let broken = BrokenRule::new("empty", "it answers with nothing");
            Err(CallFailure::broke(broken, true))
        }
    }
}

/// Whether a response is an error of the request as such, under no id or a word of the server's own.
fn is_general(message: &Message) -> bool {
    let number = message.id.as_deref().and_then(heard::number);
    message.error.is_some() && number.is_none()
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
    if let Some(parent) = trace::parent() {
        parent.write(map);
    }
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
