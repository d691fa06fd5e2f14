//! Frames as an HTTP response: one JSON object or an event stream.
//! Must never change the text of a message.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};

use crate::behaviour::Answers;
use crate::call::{Frame, Frames};
use crate::ill;

use super::accept::Plug;

/// How long an answer may take and still be able to set the status where all is streamed.
const AT_ONCE: Duration = Duration::from_millis(20);

/// What must be dropped when the client has gone or the stream has ended.
pub(super) type Guard = Box<dyn Send>;

/// Whether an answer is the last thing on a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    WithAnswer,
    WithSession,
}

/// Answers one call over HTTP.
pub(super) async fn respond(
    mut frames: Frames,
    answers: Answers,
    plug: &Plug,
    guard: Option<Guard>,
) -> Response {
    let first = match answers {
        Answers::Json => Some(frames.recv().await),
        Answers::Stream => tokio::time::timeout(AT_ONCE, frames.recv()).await.ok(),
    };
    let is_stream = answers == Answers::Stream;
    match first {
        Some(Some(Frame::Die)) => match plug.pull().await {},
        Some(Some(Frame::Whole(response))) => guarded(*response, guard),
        Some(Some(Frame::Answer(status, text))) if !is_stream || status != 200 => {
            json(status, text)
        }
        Some(Some(frame)) => event_stream(Some(frame), frames, Ends::WithAnswer, guard),
        // The call was cancelled: the stream ends without an answer.
        Some(None) => event_stream(None, frames, Ends::WithAnswer, guard),
        None => event_stream(None, frames, Ends::WithAnswer, guard),
    }
}

/// Keeps the guard as long as the body.
fn guarded(response: Response, guard: Option<Guard>) -> Response {
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |_| {
            let _held = &guard;
        }))
    })
}

/// Returns a JSON response.
pub(super) fn json(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Returns an event stream of the frames.
pub(super) fn event_stream(
    first: Option<Frame>,
    frames: Frames,
    ends: Ends,
    guard: Option<Guard>,
) -> Response {
    let state = Some((first, frames, guard));
    let events = stream::unfold(state, move |state| async move {
        let (first, mut frames, guard) = state?;
        let frame = match first {
            Some(frame) => frame,
            None => frames.recv().await?,
        };
        let more = |frames, guard| Some((None, frames, guard));
        match frame {
            Frame::Answer(_, text) if ends == Ends::WithAnswer => Some((Ok(event(&text)), None)),
            Frame::Answer(_, text) | Frame::Message(text) => {
                Some((Ok(event(&text)), more(frames, guard)))
            }
            Frame::Raw(bytes) => Some((Ok(bytes), more(frames, guard))),
            Frame::Whole(_) | Frame::Close => None,
            Frame::Die => Some((ill::breaking().await, None)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// Returns one event; a message that is not JSON may have several lines.
fn event(text: &str) -> Bytes {
    format!(
        "event: message\ndata: {}\n\n",
        text.replace('\n', "\ndata: ")
    )
    .into()
}
