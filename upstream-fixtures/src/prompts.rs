//! The prompts every fixture has, and completion for their arguments and the resource template.
//! Must never depend on who asks.

use serde_json::{Value, json};

use crate::asking::{self, Asked};
use crate::call::Call;
use crate::rpc::{Outcome, RpcError};

/// Values that complete the argument `city`.
const CITIES: [&str; 5] = ["Bergen", "Berlin", "Bern", "Paris", "Parma"];

/// Most values in one completion, by the specification.
const COMPLETIONS_MAX: usize = 100;

/// Ids of the template `fixture://item/{id}`, more than fit in one completion.
const ITEMS: usize = 150;

pub(crate) fn listed() -> Vec<Value> {
    vec![
        json!({ "name": "simple", "title": "Simple", "description": "Takes no arguments." }),
        json!({
            "name": "with_args",
            "description": "Takes a city, and a style if you like.",
            "arguments": [
                { "name": "city", "title": "City", "description": "Completed.", "required": true },
                { "name": "style", "required": false },
            ],
            "_meta": { "com.example/kept": [null] },
        }),
        json!({ "name": "asking", "description": "Asks the user before it answers." }),
    ]
}

pub(crate) async fn get(call: &Call) -> Outcome {
    let said = match call.params()["name"].as_str().unwrap_or_default() {
        "simple" => "Say hello.".to_owned(),
        "with_args" => with_args(call)?,
        "asking" => match asking::ask_once(call).await? {
            Asked::Interim(result) => return Ok(result.into()),
            Asked::Answers(answers) => Value::from(answers).to_string(),
        },
        unknown => {
            return Err(RpcError::invalid_params(format!(
                "Unknown prompt: {unknown}"
            )));
        }
    };
    Ok(json!({
        "description": "A prompt of a fixture.",
        "messages": [{ "role": "user", "content": { "type": "text", "text": said } }],
    })
    .into())
}

fn with_args(call: &Call) -> Result<String, RpcError> {
    let arguments = call.arguments();
    let city = arguments["city"]
        .as_str()
        .ok_or_else(|| RpcError::invalid_params("Missing required argument: city"))?;
    let style = arguments["style"].as_str().unwrap_or("plain");
    Ok(format!("Tell me about {city} in a {style} style."))
}

/// Completes by prefix.
pub(crate) fn complete(call: &Call) -> Outcome {
    let params = call.params();
    let value = params["argument"]["value"].as_str().unwrap_or_default();
    let reference = &params["ref"];
    let found: Vec<String> = match (&reference["type"], &params["argument"]["name"]) {
        (kind, name) if kind == "ref/prompt" && name == "city" => {
            CITIES.iter().map(|city| (*city).to_owned()).collect()
        }
        (kind, name) if kind == "ref/resource" && name == "id" => {
            (0..ITEMS).map(|item| item.to_string()).collect()
        }
        (kind, _) if kind == "ref/prompt" || kind == "ref/resource" => Vec::new(),
        _ => return Err(RpcError::invalid_params("unknown reference type")),
    };
    let mut values: Vec<_> = found
        .into_iter()
        .filter(|found| found.starts_with(value))
        .collect();
    let total = values.len();
    values.truncate(COMPLETIONS_MAX);
    let has_more = values.len() < total;
    let completion = json!({ "values": values, "total": total, "hasMore": has_more });
    Ok(json!({ "completion": completion }).into())
}
