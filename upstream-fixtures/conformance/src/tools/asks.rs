//! Tools that send requests to the client of a session.
//! Must never be used by a modern request: rmcp refuses to send.

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, ClientCapabilities};
use rmcp::service::ServiceError;
use serde_json::{Value, json};

use crate::server::typed;

use super::{Call, said};

pub(super) async fn sample(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let params = typed(json!({
        "messages": [{
            "role": "user",
            "content": { "type": "text", "text": call.argument("prompt") },
        }],
        "maxTokens": 100,
    }))?;
    let answer = call
        .context
        .peer
        .create_message(params)
        .await
        .map_err(refused)?;
    let answer = serde_json::to_value(answer).unwrap_or_default();
    let text = answer["content"]["text"].as_str().unwrap_or_default();
    said(format!("LLM response: {text}"))
}

pub(super) async fn elicit(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let message = call.argument("message").as_str().unwrap_or("Who are you?");
    let schema = json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    });
    let answer = form(call, message, schema).await?;
    said(format!(
        "User response: action={}, content={}",
        answer["action"], answer["content"]
    ))
}

pub(super) async fn elicit_defaults(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let statuses = json!(["active", "inactive", "pending"]);
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": statuses, "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    });
    completed(&form(call, "Please check these values.", schema).await?)
}

pub(super) async fn elicit_enums(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let plain = json!(["option1", "option2", "option3"]);
    let titled = |kind: &str| {
        let value = |n: usize, name: &str| json!({ "const": format!("value{n}"), "title": format!("{name} {kind}") });
        json!([value(1, "First"), value(2, "Second"), value(3, "Third")])
    };
    let schema = json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        },
    });
    completed(&form(call, "Please choose.", schema).await?)
}

/// Refuses a client that does not offer sampling.
pub(super) fn need_sampling(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let offered = call.context.client_capabilities();
    if offered.is_some_and(|offered| offered.sampling.is_some()) {
        return said("You offer sampling.");
    }
    let needed: ClientCapabilities = typed(json!({ "sampling": {} }))?;
    Err(ErrorData::missing_required_client_capability(needed))
}

async fn form(call: &Call<'_>, message: &str, schema: Value) -> Result<Value, ErrorData> {
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let answer = call
        .context
        .peer
        .create_elicitation(typed(params)?)
        .await
        .map_err(refused)?;
    Ok(serde_json::to_value(answer).unwrap_or_default())
}

fn completed(answer: &Value) -> Result<CallToolResponse, ErrorData> {
    let (action, content) = (&answer["action"], &answer["content"]);
    said(format!(
        "Elicitation completed: action={action}, content={content}"
    ))
}

fn refused(error: ServiceError) -> ErrorData {
    match error {
        ServiceError::McpError(error) => error,
        other => ErrorData::internal_error(format!("the client did not answer: {other}"), None),
    }
}
