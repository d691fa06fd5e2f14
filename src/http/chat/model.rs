//! `…/chat-model/`: the language model that answers for a tenant's mentors.
//! The key goes in and never comes out: answers show a mask.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use base::error::{Error, Result};
use base::fields::{Body, Given, Request, Text, optional, request, required};
use base::storage::Tx;
use broker::registry::chat_model::{
    self, API_KEY_CHARACTERS_MAX, BASE_URL_CHARACTERS_MAX, ChatModel, Draft, MODEL_CHARACTERS_MAX,
};
use broker::registry::sealed::{CREDENTIALS, Change};
use tenancy::audit;

request! {
    /// A model to be entered.
    struct ModelRequest {
        /// What `/chat/completions` is below.
        base_url: Option<String> = required(Text::filled(BASE_URL_CHARACTERS_MAX)) => "https://api.openai.com/v1";
        /// The model's name there.
        model: Option<String> = required(Text::filled(MODEL_CHARACTERS_MAX)) => "gpt-5";
        /// The key; absent, null or its mask leaves the one that is stored, empty clears it.
        api_key: Given<String> = optional(Text::blank(API_KEY_CHARACTERS_MAX)) => "a-key-of-the-provider";
    }
}

/// A model as it is stored.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatModel")]
struct ModelAnswer {
    base_url: String,
    model: String,
    /// The key, masked; empty if there is none.
    api_key: String,
    updated_at: String,
}

const ANSWER: Shape = Shape::One(schema_of::<ModelAnswer>);

pub(crate) const READ: Endpoint = Endpoint::closed("Reads which language model answers.", |call| {
    Box::pin(read(call))
})
.answers(200, ANSWER);

pub(crate) const REPLACE: Endpoint = Endpoint::closed(
    "Enters the OpenAI-compatible endpoint that answers, or changes it.",
    |call| Box::pin(replace(call)),
)
.reads(Body::whole("ChatModelRequest", &[ModelRequest::TABLE]))
.answers(200, ANSWER);

pub(crate) const DELETE: Endpoint = Endpoint::closed(
    "Deletes the language model; the built-in engine answers from then on.",
    |call| Box::pin(delete(call)),
);

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let model = chat_model::find(&mut tx, call.caller.tenant.id).await?;
    shown(&call, &model.ok_or(Error::NotFound("chat model"))?)
}

async fn replace(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let tenant = call.caller.tenant.id;
    let stored = chat_model::find(&mut tx, tenant).await?;
    let (asked, mut errors) = ModelRequest::whole(&call.fields);
    let shown_key =
        stored.map_or_else(String::new, |stored| stored.masked_api_key(&call.app.vault));
    let api_key = match asked.api_key {
        Given::Absent | Given::Null => Change::Keep,
        Given::Value(text) if text.contains(|c: char| !c.is_ascii_graphic()) => {
            errors.add("api_key", "Enter a valid key.");
            Change::Keep
        }
        Given::Value(text) => Change::of_credentials(text, &shown_key, &mut errors),
    };
    errors.rename(CREDENTIALS, "api_key");
    let draft = Draft {
        base_url: asked.base_url.unwrap_or_default(),
        model: asked.model.unwrap_or_default(),
        api_key,
    };
    let tools = (&*call.app.vault, call.app.egress.policy());
    let stored = chat_model::store(&mut tx, tools, tenant, (draft, errors), call.now()).await?;
    record(&call, &mut tx, "chat_model.set").await?;
    tx.commit().await?;
    shown(&call, &stored)
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    if !chat_model::delete(&mut tx, call.caller.tenant.id).await? {
        return Err(Error::NotFound("chat model"));
    }
    record(&call, &mut tx, "chat_model.delete").await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

fn shown(call: &Call, model: &ChatModel) -> Result<Answer> {
    Answer::ok(&ModelAnswer {
        base_url: model.base_url.clone(),
        model: model.model.clone(),
        api_key: model.masked_api_key(&call.app.vault),
        updated_at: model.updated_at.to_iso(),
    })
}

async fn record(call: &Call, tx: &mut Tx, action: &str) -> Result<()> {
    audit::record(tx, &call.entry(action, "chat_model")).await
}
