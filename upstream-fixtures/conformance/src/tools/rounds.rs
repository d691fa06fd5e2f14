//! Tools that ask by an interim result and finish on a retry.
//! Must never believe a state that was not signed here.

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, InputRequiredResult, JsonObject};
use serde_json::{Map, Value, json};

use crate::server::typed;

use super::{Call, said};

/// What the state of a call remembers.
const CONFIRMING: &str = "confirming";
const FIRST_ROUND: &str = "first round";
const SECOND_ROUND: &str = "second round";

pub(super) fn call(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let kind = call
        .name()
        .trim_start_matches("test_input_required_result_");
    match kind {
        "elicitation" => match call.answer("user_name") {
            Some(answer) => said(format!("Hello, {}!", field(answer, "name"))),
            None => ask([("user_name", name_wanted("What is your name?"))], None),
        },
        "sampling" => match call.answer("capital_question") {
            Some(answer) => said(format!("The model said {}", Value::from(answer.clone()))),
            None => {
                let prompt = "What is the capital of France?";
                ask([("capital_question", sampling(prompt, 100))], None)
            }
        },
        "list_roots" => match call.answer("client_roots") {
            Some(answer) => said(format!("Your roots: {}", answer["roots"])),
            None => ask([("client_roots", roots())], None),
        },
        "request_state" | "tampered_state" => confirm(call),
        "multiple_inputs" => everything(call),
        "multi_round" => two_rounds(call),
        "capabilities" => what_is_offered(call),
        _ => ask(
            [("value", form("Provide a value", "value", "string"))],
            None,
        ),
    }
}

fn confirm(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let state = state(call)?;
    match (state.as_deref(), call.answer("confirm")) {
        (Some(CONFIRMING), Some(_)) => said("Confirmed: state-ok"),
        _ => {
            let wanted = form("Please confirm", "ok", "boolean");
            ask([("confirm", wanted)], Some(sealed(call, CONFIRMING)?))
        }
    }
}

fn everything(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let state = state(call)?;
    let questions = [
        ("user_name", name_wanted("What is your name?")),
        ("greeting", sampling("Generate a greeting", 50)),
        ("client_roots", roots()),
    ];
    let are_answered = questions.iter().all(|(key, _)| call.answer(key).is_some());
    match state.is_some() && are_answered {
        true => said("All three were answered."),
        false => ask(questions, Some(sealed(call, CONFIRMING)?)),
    }
}

fn two_rounds(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let state = state(call)?;
    match (state.as_deref(), call.answer("step1"), call.answer("step2")) {
        (Some(SECOND_ROUND), _, Some(answer)) => said(format!(
            "Your favorite color is {}.",
            field(answer, "color")
        )),
        (Some(FIRST_ROUND), Some(_), _) | (Some(SECOND_ROUND), _, None) => {
            let wanted = form("Step 2: What is your favorite color?", "color", "string");
            ask([("step2", wanted)], Some(sealed(call, SECOND_ROUND)?))
        }
        _ => {
            let wanted = name_wanted("Step 1: What is your name?");
            ask([("step1", wanted)], Some(sealed(call, FIRST_ROUND)?))
        }
    }
}

fn what_is_offered(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let offered = call.context.client_capabilities();
    let offered = serde_json::to_value(offered).unwrap_or_default();
    let questions = [
        ("elicitation", name_wanted("What is your name?")),
        ("sampling", sampling("Say something.", 50)),
        ("roots", roots()),
    ];
    let askable: Vec<_> = questions
        .into_iter()
        .filter(|(capability, _)| offered[*capability].is_object())
        .collect();
    if askable.is_empty() {
        return said("You offer nothing to ask.");
    }
    match askable.iter().all(|(key, _)| call.answer(key).is_some()) {
        true => said("Everything was answered."),
        false => ask(askable, None),
    }
}

/// Asks for an elicited name under this key; used before a task too.
pub(super) fn ask_name(key: &str) -> Result<CallToolResponse, ErrorData> {
    ask([(key, name_wanted("What is your name?"))], None)
}

/// Returns a member of the content of an elicitation's answer.
pub(super) fn field(answer: &JsonObject, name: &str) -> String {
    let content = answer
        .get("content")
        .and_then(|content| content[name].as_str());
    content.unwrap_or("nobody").to_owned()
}

/// Returns a form with one required member.
pub(super) fn form(message: &str, name: &str, kind: &str) -> Value {
    let schema = json!({
        "type": "object",
        "properties": { name: { "type": kind } },
        "required": [name],
    });
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    json!({ "method": "elicitation/create", "params": params })
}

fn ask<'a>(
    questions: impl IntoIterator<Item = (&'a str, Value)>,
    state: Option<String>,
) -> Result<CallToolResponse, ErrorData> {
    let requests: Map<String, Value> = questions
        .into_iter()
        .map(|(key, request)| (key.to_owned(), request))
        .collect();
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = state.into();
    }
    Ok(typed::<InputRequiredResult>(result)?.into())
}

fn name_wanted(message: &str) -> Value {
    form(message, "name", "string")
}

fn sampling(prompt: &str, max_tokens: u32) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    let params = json!({ "messages": [message], "maxTokens": max_tokens });
    json!({ "method": "sampling/createMessage", "params": params })
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn sealed(call: &Call<'_>, memory: &str) -> Result<String, ErrorData> {
    let sealed = call.server.states.seal_json(&[call.name(), memory]);
    sealed.map_err(|_| ErrorData::internal_error("state cannot be sealed", None))
}

/// Opens the state of a retry; one of another tool is as bad as a forged one.
fn state(call: &Call<'_>) -> Result<Option<String>, ErrorData> {
    let Some(sealed) = &call.request.request_state else {
        return Ok(None);
    };
    let opened = call.server.states.open_json::<[String; 2]>(sealed).ok();
    let memory = opened
        .filter(|[tool, _]| tool == call.name())
        .map(|[_, memory]| memory);
    let forged = || ErrorData::invalid_params("requestState failed verification", None);
    memory.map(Some).ok_or_else(forged)
}
