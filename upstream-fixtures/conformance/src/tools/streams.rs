//! Tools that say something besides their answer.
//! Must never log to a modern request that did not ask for it.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::{CallToolResponse, LoggingLevel, LoggingMessageNotificationParam};
use serde_json::json;

use crate::server::is_modern;

use super::{Call, said};

/// Between two steps of a tool, as the scenarios ask.
const STEP: Duration = Duration::from_millis(50);

/// How long a tool takes whose client is to come back for the answer.
const LATE: Duration = Duration::from_millis(200);

pub(super) async fn log_thrice(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let steps = [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ];
    let level = match is_modern(&call.context) {
        true => call.context.meta.log_level(),
        false => Some(LoggingLevel::Info),
    };
    for (count, step) in steps.into_iter().enumerate() {
        if count > 0 {
            tokio::time::sleep(STEP).await;
        }
        if level.is_some() {
            log(call, LoggingLevel::Info, step).await;
        }
    }
    said("Logged three times.")
}

pub(super) async fn log_if_asked(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    if let Some(level) = call.context.meta.log_level() {
        log(call, level, "You asked for this level.").await;
    }
    said("Logged if asked.")
}

/// Logs; a client that has left does not hear it.
async fn log(call: &Call<'_>, level: LoggingLevel, text: &str) {
    let params =
        LoggingMessageNotificationParam::new(level, json!(text)).with_logger("conformance");
    let _ = call.context.peer.notify_logging_message(params).await;
}

pub(super) async fn progress(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let token = call.context.meta.get_progress_token();
    for done in [0.0, 50.0, 100.0] {
        if done > 0.0 {
            tokio::time::sleep(STEP).await;
        }
        if let Some(token) = &token {
            let params = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
            let _ = call.context.peer.notify_progress(params).await;
        }
    }
    said("Reported progress.")
}

/// Answers after `sessions.rs` has closed the stream.
pub(super) async fn answer_late() -> Result<CallToolResponse, ErrorData> {
    tokio::time::sleep(LATE).await;
    said("Answered on another connection.")
}

pub(super) async fn tools_changed(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    for subscription in call.server.subscriptions() {
        // Refused by those that listen for something else.
        let _ = subscription.notify_tool_list_changed().await;
    }
    if !is_modern(&call.context) {
        let _ = call.context.peer.notify_tool_list_changed().await;
    }
    said("Said that the tools changed.")
}

pub(super) async fn prompts_changed(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    for subscription in call.server.subscriptions() {
        // Refused by those that listen for something else.
        let _ = subscription.notify_prompt_list_changed().await;
    }
    if !is_modern(&call.context) {
        let _ = call.context.peer.notify_prompt_list_changed().await;
    }
    said("Said that the prompts changed.")
}
