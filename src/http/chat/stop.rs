//! `…/stop-generation/`: stops a turn, wherever it runs.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use base::error::Result;
use base::fields::{Body, Request, Text, request, required};

/// Longest id of a turn; ours are UUIDs.
const ID_CHARACTERS_MAX: usize = 255;

request! {
    /// Which turn.
    struct StopRequest {
        /// The `generation_id` that the turn began with.
        generation_id: Option<String> = required(Text::filled(ID_CHARACTERS_MAX)) => "0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11";
    }
}

/// That it was done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StopGenerationResponse")]
struct Stopped {
    detail: &'static str,
}

pub(crate) const STOP: Endpoint =
    Endpoint::closed("Stops a turn of a chat.", |call| Box::pin(stop(call)))
        .reads(Body::whole("StopGenerationRequest", &[StopRequest::TABLE]))
        .answers(200, Shape::One(schema_of::<Stopped>));

async fn stop(call: Call) -> Result<Answer> {
    let (asked, errors) = StopRequest::whole(&call.fields);
    errors.into_result()?;
    let id = asked.generation_id.unwrap_or_default();
    call.app.chat.stop(&call.caller, &id).await?;
    Answer::ok(&Stopped { detail: "Stopped" })
}
