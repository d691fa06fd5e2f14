//! What a POST brought: one message, a stream of events, or nothing.
//! A refused credential and an HTTP error are failures, unless the body is a JSON-RPC error.

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::egress::{Body, EventStream, Failure, Limits};
use crate::error::UpstreamFailureKind;
use crate::mcp::{Message, RawObject};
use crate::upstream::ANSWER_BYTES_MAX;
use crate::upstream::failure::CallFailure;

/// What came back from a POST.
pub(super) enum Came {
    Message(Message, StatusCode),
    Events(EventStream),
    Nothing,
}

pub(super) fn is_event_stream(response: &Response<Body>) -> bool {
    content_type(response).is_some_and(|t| t.starts_with("text/event-stream"))
}

fn content_type(response: &Response<Body>) -> Option<&str> {
    response.headers().get(CONTENT_TYPE)?.to_str().ok()
}

/// Reads an answer as far as it is one message; a refused credential and an HTTP error are failures, unless
/// the body is a JSON-RPC error.
pub(super) async fn read(response: Response<Body>, limits: &Limits) -> Result<Came, CallFailure> {
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
