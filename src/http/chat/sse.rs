//! `/api/agent/chat/`: one turn over server-sent events; each frame of the WebSocket is one `data:` event.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::drf::fields::Raw;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::asked::Asked;
use super::conversation::{Conversation, Told};
use crate::error::{Error, Result};

/// The media type of the answer.
const EVENTS: &str = "text/event-stream";

/// A frame of a chat client.
#[derive(JsonSchema)]
#[schemars(rename = "ChatTurn")]
#[expect(dead_code, reason = "read by the schema only")]
struct ChatTurn {
    /// `name` (mentor: UUID, name or slug), `tenant`, `username`, `pathway`.
    flow: Value,
    /// The session, a UUID; also in the query.
    session_id: String,
    /// What the learner says.
    prompt: String,
    /// Whether the mentor is to begin.
    is_proactive: Option<bool>,
    /// The text of the page around the chat.
    page_content: Option<String>,
    /// What else there is to know of the page; kept for the session.
    metadata: Option<Value>,
}

pub(crate) const CHAT: Endpoint = Endpoint::closed(
    "Runs one turn and streams its frames, each as one `data:` event.",
    |call| Box::pin(chat(call)),
)
.query(&[
    query("platform_key", "string", "the tenant's key"),
    query("session_id", "string", "the chat session, a UUID"),
])
.body(schema_of::<ChatTurn>)
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
        return Err(Error::field("prompt", "This field is required."));
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
    let answer = Answer::stream(HeaderValue::from_static(EVENTS), Body::from_stream(events));
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    Ok(answer.with_header(unbuffered, HeaderValue::from_static("no")))
}

fn text(call: &Call, name: &str) -> Option<String> {
    match call.query.get(name)? {
        Raw::Texts(texts) => texts.last().cloned(),
        Raw::Json(_) | Raw::File(_) => None,
    }
}
