//! The endpoints of our own servers: the same transports as any other's, and each tool as a plain POST.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{any, post};
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::told::{failed, standing};
use super::{Asking, Handled, Mcp, body, told};
use crate::app::App;
use base::error::{Error, Result};
use base::trace;
use mcp::error::RpcError;
use mcp::{Message, method};
use native::{self, FACES, Face, Progress, Refusal, ToolEntry};
use relay::gateway::{Outcome, Target};
use tenancy::auth::Caller;
use tenancy::auth::token::{Environment, TokenKind};

/// What the tools of v1 are called without a version in front of them (docs/inside/threats.md#one-route).
const UNVERSIONED: &str = "v1";

/// What a client accepts that wants to hear of each step.
const EVENTS: &str = "text/event-stream";

/// The routes of every server of ours.
pub(super) fn routes() -> Router<Mcp> {
    let mut router = Router::new().route("/mcp/tools/{tool}", any(unversioned));
    for face in FACES {
        let name = face.name;
        let whole = move |State(mcp): State<Mcp>, request: Request| async move {
            mcp.answer(Target::Native(name), "", request).await
        };
        let over = move |State(mcp): State<Mcp>, Path(over): Path<String>, request: Request| async move {
            mcp.answer(Target::Native(name), &over, request).await
        };
        let tool = move |State(mcp): State<Mcp>, Path(tool): Path<String>, request: Request| async move {
            plain(&mcp, face, &tool, request).await
        };
        router = router
            .route(&format!("/mcp/{name}"), any(whole))
            .route(&format!("/mcp/{name}/"), any(whole))
            .route(&format!("/mcp/{name}/{{transport}}"), any(over))
            .route(&format!("/mcp/{name}/{{transport}}/"), any(over))
            .route(&format!("/mcp/{name}/tools/{{tool}}"), post(tool))
            .route(&format!("/mcp/{name}/tools/{{tool}}/"), post(tool));
    }
    router
}

/// The path has a version; nothing is done on the way there.
async fn unversioned(Path(tool): Path<String>) -> Response {
    let is_name = tool.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let location = HeaderValue::try_from(format!("/mcp/{UNVERSIONED}/tools/{tool}"));
    match location {
        Ok(location) if is_name => {
            let mut response = body::empty(StatusCode::PERMANENT_REDIRECT);
            response.headers_mut().insert(LOCATION, location);
            response
        }
        _ => body::empty(StatusCode::NOT_FOUND),
    }
}

/// The caller, if the key is one of this server's kind. A refusal carries the server's own words.
pub(super) fn admit(
    app: &App,
    (name, request_id): (&str, &str),
    caller: Result<Arc<Caller>>,
) -> Result<Arc<Caller>, RpcError> {
    let face = native::find(name).ok_or_else(|| RpcError::from(&Error::NotFound("server")))?;
    of_kind(face, caller).map_err(|error| {
        let rpc = RpcError::from(&error);
        let failure = native::spell(face, &error.into(), request_id, app.clock.now());
        let message = failure.body["error"]["message"]
            .as_str()
            .unwrap_or_default();
        RpcError {
            message: message.to_owned(),
            ..rpc.with_data(failure.body.clone())
        }
    })
}

fn of_kind(face: &Face, caller: Result<Arc<Caller>>) -> Result<Arc<Caller>> {
    caller.and_then(|caller| {
        // Of the platform's data there is no sandbox.
        let is_for_it = face.key != TokenKind::Platform || caller.environment == Environment::Live;
        if caller.kind == face.key && is_for_it {
            Ok(caller)
        } else {
            Err(Error::InvalidCredentials)
        }
    })
}

/// Answers one MCP request.
pub(super) async fn handle(
    app: &Arc<App>,
    (face, base_url): (&'static Face, &Arc<str>),
    asking: &Asking,
    message: Message,
) -> Handled {
    trace::note(|trace| {
        let server = trace::Server::Native(face.name);
        trace.calls(method::of(&message), "", Some(server));
    });
    let request = native::Request {
        guard: asking.guard.clone(),
        caller: asking.caller.clone(),
        face,
        version: Some(asking.version),
        request_id: asking.request_id.clone(),
        base_url: base_url.clone(),
        mentor: String::new(),
        progress: Progress::default(),
    };
    if let Some((telling, allowance)) = app.native.tell(&app.tasks, &request, &message).await {
        return Handled {
            headers: standing(&allowance),
            outcome: Outcome::Told(telling),
        };
    }
    let answer = app.native.handle(&request, &message).await;
    Handled {
        headers: standing(&answer.allowance),
        outcome: Outcome::Answer(answer.text, answer.status),
    }
}

/// A tool as a plain POST: the body is the arguments, the answer the output or the error.
async fn plain(mcp: &Mcp, face: &'static Face, tool: &str, request: Request) -> Response {
    let (parts, content) = request.into_parts();
    let app = mcp.app.clone();
    let asked = match mcp.check(Target::Native(face.name), parts).await {
        Ok(asked) => asked,
        Err(error) => return refused(&error),
    };
    let request = native::Request {
        guard: app.guards.guard(&asked.caller),
        caller: asked.caller.clone(),
        face,
        version: None,
        request_id: asked.request_id.clone(),
        base_url: asked.base_url.clone(),
        mentor: String::new(),
        progress: Progress::default(),
    };
    let reply = match arguments(&asked.parts.headers, content, face).await {
        Ok(mut arguments) => {
            if wants_events(&asked.parts.headers, face.tool(tool), &mut arguments) {
                return told::stream(&app, request, tool.to_owned(), arguments).await;
            }
            app.native.call(&request, tool, arguments).await
        }
        Err(refusal) => app.native.refuse(&request, tool, refusal).await,
    };
    let mut response = match &reply.outcome {
        Ok(output) => body::json(output.to_string().into(), 200),
        Err(failure) => failed(failure),
    };
    response.headers_mut().extend(standing(&reply.allowance));
    response
}

/// Whether the steps of a call are wanted as events: `stream: true`, which is no argument of the tool, and a client that
/// accepts them (docs/inside/academy.md#6353-streaming).
fn wants_events(headers: &HeaderMap, tool: Option<&ToolEntry>, arguments: &mut Value) -> bool {
    let tells = tool.is_some_and(|tool| tool.tells_progress);
    let Some(members) = arguments.as_object_mut().filter(|_| tells) else {
        return false;
    };
    let is_wanted = members.get("stream").and_then(Value::as_bool);
    if is_wanted.is_some() {
        members.shift_remove("stream");
    }
    let mut accepted = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    // By name: who accepts anything expects one answer.
    is_wanted == Some(true) && accepted.any(|types| types.contains(EVENTS))
}

async fn arguments(
    headers: &HeaderMap,
    content: axum::body::Body,
    face: &Face,
) -> Result<Value, Refusal> {
    let max_bytes = body::bytes_max(&Target::Native(face.name));
    let text = body::read(headers, content, max_bytes).await?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    serde_json::from_slice(&text)
        .map_err(|_| Error::Malformed("the body is not JSON".into()).into())
}

/// What the checks refused: in the server's words where they are known, else as on any MCP endpoint.
fn refused(error: &RpcError) -> Response {
    match &error.data {
        Some(words) => {
            let response = body::json(words.to_string().into(), error.status);
            body::with_reason(response, error)
        }
        None => body::refuse(None, error),
    }
}
