//! HTTP+SSE of 2024-11-05: a stream that names an endpoint, and POSTs to that endpoint.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, StatusCode};

use super::failure::CallFailure;
use super::lane::Lane;
use super::session::{Session, Wire};
use super::{ANSWER_BYTES_MAX, Upstream, duplex};
use crate::credentials::Outbound;
use crate::egress::{Destination, EventStream, Limits};
use crate::error::UpstreamFailureKind;
use crate::mcp::Message;

/// Longest silence of the stream; servers send comments far more often.
const STREAM_IDLE: Duration = Duration::from_secs(30 * 60);

/// Where messages are POSTed, once the stream has named it.
#[derive(Debug)]
pub(super) struct Sender(OnceLock<Destination>);

/// Opens the stream and waits for its endpoint, which must be of the same origin (threats.md B05).
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
    if !status.is_success() {
        return Err(CallFailure::of(
            UpstreamFailureKind::Http(status.as_u16()),
            false,
        ));
    }
    let mut events = response.into_body().events(ANSWER_BYTES_MAX);
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
            Some(Ok(event)) if event.event.as_deref().is_none_or(|name| name == "message") => {
                match Message::parse(event.data) {
                    Ok(message) => session.dispatch(message).await,
                    Err(error) => {
                        tracing::warn!(server.id = session.server_id(), %error, "skipped what is not a message")
                    }
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return session.lost(),
        }
    }
}

impl Sender {
    pub(super) async fn send(&self, session: &Session, text: Bytes) -> Result<(), CallFailure> {
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
        let response = session
            .upstream
            .egress
            .send(request, session.limits())
            .await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(CallFailure::of(UpstreamFailureKind::Unauthorized, false))
            }
            StatusCode::NOT_FOUND => {
                session.lost();
                Err(CallFailure::of(UpstreamFailureKind::Closed, false))
            }
            status => Err(CallFailure::of(
                UpstreamFailureKind::Http(status.as_u16()),
                status.is_server_error(),
            )),
        }
    }
}
