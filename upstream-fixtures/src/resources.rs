//! The resources every fixture has.
//! Must never change their content: readers compare it.

use serde_json::{Value, json};

use crate::asking::{self, Asked};
use crate::call::Call;
use crate::lists;
use crate::rpc::{Outcome, RpcError};

const TEXT: &str = "fixture://static/text";
const BINARY: &str = "fixture://static/binary";
const ASKING: &str = "fixture://asking";
const ITEM: &str = "fixture://item/";

/// Every byte value once, in Base64.
const ALL_BYTES: &str = include_str!("all_bytes.base64");

pub(crate) fn listed() -> Vec<Value> {
    vec![
        json!({
            "uri": TEXT,
            "name": "text",
            "title": "A text",
            "description": "The same text every time.",
            "mimeType": "text/plain",
            "size": 21,
            "annotations": { "audience": ["user"], "priority": 0.7 },
            "_meta": { "com.example/kept": null },
        }),
        json!({ "uri": BINARY, "name": "binary", "mimeType": "application/octet-stream" }),
        json!({ "uri": ASKING, "name": "asking", "description": "Asks the user before it answers." }),
    ]
}

pub(crate) fn templates() -> Vec<Value> {
    vec![json!({
        "uriTemplate": "fixture://item/{id}",
        "name": "item",
        "title": "An item",
        "description": "An item for every id.",
        "mimeType": "application/json",
    })]
}

pub(crate) async fn read(call: &Call) -> Outcome {
    let uri = call.params()["uri"].as_str().unwrap_or_default();
    let contents = match uri {
        TEXT => json!([{ "uri": uri, "mimeType": "text/plain", "text": "the text of a fixture" }]),
        BINARY => json!([{
            "uri": uri,
            "mimeType": "application/octet-stream",
            "blob": ALL_BYTES.trim_end(),
        }]),
        ASKING => match asking::ask_once(call).await? {
            Asked::Interim(result) => return Ok(result.into()),
            Asked::Answers(answers) => {
                json!([{ "uri": uri, "text": Value::from(answers).to_string() }])
            }
        },
        uri => match uri.strip_prefix(ITEM).filter(|id| !id.is_empty()) {
            Some(id) => {
                let text = json!({ "id": id }).to_string();
                json!([{ "uri": uri, "mimeType": "application/json", "text": text }])
            }
            None => return Err(not_found(call, uri)),
        },
    };
    Ok(lists::cacheable(call, json!({ "contents": contents })).into())
}

pub(crate) fn subscribe(call: &Call) -> Outcome {
    call.session
        .subscribe(call.params()["uri"].as_str().unwrap_or_default());
    Ok(json!({}).into())
}

pub(crate) fn unsubscribe(call: &Call) -> Outcome {
    call.session
        .unsubscribe(call.params()["uri"].as_str().unwrap_or_default());
    Ok(json!({}).into())
}

fn not_found(call: &Call, uri: &str) -> RpcError {
    let code = if call.revision.is_modern() {
        -32602
    } else {
        -32002
    };
    RpcError::new(code, "Resource not found").with(json!({ "uri": uri }))
}
