//! `/api/agent/chat/`: one turn over server-sent events; each frame of the WebSocket is one `data:` event.

use std::convert::Infallible;

use axum::body;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{HeaderName, HeaderValue};

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, query};
use super::asked::{Asked, ChatTurn};
use super::conversation::{Conversation, Told};
use base::error::{Error, Result};
use base::fields::messages::REQUIRED;
use base::fields::{Body, Raw, Request};

/// The media type of the answer.
const EVENTS: &str = "text/event-stream";

pub(crate) const CHAT: Endpoint = Endpoint::closed(
    "Runs one turn and streams its frames, each as one `data:` event.",
    |call| Box::pin(chat(call)),
)
.query(&[
    query("platform_key", "string", "the tenant's key"),
    query("session_id", "string", "the chat session, a UUID"),
])
.reads(Body::whole("ChatTurn", &[ChatTurn::TABLE]))
.answers(200, Shape::Media(EVENTS));

async fn chat(mut call: Call) -> Result<Answer> {
    if let Some(tenant) = text(&call, "platform_key") {
        call.caller.require_tenant(&tenant)?;
    }
    if let Some(session) = text(&call, "session_id") {
        call.incoming.fields.fill_in("session_id", session);
    }
    let asked = Asked::of(&call.fields)?;
    asked.who.check(&call.caller)?;
    if asked.told.is_none() {
        return Err(Error::field("prompt", REQUIRED));
    }
    let mut conversation = Conversation::new(call.app.clone(), call.peer);
    conversation.take(call.caller.clone(), asked, false).await?;
    let events = unfold(Some(conversation), |conversation| async move {
        let mut conversation = conversation?;
        let (frame, is_last) = match conversation.next().await {
            // There is one turn, and its end is the stream's.
            Told::Frame(frame) => {
                let is_end = frame["eos"] == true;
                (frame, is_end)
            }
            Told::Last(frame) | Told::Ended(frame, _) => (frame, true),
        };
        let event = Bytes::from(format!("data: {frame}\n\n"));
        Some((
            Ok::<_, Infallible>(event),
            (!is_last).then_some(conversation),
        ))
    });
    let answer = Answer::stream(
        HeaderValue::from_static(EVENTS),
        body::Body::from_stream(events),
    );
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    Ok(answer.with_header(unbuffered, HeaderValue::from_static("no")))
}

fn text(call: &Call, name: &str) -> Option<String> {
    match call.query.get(name)? {
        Raw::Texts(texts) => texts.last().cloned(),
        Raw::Json(_) | Raw::File(_) => None,
    }
}
