//! Server-sent events towards a client: framing, keep-alive, and the end of the stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio_stream::StreamExt;

use broker::guard::{self, Guard};
use mcp::error::RpcError;
use mcp::message;
use relay::gateway::Outcome;
use relay::gateway::streams::{Position, Reader};

/// A comment goes out after this much silence, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client whose connection broke should come back, in ms.
const RETRY_MS: u32 = 1000;
/// A comment, which clients ignore.
const COMMENT: &[u8] = b":\n\n";

/// Something that yields messages until it ends.
pub(super) trait Messages: Send + 'static {
    /// The next message.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

impl Messages for Box<relay::gateway::relay::Relay> {
    async fn next(&mut self) -> Option<Bytes> {
        relay::gateway::relay::Relay::next(self).await
    }
}

impl Messages for Box<relay::gateway::listen::Subscription> {
    async fn next(&mut self) -> Option<Bytes> {
        relay::gateway::listen::Subscription::next(self).await
    }
}

impl Messages for native::Telling {
    async fn next(&mut self) -> Option<Bytes> {
        native::Telling::next(self).await
    }
}

/// Everything that becomes of a request, message by message.
pub(super) struct Said(Option<Outcome>);

impl Said {
    pub(super) fn of(outcome: Outcome) -> Self {
        Self(Some(outcome))
    }

    /// Nothing but an error.
    pub(super) fn error(id: Option<&Bytes>, error: &RpcError) -> Self {
        let id = id.map_or(&b"null"[..], |id| &id[..]);
        let text = message::error(id, &error.to_json());
        Self::of(Outcome::Answer(text.into(), error.status))
    }
}

impl Messages for Said {
    async fn next(&mut self) -> Option<Bytes> {
        match self.0.as_mut()? {
            Outcome::Answer(text, _) => {
                let text = std::mem::take(text);
                self.0 = None;
                (!text.is_empty()).then_some(text)
            }
            Outcome::Stream(relay) => relay.next().await,
            Outcome::Told(telling) => telling.next().await,
            Outcome::Listen(subscription) => subscription.next().await,
        }
    }
}

/// An event stream of these messages.
pub(super) fn stream(messages: impl Messages) -> Response {
    kept_alive(unfold(messages, |mut messages| async move {
        let text = messages.next().await?;
        Some((frame(&text), messages))
    }))
}

/// The frames of a stream, with a comment after each silence. The future of the next message is never
/// dropped half-way: a call may be between two rounds.
pub(super) fn kept_alive(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let ticks = tokio::time::interval_at(tokio::time::Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    let frames = frames.timeout_repeating(ticks);
    let frames =
        frames.map(|frame| Ok::<_, Infallible>(frame.unwrap_or(Bytes::from_static(COMMENT))));
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One `message` event. A line break between tokens of the JSON begins a further `data` line.
pub(super) fn frame(text: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 24);
    write_frame(&mut out, text);
    out.into()
}

fn write_frame(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(b"event: message\n");
    for line in text.split(|b| *b == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend(line.iter().copied().filter(|b| *b != b'\r'));
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// A stream of a session: every event has an id to come back to; the first one may be nothing but an id
/// (2025-11-25, streamable HTTP: "prime the client to reconnect"). It ends with its guard, if it has one of its own.
pub(super) fn numbered(reader: Reader, is_primed: bool, guard: Option<Guard>) -> Response {
    let priming = is_primed.then(|| {
        let id = Position {
            stream: reader.stream(),
            message: 0,
        }
        .to_id();
        Bytes::from(format!("id: {id}\nretry: {RETRY_MS}\ndata: \n\n"))
    });
    kept_alive(unfold(
        (reader, guard, priming),
        |(mut reader, guard, priming)| async move {
            if let Some(priming) = priming {
                return Some((priming, (reader, guard, None)));
            }
            let next = tokio::select! {
                biased;
                _ = guard::ended(guard.as_ref()) => None,
                next = reader.next() => next,
            };
            let (number, text) = next?;
            let position = Position {
                stream: reader.stream(),
                message: number,
            };
            Some((frame_at(position, &text), (reader, guard, None)))
        },
    ))
}

/// The stream of an HTTP+SSE pair: the endpoint to POST to, then the messages.
pub(super) fn with_endpoint(endpoint: &str, messages: impl Messages) -> Response {
    let first = Bytes::from(format!("event: endpoint\ndata: {endpoint}\n\n"));
    kept_alive(unfold(
        (Some(first), messages),
        |(first, mut messages)| async move {
            if let Some(first) = first {
                return Some((first, (None, messages)));
            }
            let text = messages.next().await?;
            Some((frame(&text), (None, messages)))
        },
    ))
}

/// Something that yields messages with their positions until it ends.
pub(super) trait Numbered: Send + 'static {
    /// The next message.
    fn next(&mut self) -> impl Future<Output = Option<(Position, Bytes)>> + Send;
}

/// The stream of a session that belongs to no call.
pub(super) fn own_stream(messages: impl Numbered) -> Response {
    kept_alive(unfold(messages, |mut messages| async move {
        let (position, text) = messages.next().await?;
        Some((frame_at(position, &text), messages))
    }))
}

/// One event with its id.
pub(super) fn frame_at(position: Position, text: &[u8]) -> Bytes {
    let mut out = format!("id: {}\n", position.to_id()).into_bytes();
    write_frame(&mut out, text);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pretty_printed_message_is_one_event_of_several_lines() {
        assert_eq!(
            &frame(b"{\r\n \"a\": 1\n}")[..],
            b"event: message\ndata: {\ndata:  \"a\": 1\ndata: }\n\n"
        );
    }
}
