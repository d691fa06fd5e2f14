//! `…/stop-generation/`: stops a turn, wherever it runs.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::drf::reader::{Reader, Text};
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use crate::error::Result;

/// Longest id of a turn; ours are UUIDs.
const ID_CHARACTERS_MAX: usize = 255;

/// Which turn.
#[derive(JsonSchema)]
#[schemars(rename = "StopGenerationRequest")]
#[expect(dead_code, reason = "read by the schema only")]
struct StopRequest {
    /// The `generation_id` that the turn began with.
    generation_id: String,
}

/// That it was done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StopGenerationResponse")]
struct Stopped {
    detail: &'static str,
}

pub(crate) const STOP: Endpoint =
    Endpoint::closed("Stops a turn of a chat.", |call| Box::pin(stop(call)))
        .body(schema_of::<StopRequest>)
        .answers(200, Shape::One(schema_of::<Stopped>));

async fn stop(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.fields);
    let id = reader.text("generation_id", Text::filled(ID_CHARACTERS_MAX));
    let id = reader.not_null("generation_id", id).unwrap_or_default();
    call.fields.require(&["generation_id"], &mut reader.errors);
    reader.finish()?;
    call.app.chat.stop(&call.caller, &id).await?;
    Answer::ok(&Stopped { detail: "Stopped" })
}
