//! Tools that answer at once.
//! Must never wait for anything.

use serde_json::{Map, Value, json};

use crate::behaviour::Transport;
use crate::call::Call;
use crate::rpc::{Answer, Outcome, RpcError};
use crate::seen::Headers;

use super::{plain_tool, structured, text};

/// The code of `fail_rpc`, outside every range that the protocol reserves.
const FAIL_CODE: i64 = 4242;

/// The tool that `toggle_tool` adds and removes.
const TOGGLED: &str = "toggled";

/// Answers the arguments, digit by digit as they came.
pub(super) fn echo(call: &Call) -> Outcome {
    let arguments = call.message.raw_arguments();
    let said = match &call.arguments()["text"] {
        Value::String(text) => Value::from(text.clone()),
        _ => Value::from(arguments),
    };
    let structured = match call.revision {
        revision if revision < crate::Revision::V2025_06_18 => String::new(),
        _ => format!(r#","structuredContent":{arguments}"#),
    };
    let text = format!(r#"{{"content":[{{"type":"text","text":{said}}}]{structured}}}"#);
    Ok(Answer::Raw(text))
}

/// Answers who the upstream takes the caller for: the headers and what is known of its session.
pub(super) fn whoami(call: &Call) -> Value {
    let is_http = call.transport() == Transport::StreamableHttp;
    let headers = if is_http {
        &call.headers
    } else {
        &call.session.headers
    };
    let mut who = json!({
        "server": call.app.behaviour.name,
        "revision": call.revision.as_str(),
        "headers": by_name(headers),
        "meta": call.params()["_meta"],
    });
    if call.transport() == Transport::Sse {
        who["postHeaders"] = by_name(&call.headers);
    }
    structured(who)
}

/// Counts the calls of a session; a modern request is a session of its own.
pub(super) fn counter(call: &Call) -> Value {
    structured(json!({ "count": call.session.count() }))
}

/// Answers the parameters that were mirrored into headers, as they arrived there.
pub(super) fn header_params(call: &Call) -> Value {
    let mirrored: Headers = call
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("mcp-param-"))
        .cloned()
        .collect();
    structured(json!({ "arguments": call.arguments(), "headers": by_name(&mirrored) }))
}

pub(super) fn fail() -> Value {
    let mut failed = text("this tool always fails");
    failed["isError"] = true.into();
    failed
}

pub(super) fn fail_rpc() -> RpcError {
    let data =
        json!({ "reason": "asked to fail", "retry": false, "at": 9_007_199_254_740_993_u64 });
    RpcError::new(FAIL_CODE, "this tool always refuses").with(data)
}

/// Tells everybody who listens; with `within` nobody but the caller, on the stream of the call.
pub(super) async fn add_tool(call: &Call) -> Value {
    let name = call.arguments()["name"]
        .as_str()
        .unwrap_or("added")
        .to_owned();
    let add = |tools: &mut Vec<Value>| {
        tools.retain(|tool| tool["name"] != name);
        tools.push(plain_tool(
            &name,
            "Was added by add_tool; echoes its arguments.",
        ));
    };
    if call.arguments()["within"] == true {
        call.app.change_tools_silently(add);
        call.notify("notifications/tools/list_changed", &json!({}))
            .await;
    } else {
        call.app.change_tools(add);
    }
    text(format!("added {name}"))
}

pub(super) fn toggle_tool(call: &Call) -> Value {
    let was_there = call.app.find_tool(TOGGLED).is_some();
    call.app.change_tools(|tools| match was_there {
        true => tools.retain(|tool| tool["name"] != TOGGLED),
        false => tools.push(plain_tool(TOGGLED, "Comes and goes; echoes its arguments.")),
    });
    text(if was_there { "removed" } else { "added" })
}

pub(super) fn touch_resource(call: &Call) -> Value {
    let uri = call.arguments()["uri"]
        .as_str()
        .unwrap_or("fixture://static/text");
    call.app
        .announce("notifications/resources/updated", &json!({ "uri": uri }));
    text(format!("touched {uri}"))
}

/// Headers by name; a repeated one is an array.
fn by_name(headers: &Headers) -> Value {
    let mut found = Map::new();
    for (name, value) in headers {
        match found.get_mut(name) {
            None => {
                found.insert(name.clone(), value.clone().into());
            }
            Some(Value::Array(values)) => values.push(value.clone().into()),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    found.into()
}
