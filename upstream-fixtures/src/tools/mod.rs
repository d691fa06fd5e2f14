//! The tools every fixture has, by name.
//! Must never need anything outside the call: the same tool answers on every transport.

use serde_json::{Value, json};

use crate::asking;
use crate::call::Call;
use crate::rpc::{Outcome, RpcError};

mod content;
mod listed;
mod plain;
mod timed;

pub use listed::{every_tool, plain_tool};

/// Calls a tool that is listed now.
pub(crate) async fn call(call: &Call) -> Outcome {
    let name = call.params()["name"].as_str().unwrap_or_default();
    if call.app.find_tool(name).is_none() {
        return Err(RpcError::invalid_params(format!("Unknown tool: {name}")));
    }
    match name {
        "echo" => plain::echo(call),
        "whoami" => Ok(plain::whoami(call).into()),
        "counter" => Ok(plain::counter(call).into()),
        "header_params" => Ok(plain::header_params(call).into()),
        "fail" => Ok(plain::fail().into()),
        "fail_rpc" => Err(plain::fail_rpc()),
        "add_tool" => Ok(plain::add_tool(call).await.into()),
        "toggle_tool" => Ok(plain::toggle_tool(call).into()),
        "touch_resource" => Ok(plain::touch_resource(call).into()),
        "slow" => Ok(timed::slow(call).await.into()),
        "progress" => Ok(timed::progress(call).await.into()),
        "log" => Ok(timed::log(call).await.into()),
        "ask" => asking::ask(call).await,
        "sample" => asking::sample(call).await,
        "roots" => asking::roots(call).await,
        "ask_all" => asking::ask_all(call).await,
        "big" => Ok(content::big(call).into()),
        "big_numbers" => Ok(content::big_numbers()),
        "rich" => Ok(content::rich().into()),
        _ => plain::echo(call),
    }
}

/// A result of one text.
fn text(text: impl Into<String>) -> Value {
    json!({ "content": [{ "type": "text", "text": text.into() }], "isError": false })
}

/// A result of a structure and its text.
fn structured(value: Value) -> Value {
    json!({
        "content": [{ "type": "text", "text": value.to_string() }],
        "structuredContent": value,
        "isError": false,
    })
}
