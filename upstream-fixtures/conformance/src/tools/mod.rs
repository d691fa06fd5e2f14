//! The tools that scenarios call, by kind.
//! Must never answer a tool that is not listed.

use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::server::{Conformance, complete};

mod answers;
mod asks;
mod jobs;
mod rounds;
mod streams;

pub(crate) use answers::PNG;

/// A call of one tool.
pub(crate) struct Call<'a> {
    server: &'a Conformance,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
}

impl Call<'_> {
    fn name(&self) -> &str {
        &self.request.name
    }

    fn argument(&self, name: &str) -> &Value {
        let arguments: Option<&JsonObject> = self.request.arguments.as_ref();
        arguments
            .and_then(|arguments| arguments.get(name))
            .unwrap_or(&Value::Null)
    }

    /// Finds the client's answer to an input request; only an object is one.
    fn answer(&self, key: &str) -> Option<&JsonObject> {
        let answers = self.request.input_responses.as_ref();
        answers
            .and_then(|answers| answers.get(key))
            .and_then(Value::as_object)
    }
}

/// Calls a tool.
pub(crate) async fn call(
    server: &Conformance,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let call = Call {
        server,
        request,
        context,
    };
    if let Some(result) = answers::find(&call) {
        return Ok(complete::<CallToolResult>(result)?.into());
    }
    match call.name() {
        "test_tool_with_logging" => streams::log_thrice(&call).await,
        "test_logging_tool" => streams::log_if_asked(&call).await,
        "test_tool_with_progress" => streams::progress(&call).await,
        "test_reconnection" => streams::answer_late().await,
        "test_trigger_tool_change" => streams::tools_changed(&call).await,
        "test_trigger_prompt_change" => streams::prompts_changed(&call).await,
        "test_sampling" => asks::sample(&call).await,
        "test_elicitation" => asks::elicit(&call).await,
        "test_elicitation_sep1034_defaults" => asks::elicit_defaults(&call).await,
        "test_elicitation_sep1330_enums" => asks::elicit_enums(&call).await,
        "test_missing_capability" => asks::need_sampling(&call),
        name if name.starts_with("test_input_required_result_") => rounds::call(&call),
        "test_streaming_elicitation" => rounds::call(&call),
        "slow_compute" => jobs::slow_compute(&call).await,
        "failing_job" => jobs::failing_job(&call),
        "protocol_error_job" => jobs::protocol_error_job(&call),
        "confirm_delete" => jobs::confirm_delete(&call),
        "multi_input" => jobs::multi_input(&call),
        "test_tool_with_task" => jobs::ask_then_task(&call),
        unknown => Err(ErrorData::invalid_params(
            format!("Unknown tool: {unknown}"),
            None,
        )),
    }
}

/// A result of one text.
fn said(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    let result = json!({ "content": [{ "type": "text", "text": text.into() }] });
    Ok(complete::<CallToolResult>(result)?.into())
}
