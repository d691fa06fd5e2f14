//! What servers get wrong in their lists costs nobody a list.

mod items;
mod looks;
mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::harness::{Mcp, Stage, VERSIONS, eventually, register};

const SERVERS: &str = "mentor-gateway/servers";
/// The four lists: method, member, name of the items' definition and of the result's, the member that names an item.
const LISTS: [(&str, &str, &str, &str, &str); 4] = [
    ("tools/list", "tools", "Tool", "ListToolsResult", "name"),
    (
        "prompts/list",
        "prompts",
        "Prompt",
        "ListPromptsResult",
        "name",
    ),
    (
        "resources/list",
        "resources",
        "Resource",
        "ListResourcesResult",
        "uri",
    ),
    (
        "resources/templates/list",
        "resourceTemplates",
        "ResourceTemplate",
        "ListResourceTemplatesResult",
        "uriTemplate",
    ),
];

/// MCP's own schema of a revision.
fn schema_of(version: &str) -> Value {
    let path = format!(
        "{}/tests/mcp_schema/{version}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A validator of one definition in a revision.
fn validator(version: &str, definition: &str) -> jsonschema::Validator {
    let mut schema = schema_of(version);
    let at = if schema.get("$defs").is_some() {
        "$defs"
    } else {
        "definitions"
    };
    schema["$ref"] = format!("#/{at}/{definition}").into();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn assert_valid(validator: &jsonschema::Validator, value: &Value, label: &str) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{label}: {}", errors.join("; "));
}

/// An upstream of the stateless era: `answer` gives the result for a method and its parameters.
async fn upstream(answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let handle = move |body: Bytes| {
        let answer = answer.clone();
        async move { respond(&body, &*answer) }
    };
    let router = axum::Router::new().route("/mcp", axum::routing::post(handle));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn respond(body: &[u8], answer: &dyn Fn(&str, &Value) -> Value) -> Response {
    let message: Value = serde_json::from_slice(body).unwrap();
    let Some(id) = message.get("id") else {
        return http::StatusCode::ACCEPTED.into_response();
    };
    let answered = answer(message["method"].as_str().unwrap(), &message["params"]);
    let member = if answered.get("code").is_some() {
        "error"
    } else {
        "result"
    };
    axum::Json(json!({ "jsonrpc": "2.0", "id": id, member: answered })).into_response()
}

fn discovered(capabilities: &Value) -> Value {
    json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
        "ttlMs": 0, "cacheScope": "private", "instructions": "How to use it.",
        "serverInfo": { "name": "scripted", "version": "1" },
    })
}

/// A result of a list method.
fn list_result(member: &str, items: &Value) -> Value {
    json!({ "resultType": "complete", "ttlMs": 0, "cacheScope": "private", member: items })
}

fn everything() -> Value {
    json!({ "tools": {}, "prompts": {}, "resources": {}, "completions": {} })
}

/// An upstream with these items in its lists, by member of the result.
async fn offering(items: BTreeMap<&'static str, Value>) -> String {
    upstream(move |method, _| {
        if method == "server/discover" {
            return discovered(&everything());
        }
        match LISTS.iter().find(|list| list.0 == method) {
            Some((_, member, ..)) => list_result(member, items.get(member).unwrap_or(&json!([]))),
            None => json!({ "resultType": "complete", "content": [] }),
        }
    })
    .await
}

/// An item with which nothing is wrong, of each list.
fn good(member: &str, name: &str) -> Value {
    let icon = json!({ "src": "https://example.com/a.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark" });
    let annotations =
        json!({ "audience": ["user"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58Z" });
    match member {
        "tools" => json!({
            "name": name, "title": "A title", "description": "Says.", "icons": [icon],
            "inputSchema": { "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "properties": { "a": { "type": "string" } }, "required": ["a"] },
            "outputSchema": { "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "properties": { "b": { "type": "number" } }, "required": ["b"] },
            "annotations": { "title": "A title", "readOnlyHint": true, "destructiveHint": false,
                "idempotentHint": true, "openWorldHint": false },
            "execution": { "taskSupport": "optional" }, "_meta": { "a.example/b": [null, 1.50] },
        }),
        "prompts" => json!({
            "name": name, "title": "A title", "description": "Says.", "icons": [icon],
            "arguments": [{ "name": "a", "title": "A", "description": "What.", "required": true }], "_meta": {},
        }),
        "resources" => json!({
            "uri": format!("test://{name}"), "name": name, "title": "A title", "description": "Says.", "icons": [icon],
            "mimeType": "text/plain", "size": 7, "annotations": annotations, "_meta": {},
        }),
        "resourceTemplates" => json!({
            "uriTemplate": format!("test://{name}/{{id}}"), "name": name, "title": "A title", "description": "Says.",
            "icons": [icon], "mimeType": "text/plain", "annotations": annotations, "_meta": {},
        }),
        _ => panic!("{member}"),
    }
}

/// A list, once every server has been looked at.
async fn whole_list(client: &Mcp, method: &str) -> Value {
    eventually("every server", async || {
        let list = client.request(method, json!({})).await.result().clone();
        let states = list["_meta"][SERVERS].as_array().unwrap();
        let is_pending = states.iter().any(|state| state["state"] == "pending");
        (!is_pending).then_some(list)
    })
    .await
}

async fn as_admin(stage: &Stage, version: &'static str, path: String) -> Mcp {
    if version == VERSIONS[0] {
        return Mcp::modern(&stage.admin, path);
    }
    Mcp::legacy_as(&stage.admin, path, version, json!({})).await
}

/// What a mentor lists of an upstream with these items, and what it says of them.
async fn shown(member: &'static str, items: Value) -> (Value, Value) {
    let stage = Stage::start().await;
    let url = offering([(member, items)].into()).await;
    let server = register(&stage.admin, "Up", &url, json!({ "tool_prefix": "" })).await;
    stage.attach(&[server]).await;
    let method = LISTS.iter().find(|list| list.1 == member).unwrap().0;
    let list = whole_list(&stage.modern(), method).await;
    let state = list["_meta"][SERVERS][0].clone();
    assert_eq!(state["state"], "ok");
    (list[member].clone(), state)
}

fn tool(more: Value) -> Value {
    let mut tool = json!({ "name": "t", "inputSchema": { "type": "object" } });
    for (name, value) in more.as_object().unwrap() {
        tool[name] = value.clone();
    }
    tool
}

/// A tool with this, what is listed of it, and what is said.
async fn assert_tool(more: Value, expected: Value, left_out: &[&str], flagged: &[&str]) {
    let (tools, state) = shown("tools", json!([tool(more)])).await;
    assert_eq!(tools, json!([tool(expected)]));
    let said = |name: &str| state.get(name).cloned().unwrap_or_else(|| json!([]));
    assert_eq!(said("leftOut"), json!(left_out));
    assert_eq!(said("flagged"), json!(flagged));
}
