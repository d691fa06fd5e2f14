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

/// A comment goes out after this much silence, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Something that yields messages until it ends.
pub(super) trait Messages: Send + 'static {
    /// The next message.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

impl Messages for Box<crate::gateway::relay::Relay> {
    async fn next(&mut self) -> Option<Bytes> {
        crate::gateway::relay::Relay::next(self).await
    }
}

impl Messages for Box<crate::gateway::listen::Subscription> {
    async fn next(&mut self) -> Option<Bytes> {
        crate::gateway::listen::Subscription::next(self).await
    }
}

/// An event stream of these messages.
pub(super) fn stream(messages: impl Messages) -> Response {
    let mut response = Response::new(Body::from_stream(frames(messages)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn frames(messages: impl Messages) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    unfold(messages, |mut messages| async move {
        match tokio::time::timeout(KEEP_ALIVE, messages.next()).await {
            Ok(Some(text)) => Some((Ok(frame(&text)), messages)),
            Ok(None) => None,
            Err(_) => Some((Ok(Bytes::from_static(b":\n\n")), messages)),
        }
    })
}

/// One `message` event. A line break between tokens of the JSON begins a further `data` line.
pub(super) fn frame(text: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + 24);
    out.extend_from_slice(b"event: message\n");
    for line in text.split(|b| *b == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend(line.iter().copied().filter(|b| *b != b'\r'));
        out.push(b'\n');
    }
    out.push(b'\n');
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
