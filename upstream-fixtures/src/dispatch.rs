//! The methods an upstream knows, in one table.
//! Must never send anything but through the call it was given.

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Era};
use crate::call::{Call, Frame};
use crate::lists;
use crate::modern::{self, LEVELS};
use crate::prompts;
use crate::resources;
use crate::revision::Revision;
use crate::rpc::{self, Outcome, RpcError};
use crate::state::Listener;
use crate::tools;

/// Answers a request.
pub(crate) async fn dispatch(call: &Call) -> Outcome {
    let method = call.message.method();
    let offers_all = call.app.behaviour.offers_all;
    let is_modern = call.revision.is_modern();
    match method {
        "tools/list" => lists::page(call, "tools", call.app.tools()),
        "tools/call" => tools::call(call).await,
        "server/discover" if is_modern => Ok(discover(call).into()),
        "subscriptions/listen" if is_modern => Ok(listen(call).await.into()),
        "initialize" if !is_modern => Ok(initialize(call).into()),
        "ping" if !is_modern => Ok(json!({}).into()),
        "resources/list" if offers_all => lists::page(call, "resources", resources::listed()),
        "resources/templates/list" if offers_all => {
            lists::page(call, "resourceTemplates", resources::templates())
        }
        "resources/read" if offers_all => resources::read(call).await,
        "resources/subscribe" if offers_all && !is_modern => resources::subscribe(call),
        "resources/unsubscribe" if offers_all && !is_modern => resources::unsubscribe(call),
        "prompts/list" if offers_all => lists::page(call, "prompts", prompts::listed()),
        "prompts/get" if offers_all => prompts::get(call).await,
        "completion/complete" if offers_all => prompts::complete(call),
        "logging/setLevel" if offers_all && !is_modern => set_level(call),
        unknown => Err(RpcError::unknown_method(unknown)),
    }
}

/// Finds the revision to answer `initialize` with: the one asked for, or our newest.
pub(crate) fn agreed(behaviour: &Behaviour, asked: &Value) -> Revision {
    let known = asked.as_str().and_then(Revision::find);
    known
        .filter(|revision| behaviour.revisions.contains(revision))
        .or(behaviour.revisions.first().copied())
        .unwrap_or(Revision::V2025_11_25)
}

fn initialize(call: &Call) -> Value {
    let mut server_info = implementation(&call.app.behaviour);
    call.revision.trim_implementation(&mut server_info);
    call.session
        .agree(call.revision, call.params()["capabilities"].clone());
    let mut result = json!({
        "protocolVersion": call.revision.as_str(),
        "capabilities": capabilities(&call.app.behaviour),
        "serverInfo": server_info,
        "instructions": INSTRUCTIONS,
    });
    if call.revision < Revision::V2025_03_26
        && let Some(capabilities) = result["capabilities"].as_object_mut()
    {
        capabilities.remove("completions");
    }
    result
}

fn discover(call: &Call) -> Value {
    let result = json!({
        "supportedVersions": modern::supported(&call.app.behaviour),
        "capabilities": capabilities(&call.app.behaviour),
        "instructions": INSTRUCTIONS,
    });
    lists::cacheable(call, result)
}

const INSTRUCTIONS: &str = "A test upstream. Call `echo` to see whether it is there.";

fn implementation(behaviour: &Behaviour) -> Value {
    json!({
        "name": behaviour.name,
        "title": format!("Fixture {}", behaviour.name),
        "version": env!("CARGO_PKG_VERSION"),
        "description": "A test upstream.",
        "icons": [{ "src": "data:image/png;base64,iVBORw0KGgo=", "mimeType": "image/png" }],
    })
}

fn capabilities(behaviour: &Behaviour) -> Value {
    if !behaviour.offers_all {
        return json!({ "tools": { "listChanged": true } });
    }
    json!({
        "tools": { "listChanged": true },
        "resources": { "subscribe": true, "listChanged": true },
        "prompts": { "listChanged": true },
        "completions": {},
        "logging": {},
    })
}

/// Keeps a subscription open until the client leaves or the upstream ends it.
async fn listen(call: &Call) -> Value {
    if let Some(listener) = call.app.find_listener(call.id(), &call.outlet) {
        listener.ended.cancelled().await;
    }
    json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": call.id() } })
}

/// Opens the subscription of a `subscriptions/listen` request and acknowledges it.
///
/// This comes before the request is written down, so that whoever waited for it can rely on it.
pub(crate) fn subscribe(call: &Call) {
    let asked = &call.params()["notifications"];
    let mut filter = json!({});
    for (kind, wish) in asked.as_object().into_iter().flatten() {
        let is_offered = call.app.behaviour.offers_all || kind == "toolsListChanged";
        if is_offered && (wish == true || wish.is_array()) {
            filter[kind] = wish.clone();
        }
    }
    let params = json!({
        "_meta": { "io.modelcontextprotocol/subscriptionId": call.id() },
        "notifications": filter,
    });
    let method = "notifications/subscriptions/acknowledged";
    call.outlet
        .push(Frame::Message(rpc::notification_text(method, &params)));
    call.app.listen(Listener {
        id: call.id().clone(),
        filter,
        outlet: call.outlet.clone(),
        ended: call.session.ended.child_token(),
    });
}

fn set_level(call: &Call) -> Outcome {
    match call.params()["level"].as_str() {
        Some(level) if LEVELS.contains(&level) => {
            call.session.set_log_level(level);
            Ok(json!({}).into())
        }
        _ => Err(RpcError::invalid_params(format!(
            "unknown log level {}",
            call.params()["level"]
        ))),
    }
}

/// Says whether a message is one of the 2026-07-28 revision, for a server that speaks both eras.
pub(crate) fn is_modern_message(era: Era, params: &Value) -> bool {
    match era {
        Era::Modern => true,
        Era::Legacy => false,
        Era::Dual => params["_meta"]["io.modelcontextprotocol/protocolVersion"].is_string(),
    }
}
