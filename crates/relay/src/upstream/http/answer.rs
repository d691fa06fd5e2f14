//! What a POST brought: one message, a batch, a stream of events, or nothing.
//! A refused credential and an HTTP error are failures, unless the body is a JSON-RPC error.

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};

use crate::upstream::ANSWER_BYTES_MAX;
use crate::upstream::failure::{CallFailure, shown};
use base::error::{BrokenRule, UpstreamFailureKind};
use egress::{Body, EventStream, Failure, Limits};
use mcp::heard::{self, Heard};
use mcp::{Message, RawObject};

/// How much of what is said beside a 403 is read, and for how long: nothing depends on it.
const SAID_BYTES_MAX: u64 = 64 * 1024;
const SAID_DEADLINE: Duration = Duration::from_secs(1);
/// Longest `Retry-After` that is believed, in seconds.
const RETRY_AFTER_S_MAX: u64 = 24 * 3600;

/// What came back from a POST.
pub(super) enum Came {
    Message(Message, StatusCode),
    Batch(Vec<Message>),
    Events(EventStream),
    Nothing,
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|t| is_of_type(t, "text/event-stream"))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// Whether a content type begins with this type, in whatever case. What comes after it is the server's.
fn is_of_type(content_type: &str, wanted: &str) -> bool {
    let start = content_type.trim_start().get(..wanted.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
}

/// Reads an answer as far as it is one message; a refused credential and an HTTP error are failures, unless
/// the body is a JSON-RPC error.
pub(super) async fn read(response: Response<Body>, limits: &Limits) -> Result<Came, CallFailure> {
    let status = response.status();
    if !status.is_success() {
        return refusal(response, limits).await;
    }
    let (head, body) = response.into_parts();
    if is_event_stream(&head.headers) {
        return Ok(Came::Events(body.events(ANSWER_BYTES_MAX)));
    }
    let unknown_encoding = body.unknown_encoding().map(str::to_owned);
    let body = body
        .read_to_end(ANSWER_BYTES_MAX as u64, limits.idle)
        .await
        .map_err(after_sending)?;
    if body.is_empty() {
        return Ok(Came::Nothing);
    }
    let named = content_type(&head.headers);
    if !named.is_some_and(|t| is_of_type(t, "application/json")) {
        let text = match named {
            Some(named) => format!("its answer is of the type {:?}", shown(named)),
            None => "its answer has no content type".to_owned(),
        };
        return Err(CallFailure::broke(BrokenRule::new("type", text), true));
    }
    match heard::hear(body) {
        Ok(Heard::One(message)) => Ok(Came::Message(message, status)),
        Ok(Heard::Batch(messages)) => Ok(Came::Batch(messages)),
        Err(broken) => {
            let broken = match unknown_encoding {
                Some(encoding) => {
                    let text =
                        format!("its answer has the encoding {encoding:?}, which cannot be read");
                    BrokenRule::new("encoding", text)
                }
                None => broken,
            };
            Err(CallFailure::broke(broken, true))
        }
    }
}

/// An answer with the status of an error: what it says to programs, or that it refuses.
async fn refusal(response: Response<Body>, limits: &Limits) -> Result<Came, CallFailure> {
    let status = response.status();
    let mut failure = failure_of(status, response.headers());
    match failure.kind {
        UpstreamFailureKind::Unauthorized => return Err(failure),
        UpstreamFailureKind::Forbidden => {
            let read = response
                .into_body()
                .read_to_end(SAID_BYTES_MAX, SAID_DEADLINE);
            failure.said = read.await.ok();
            return Err(failure);
        }
        _ => {}
    }
    let body = response
        .into_body()
        .read_to_end(ANSWER_BYTES_MAX as u64, limits.idle)
        .await
        .map_err(after_sending)?;
    match heard::hear(body.clone()) {
        // A 404 with -32601 is a modern server's "no such method"; any other 404 is a lost session.
        Ok(Heard::One(message))
            if message.error.is_some()
                && (status != StatusCode::NOT_FOUND || code_of(&message) == Some(-32601)) =>
        {
            Ok(Came::Message(message, status))
        }
        _ => {
            failure.said = Some(body);
            Err(failure)
        }
    }
}

/// What the status and the headers of a refusal say.
pub(in crate::upstream) fn failure_of(status: StatusCode, headers: &HeaderMap) -> CallFailure {
    let challenge = headers
        .get(WWW_AUTHENTICATE)
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    let kind = match status {
        StatusCode::UNAUTHORIZED => UpstreamFailureKind::Unauthorized,
        // Some servers answer 403 to a token that has ended, and say so.
        StatusCode::FORBIDDEN
            if challenge
                .as_ref()
                .is_some_and(|c| c.contains("invalid_token")) =>
        {
            UpstreamFailureKind::Unauthorized
        }
        StatusCode::FORBIDDEN => UpstreamFailureKind::Forbidden,
        status => UpstreamFailureKind::Http(status.as_u16()),
    };
    CallFailure {
        challenge,
        retry_after_s: retry_after(headers),
        ..CallFailure::of(kind, status.is_server_error())
    }
}

/// The seconds in `Retry-After`. Its other form, a date, is of the server's clock, which need not be ours.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(seconds.min(RETRY_AFTER_S_MAX))
}

/// The code of an error response.
pub(super) fn code_of(message: &Message) -> Option<i64> {
    let error = RawObject::parse(message.error.as_deref()?).ok()?;
    serde_json::from_slice(error.get("code")?).ok()
}

fn after_sending(failure: Failure) -> CallFailure {
    CallFailure {
        may_have_executed: true,
        ..failure.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_be_written_in_any_case_and_have_parameters() {
        for (content_type, is_json) in [
            ("application/json", true),
            ("Application/JSON;charset=\"UTF-8\"", true),
            (" application/json-rpc", true),
            ("application/vnd.api+json", false),
            ("text/json", false),
            ("", false),
        ] {
            assert_eq!(
                is_of_type(content_type, "application/json"),
                is_json,
                "{content_type}"
            );
        }
    }
}
