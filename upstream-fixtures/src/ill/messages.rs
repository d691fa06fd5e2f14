//! Illnesses that lie in the messages: they are the same on every transport.
//! Must never touch bytes or headers.

use serde_json::{Value, json};

use crate::call::{Call, Frame};
use crate::dispatch;
use crate::rpc;
use crate::tools;

/// Notifications in a flood.
const FLOOD: u64 = 100_000;

/// Characters in a tool name that is too long.
const LONG_NAME: usize = 200;

/// Answers as a healthy upstream does.
pub(super) async fn well(call: &Call) {
    call.answer(dispatch::dispatch(call).await).await;
}

pub(super) fn as_string(id: &Value) -> Value {
    match id {
        Value::String(text) => Value::from(format!("\"{text}\"")),
        other => Value::from(other.to_string()),
    }
}

pub(super) async fn other_id(call: &Call, id: Value) {
    let answer = call.answer_text(dispatch::dispatch(call).await);
    let mut answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    answer["id"] = id;
    call.outlet
        .send(Frame::Answer(200, answer.to_string()))
        .await;
}

pub(super) async fn twice(call: &Call) {
    let answer = call.answer_text(dispatch::dispatch(call).await);
    call.outlet.send(Frame::Message(answer.clone())).await;
    call.outlet.send(Frame::Answer(200, answer)).await;
}

pub(super) async fn endless_list(call: &Call) {
    let cursor = call.params()["cursor"]
        .as_str()
        .and_then(|cursor| cursor.parse().ok());
    let page = cursor.unwrap_or(0_u64) + 1;
    let tool = tools::plain_tool(&format!("tool_{page}"), "One of endlessly many.");
    let result = json!({ "tools": [tool], "nextCursor": page.to_string() });
    call.answer(Ok(crate::lists::cacheable(call, result).into()))
        .await;
}

pub(super) async fn looping_cursor(call: &Call) {
    let tool = tools::plain_tool("again", "On every page.");
    let result = json!({ "tools": [tool], "nextCursor": "again" });
    call.answer(Ok(crate::lists::cacheable(call, result).into()))
        .await;
}

pub(super) async fn endless_stream(call: &Call) {
    let mut count = 0;
    while notify(call, count).await {
        count += 1;
    }
}

pub(super) async fn flood(call: &Call) {
    for count in 0..FLOOD {
        if !notify(call, count).await {
            return;
        }
    }
    well(call).await;
}

async fn notify(call: &Call, count: u64) -> bool {
    let token = call.message.meta("progressToken");
    if token.is_null() {
        let params = json!({ "level": "info", "logger": "flood", "data": count });
        return call.notify("notifications/message", &params).await;
    }
    let params = json!({ "progressToken": token, "progress": count });
    call.notify("notifications/progress", &params).await
}

pub(super) async fn not_json(call: &Call) {
    let page = "<!doctype html><title>502</title><h1>Bad gateway</h1>";
    call.outlet.send(Frame::Answer(200, page.to_owned())).await;
}

/// Asks the model in a loop: requests without waiting, or one interim result after the other.
pub(super) async fn server_requests(call: &Call) {
    let params = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": "Again?" } }],
        "maxTokens": 1,
    });
    if call.revision.is_modern() {
        let request = json!({ "method": "sampling/createMessage", "params": params });
        let result = json!({
            "resultType": "input_required",
            "inputRequests": { "again": request },
            "requestState": "again",
        });
        return call.answer(Ok(result.into())).await;
    }
    let mut id = 0_u64;
    loop {
        let method = "sampling/createMessage";
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        if !call.outlet.send(Frame::Message(text.to_string())).await {
            return;
        }
        id += 1;
    }
}

/// Lists what no client can take, between `good_first` and `good_last`.
pub(super) async fn bad_tools(call: &Call) {
    let named = |name: &str| tools::plain_tool(name, "Has a bad name.");
    let mut odd = tools::plain_tool("unknown_members", "Has members nobody knows.");
    odd["execution"] = json!({ "taskSupport": "sometimes", "vendor": 1 });
    odd["annotations"] = json!({ "readOnlyHint": "yes" });
    let schema = |schema: Value| json!({ "name": "bad_schema", "inputSchema": schema });
    let tools = vec![
        tools::plain_tool("good_first", "Nothing is wrong with it."),
        json!({ "name": "no_schema", "description": "Has no inputSchema." }),
        schema(json!("not an object")),
        schema(json!({ "type": "array" })),
        schema(
            json!({ "type": "object", "properties": { "n": { "$ref": "http://127.0.0.1:1/x" } } }),
        ),
        named(&"n".repeat(LONG_NAME)),
        named("control\u{0007}\nname"),
        named(""),
        named("white space/../ünïcode"),
        named("twice"),
        named("twice"),
        json!({ "name": 7, "inputSchema": { "type": "object" } }),
        json!({ "name": "bad_header", "inputSchema": { "type": "object", "properties": {
            "a": { "type": "string", "x-mcp-header": "bad header\r\n" } } } }),
        json!({ "description": "Has no name.", "inputSchema": { "type": "object" } }),
        Value::Null,
        odd,
        tools::plain_tool("good_last", "Nothing is wrong with it either."),
    ];
    let result = crate::lists::cacheable(call, json!({ "tools": tools }));
    let mut answer = json!({ "tools": [] });
    if call.revision.is_modern() {
        answer["resultType"] = "complete".into();
    }
    for (member, value) in result.as_object().into_iter().flatten() {
        answer[member] = value.clone();
    }
    // Not through the revision's words: those would mend some of it.
    let text = rpc::result_text(call.id(), &answer.to_string());
    call.outlet.send(Frame::Answer(200, text)).await;
}
