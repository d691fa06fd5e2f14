//! Tools that take their time or speak before they answer.
//! Must never look for cancellation: whoever runs the call stops it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::call::Call;
use crate::modern::LEVELS;
use crate::revision::Revision;
use crate::rpc;

use super::{structured, text};

pub(super) async fn slow(call: &Call) -> Value {
    let ms = call.arguments()["ms"].as_u64().unwrap_or(1000);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    text(format!("took {ms} ms"))
}

/// Reports each step, if the caller gave a token to report under.
pub(super) async fn progress(call: &Call) -> Value {
    let steps = call.arguments()["steps"].as_u64().unwrap_or(3);
    let pause_ms = call.arguments()["pause_ms"].as_u64().unwrap_or(0);
    let token = call.message.meta("progressToken");
    for step in 1..=steps {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        if token.is_null() {
            continue;
        }
        let mut params = json!({ "progressToken": token, "progress": step, "total": steps });
        if call.revision >= Revision::V2025_03_26 {
            params["message"] = format!("step {step} of {steps}").into();
        }
        call.notify("notifications/progress", &params).await;
    }
    structured(json!({ "steps": steps, "reported": !token.is_null() }))
}

/// Logs one message of each level the caller wants to hear: on the stream of the call, or with `beside` on the
/// stream of the session.
pub(super) async fn log(call: &Call) -> Value {
    let wanted = match call.revision.is_modern() {
        // Without the level in its `_meta` a modern request hears nothing.
        true => call
            .message
            .meta("io.modelcontextprotocol/logLevel")
            .as_str()
            .map(str::to_owned),
        false => Some(
            call.session
                .log_level()
                .unwrap_or_else(|| "debug".to_owned()),
        ),
    };
    let least = LEVELS
        .iter()
        .position(|level| Some(*level) == wanted.as_deref());
    let mut logged = 0;
    for level in least.into_iter().flat_map(|least| &LEVELS[least..]) {
        let data =
            json!({ "message": format!("a {level} message"), "at": 9_007_199_254_740_993_u64 });
        let params = json!({ "level": level, "logger": "fixture", "data": data });
        if call.arguments()["beside"] == true {
            let text = rpc::notification_text("notifications/message", &params);
            call.session.notify(text);
        } else {
            call.notify("notifications/message", &params).await;
        }
        logged += 1;
    }
    structured(json!({ "logged": logged }))
}
