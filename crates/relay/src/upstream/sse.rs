//! HTTP+SSE of 2024-11-05: a stream that names an endpoint, and POSTs to that endpoint.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::CallFailure;
use super::http::failure_of;
use super::ids;
use super::lane::Lane;
use super::session::{Session, Wire};
use super::{ANSWER_BYTES_MAX, Upstream, duplex};
use base::error::UpstreamFailureKind;
use base::trace;
use broker::credentials::Outbound;
use egress::{Body, Destination, Event, EventStream, Limits};
use mcp::message;

/// Longest silence of the stream; servers send comments far more often.
const STREAM_IDLE: Duration = Duration::from_secs(30 * 60);

/// Where messages are POSTed, once the stream has named it.
#[derive(Debug)]
pub(super) struct Sender(OnceLock<Destination>);

/// Opens the stream and waits for its endpoint, which must be of the same origin (docs/inside/threats.md#the-way-out).
pub(super) async fn connect(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
) -> Result<Arc<Session>, CallFailure> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = upstream.destination.uri().clone();
    *request.headers_mut() = credential.headers.clone();
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let limits = Limits {
        headers: upstream.limits.headers,
        idle: STREAM_IDLE,
    };
    let response = upstream.egress.send(request, &limits).await?;
    let status = response.status();
    if !status.is_success() {
        return Err(CallFailure {
            may_have_executed: false,
            ..failure_of(status, response.headers())
        });
    }
    let events = response.into_body().events(ANSWER_BYTES_MAX);
    let mut events = events.skipping_large();
    let endpoint = tokio::time::timeout(upstream.limits.headers, endpoint(&mut events))
        .await
        .map_err(|_| CallFailure::of(UpstreamFailureKind::Timeout, false))??;
    let destination = upstream
        .destination
        .join(&endpoint)
        .map_err(|_| CallFailure::of(UpstreamFailureKind::Refused, false))?;
    let sender = Sender(OnceLock::from(destination));
    let session = Session::new(
        upstream.clone(),
        lane,
        credential,
        Wire::Duplex(duplex::Sender::Sse(sender)),
    );
    let reader = session.clone();
    upstream
        .tasks
        .spawn(async move { read(reader, events).await });
    Ok(session)
}

async fn endpoint(events: &mut EventStream) -> Result<String, CallFailure> {
    while let Some(event) = events.next().await {
        let event = event?;
        if event.event.as_deref() == Some("endpoint") {
            let text = String::from_utf8(event.data.to_vec());
            return text.map_err(|_| CallFailure::of(UpstreamFailureKind::Protocol, false));
        }
    }
    Err(CallFailure::of(UpstreamFailureKind::Closed, false))
}

/// Routes what comes until the stream or the session ends. A second `endpoint` is ignored.
async fn read(session: Arc<Session>, mut events: EventStream) {
    loop {
        let event = tokio::select! {
            () = session.closed.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(Event {
                ends: Some(ends), ..
            })) => match answered_by(&ends) {
                Some(call) => session.slots.too_large(call),
                None => return session.lost(),
            },
            Some(Ok(event)) if event.event.as_deref().is_none_or(|name| name == "message") => {
                if !event.data.is_empty() {
                    session.hear(event.data).await;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return session.lost(),
        }
    }
}

/// The call that an answer of which only the ends are left is to: most servers write the id before the result, and
/// some after it.
fn answered_by([head, tail]: &[Bytes; 2]) -> Option<u64> {
    id_at_start(head).or_else(|| id_at_end(tail))
}

fn id_at_start(head: &[u8]) -> Option<u64> {
    let mut rest = head.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        let name: String = value(&mut rest)?;
        rest = rest
            .trim_ascii_start()
            .strip_prefix(b":")?
            .trim_ascii_start();
        if matches!(rest.first()?, b'{' | b'[') {
            return None;
        }
        let scalar: Value = value(&mut rest)?;
        if name == "id" {
            return number(&scalar);
        }
        rest = rest.trim_ascii_start().strip_prefix(b",")?;
    }
}

fn id_at_end(tail: &[u8]) -> Option<u64> {
    let object = tail.trim_ascii_end();
    let at = memchr::memmem::rfind(object, br#""id""#)?;
    let members: Value = serde_json::from_slice(&[b"{", &object[at..]].concat()).ok()?;
    number(&members["id"])
}

fn number(id: &Value) -> Option<u64> {
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}

/// The value that a text begins with; the text goes on after it.
fn value<T: DeserializeOwned>(text: &mut &[u8]) -> Option<T> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter();
    let value = values.next()?.ok()?;
    *text = &text[values.byte_offset()..];
    Some(value)
}

impl Sender {
    fn request(&self, session: &Session, text: Bytes) -> Result<Request<Bytes>, CallFailure> {
        let destination = self
            .0
            .get()
            .ok_or_else(|| CallFailure::of(UpstreamFailureKind::Protocol, false))?;
        let mut request = Request::new(text);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = destination.uri().clone();
        *request.headers_mut() = session.credential.clone();
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(parent) = trace::parent() {
            parent.write(request.headers_mut());
        }
        Ok(request)
    }

    pub(super) async fn send(&self, session: &Session, text: Bytes) -> Result<(), CallFailure> {
        let request = self.request(session, text)?;
        let response = self.post(session, request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let mut failure = failure_of(status, response.headers());
        let is_gone = status == StatusCode::NOT_FOUND || self.is_forgotten(session, status).await;
        if is_gone {
            session.lost();
            failure.may_have_executed = false;
            failure.is_of_session = true;
        }
        Err(failure)
    }

    async fn post(
        &self,
        session: &Session,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, CallFailure> {
        let sent = session.upstream.egress.send(request, session.limits());
        Ok(sent.await?)
    }

    /// Whether the server refuses a `ping` as it refused a request: then it is the session that it does not know.
    async fn is_forgotten(&self, session: &Session, status: StatusCode) -> bool {
        if !session.has_worked() || !status.is_client_error() {
            return false;
        }
        let ping = message::request(ids::next().to_string().as_bytes(), "ping", b"{}");
        let Ok(request) = self.request(session, ping.into()) else {
            return false;
        };
        let answer = self.post(session, request).await;
        answer.is_ok_and(|response| response.status() == status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_large_answer_stands_at_its_beginning_or_its_end() {
        for (head, tail, id) in [
            (
                r#" {"jsonrpc":"2.0","id":5,"result":{"x":"#,
                r#"xx"}}"#,
                Some(5),
            ),
            (r#"{"jsonrpc": "2.0", "id": "7", "error": {"#, "}}", Some(7)),
            (
                r#"{"result":{"id":1"#,
                r#""}},"jsonrpc":"2.0","id":5}"#,
                Some(5),
            ),
            (
                r#"{"result":{"id":1"#,
                r#"]},"id": 6 ,"jsonrpc":"2.0"} "#,
                Some(6),
            ),
            (r#"{"result":{"id":1"#, r#"{"id":3}]}}"#, None),
            (r#"{"result":{"#, r#"\"id\":5}"}}"#, None),
            (r#"{"jsonrpc":"2.0","method":"x","params":{"#, "}}", None),
            ("[", "]", None),
        ] {
            let ends = [head, tail].map(|end| Bytes::from(end.as_bytes().to_vec()));
            assert_eq!(answered_by(&ends), id, "{head} … {tail}");
        }
    }
}
