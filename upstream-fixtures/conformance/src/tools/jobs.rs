//! Tools that run as tasks.
//! Must never make a task for a client that did not declare the extension.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResponse, CallToolResult, ClientCapabilities, CreateTaskResult, InputRequest,
};
use rmcp::task_manager::{TaskContext, TaskExit, TaskOptions};
use serde_json::json;

use crate::server::{complete, typed};

use super::rounds::{ask_name, field, form};
use super::{Call, said};

/// How long a job takes before it fails.
const BEFORE_FAILING: Duration = Duration::from_millis(500);

/// How often a client should ask, in ms.
const POLL_MS: u64 = 200;

type JobResult = Result<CallToolResult, TaskExit>;

/// Waits; without the extension the caller waits too.
pub(super) async fn slow_compute(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let seconds = call
        .argument("seconds")
        .as_f64()
        .unwrap_or(1.0)
        .clamp(0.0, 3600.0);
    let label = call.argument("label").as_str().unwrap_or("work").to_owned();
    let wait = Duration::from_secs_f64(seconds);
    if !has_tasks(call) {
        tokio::time::sleep(wait).await;
        return said(format!("{label} took {seconds} s"));
    }
    start(call, |task: TaskContext| async move {
        tokio::select! {
            () = tokio::time::sleep(wait) => done(format!("{label} took {seconds} s")),
            () = task.cancelled() => Err(TaskExit::Cancelled),
        }
    })
}

/// Ends in an error result, which completes the task.
pub(super) fn failing_job(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    need_tasks(call)?;
    start(call, |_| async move {
        tokio::time::sleep(BEFORE_FAILING).await;
        let content = json!([{ "type": "text", "text": "This job always fails." }]);
        Ok(complete(json!({ "content": content, "isError": true }))?)
    })
}

/// Ends in an error of the server, which fails the task.
pub(super) fn protocol_error_job(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    let broken = || ErrorData::internal_error("This job always breaks.", None);
    if !has_tasks(call) {
        return Err(broken());
    }
    start(call, |_| async move {
        tokio::time::sleep(BEFORE_FAILING).await;
        Err(broken().into())
    })
}

/// Waits in the task until the user confirms.
pub(super) fn confirm_delete(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    need_tasks(call)?;
    let file = call
        .argument("filename")
        .as_str()
        .unwrap_or("something")
        .to_owned();
    start(call, |task: TaskContext| async move {
        let question: InputRequest = typed(form(&format!("Delete {file}?"), "confirm", "boolean"))?;
        let answer = task.request_input("confirm", question).await?;
        let is_confirmed = answer["content"]["confirm"] == true;
        done(format!(
            "{file}: {}",
            if is_confirmed { "deleted" } else { "kept" }
        ))
    })
}

/// Waits in the task until two questions are answered, in any order.
pub(super) fn multi_input(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    need_tasks(call)?;
    start(call, |task: TaskContext| async move {
        let question = |message| typed::<InputRequest>(form(message, "value", "string"));
        let (one, other) = (
            question("The first value?")?,
            question("The second value?")?,
        );
        let both = tokio::try_join!(
            task.request_input("first", one),
            task.request_input("second", other),
        )?;
        done(format!("{} and {}", both.0["content"], both.1["content"]))
    })
}

/// Asks by an interim result first, and goes on as a task.
pub(super) fn ask_then_task(call: &Call<'_>) -> Result<CallToolResponse, ErrorData> {
    need_tasks(call)?;
    let Some(answer) = call.answer("user_name") else {
        return ask_name("user_name");
    };
    let name = field(answer, "name");
    start(call, |_| async move { done(format!("Done for {name}.")) })
}

fn start<F, J>(call: &Call<'_>, job: F) -> Result<CallToolResponse, ErrorData>
where
    F: FnOnce(TaskContext) -> J,
    J: Future<Output = JobResult> + Send + 'static,
{
    let options = TaskOptions::default().with_poll_interval_ms(POLL_MS);
    let task = call
        .server
        .tasks
        .spawn(options, |context| Box::pin(job(context)));
    Ok(CreateTaskResult::new(task).into())
}

fn done(text: String) -> JobResult {
    Ok(complete(
        json!({ "content": [{ "type": "text", "text": text }] }),
    )?)
}

fn has_tasks(call: &Call<'_>) -> bool {
    call.context
        .client_capabilities()
        .is_some_and(|offered| offered.supports_tasks())
}

fn need_tasks(call: &Call<'_>) -> Result<(), ErrorData> {
    if has_tasks(call) {
        return Ok(());
    }
    let needed: ClientCapabilities =
        typed(json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } }))?;
    Err(ErrorData::missing_required_client_capability(needed))
}
