//! The MCP endpoints over HTTP: which transport, which era, who calls; the rest is the gateway's.

mod body;
mod checks;
mod era;
mod events;
mod streamable;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;

use crate::app::App;
use crate::gateway::Target;

/// The routes of the MCP endpoints, with and without the slash at the end.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/mcp/mentors/{mentor}", any(mentor))
        .route("/mcp/mentors/{mentor}/", any(mentor))
        .route("/mcp/servers/{server}", any(server))
        .route("/mcp/servers/{server}/", any(server))
        .with_state(app)
}

async fn mentor(
    State(app): State<Arc<App>>,
    Path(mentor): Path<String>,
    request: Request,
) -> Response {
    streamable::answer(app, Target::Mentor(mentor), request).await
}

async fn server(
    State(app): State<Arc<App>>,
    Path(server): Path<String>,
    request: Request,
) -> Response {
    // What is no number names no server; the answer comes after authentication, as for any unknown one.
    let target = Target::Server(server.parse().unwrap_or(0));
    streamable::answer(app, target, request).await
}
