//! The MCP endpoints: which transport, which era, who calls; the rest is the gateway's.
//! Every transport passes the same checks in the same order: host and origin in front of all surfaces, then the key.

mod body;
mod era;
mod events;
mod native;
mod peer;
mod sse;
mod streamable;
mod told;
mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::base_url;
use super::caller::{authenticate, peer_address};
use crate::app::App;
use base::trace;
pub(crate) use body::BODY_BYTES_MAX;
use mcp::Message;
use mcp::error::{INTERNAL_ERROR, INVALID_REQUEST, RpcError};
use relay::gateway::{Outcome, Request as Asking, Target};
use sse::Peers;
use tenancy::auth::Caller;

/// What every MCP handler needs.
#[derive(Debug, Clone)]
struct Mcp {
    app: Arc<App>,
    peers: Peers,
}

/// An HTTP request after the checks that need no body.
struct Asked {
    app: Arc<App>,
    caller: Arc<Caller>,
    target: Target,
    parts: Parts,
    request_id: Arc<str>,
    /// Scheme and host for absolute links.
    base_url: Arc<str>,
}

/// What becomes of a request, and the headers that go with an answer.
struct Handled {
    outcome: Outcome,
    headers: HeaderMap,
}

/// Has a request answered by whoever is behind its target.
async fn handle(app: &Arc<App>, base_url: &Arc<str>, request: Asking, message: Message) -> Handled {
    if let Target::Native(name) = request.target
        && let Some(face) = ::native::find(name)
    {
        return Box::pin(native::handle(app, (face, base_url), &request, message)).await;
    }
    Handled {
        // Boxed: in debug builds a relayed call would otherwise be copied once more on a stack that is nearly full.
        outcome: Box::pin(app.gateway.handle(request, message)).await,
        headers: HeaderMap::new(),
    }
}

/// The routes of the MCP endpoints, with and without the slash at the end.
pub fn router(app: Arc<App>) -> Router {
    native::routes()
        .route("/mcp/mentors/{mentor}", any(mentor))
        .route("/mcp/mentors/{mentor}/", any(mentor))
        .route("/mcp/mentors/{mentor}/{transport}", any(mentor_over))
        .route("/mcp/mentors/{mentor}/{transport}/", any(mentor_over))
        .route("/mcp/servers/{server}", any(server))
        .route("/mcp/servers/{server}/", any(server))
        .route("/mcp/servers/{server}/{transport}", any(server_over))
        .route("/mcp/servers/{server}/{transport}/", any(server_over))
        .with_state(Mcp {
            app,
            peers: Peers::default(),
        })
}

async fn mentor(State(mcp): State<Mcp>, Path(mentor): Path<String>, request: Request) -> Response {
    mcp.answer(Target::Mentor(mentor), "", request).await
}

async fn mentor_over(
    State(mcp): State<Mcp>,
    Path((mentor, over)): Path<(String, String)>,
    request: Request,
) -> Response {
    mcp.answer(Target::Mentor(mentor), &over, request).await
}

async fn server(State(mcp): State<Mcp>, Path(server): Path<String>, request: Request) -> Response {
    mcp.answer(server_target(&server), "", request).await
}

async fn server_over(
    State(mcp): State<Mcp>,
    Path((server, over)): Path<(String, String)>,
    request: Request,
) -> Response {
    mcp.answer(server_target(&server), &over, request).await
}

/// What is no number names no server; the answer comes after authentication, as for any unknown one.
fn server_target(server: &str) -> Target {
    Target::Server(server.parse().unwrap_or(0))
}

impl Mcp {
    async fn answer(&self, target: Target, over: &str, request: Request) -> Response {
        let (parts, content) = request.into_parts();
        let asked = match self.check(target, parts).await {
            Ok(asked) => asked,
            Err(refused) => return body::refuse(None, &refused),
        };
        match (over, &asked.parts.method) {
            // Boxed where it begins: a future within a future within a future is copied each time it is handed on.
            ("", _) => Box::pin(streamable::answer(asked, content)).await,
            ("sse", &Method::GET) => {
                sse::open(
                    asked.app,
                    &self.peers,
                    (asked.caller, asked.target),
                    &asked.parts,
                )
                .await
            }
            ("messages", &Method::POST) => {
                let who = (&*asked.caller, &asked.target);
                let posted = sse::post(
                    &self.peers,
                    who,
                    asked.parts.uri.query(),
                    (&asked.parts.headers, content),
                );
                posted
                    .await
                    .unwrap_or_else(|error| body::refuse(None, &error))
            }
            ("ws", &Method::GET) => {
                websocket::upgrade(asked.app, asked.caller, asked.target, asked.parts).await
            }
            ("sse" | "messages" | "ws", _) => body::empty(StatusCode::METHOD_NOT_ALLOWED),
            _ => body::empty(StatusCode::NOT_FOUND),
        }
    }

    async fn check(&self, target: Target, parts: Parts) -> Result<Asked, RpcError> {
        let app = self.app.clone();
        let peer = peer_address(&parts.extensions, &parts.headers, &app.config.trust_proxy);
        let request_id = trace::request_id();
        let caller = authenticate(&app, &parts.headers, peer).await;
        let caller = match target {
            Target::Native(name) => native::admit(&app, (name, &request_id), caller)?,
            Target::Mentor(_) | Target::Server(_) => {
                let caller = caller?;
                caller.require_general_key()?;
                caller
            }
        };
        let base_url = base_url::of(&app, &parts.headers).into();
        Ok(Asked {
            app,
            caller,
            target,
            parts,
            request_id,
            base_url,
        })
    }
}

/// The refusal of a request of which nothing was read yet.
pub(super) fn refusal(status: StatusCode, text: &str) -> Response {
    let code = if status.is_server_error() {
        INTERNAL_ERROR
    } else {
        INVALID_REQUEST
    };
    let error = RpcError::new(code, text).with_status(status.as_u16());
    body::refuse(None, &error)
}

/// Whether a notification announces a changed list.
fn is_list_change(message: &Message) -> bool {
    message
        .method
        .as_deref()
        .is_some_and(|method| method.ends_with("/list_changed"))
}
