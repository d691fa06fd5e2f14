//! HTTP+SSE of 2024-11-05: one stream down, posts up.
//! Must never answer on the post: everything goes down the stream.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;

use crate::call::{Frame, Outlet};
use crate::ill::Ill;
use crate::rpc::Message;
use crate::session::Session;
use crate::state::App;

use super::body::{self, Ends};
use super::channel::{self, Incoming};
use super::{Arrival, BODY_MAX, headers_of};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sse", get(open))
        .route("/messages", post(receive))
}

async fn open(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let arrival = Arrival {
        app: &app,
        parts: &parts,
        message: None,
    };
    if let Err(response) = arrival.admit().await {
        arrival.record();
        return response;
    }
    let session = Arc::new(Session::new(headers_of(&parts), &app.stopped));
    let (outlet, frames) = Outlet::open();
    session.open_stream(outlet);
    app.open_session(&session);
    let base = match app.ill() {
        Some(Ill::ForeignEndpoint(origin)) => origin,
        _ => String::new(),
    };
    let endpoint = format!(
        "event: endpoint\ndata: {base}/messages?sessionId={}\n\n",
        session.id
    );
    arrival.record();
    let guard = Box::new(channel::Ending {
        app: app.clone(),
        session,
    });
    let first = Frame::Raw(Bytes::from(endpoint));
    body::event_stream(Some(first), frames, Ends::WithSession, Some(guard))
}

async fn receive(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "body too large").into_response();
    };
    let parsed = Message::parse(&String::from_utf8_lossy(&bytes));
    let arrival = Arrival {
        app: &app,
        parts: &parts,
        message: parsed.as_ref().ok(),
    };
    arrival.record();
    let ill = match arrival.admit().await {
        Ok(ill) => ill,
        Err(response) => return response,
    };
    let query = parts.uri.query().unwrap_or_default();
    let id = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("sessionId="));
    let Some(session) = id.and_then(|id| app.find_session(id)) else {
        return (StatusCode::NOT_FOUND, "Could not find session").into_response();
    };
    let Ok(message) = parsed else {
        return (StatusCode::BAD_REQUEST, "Could not parse message").into_response();
    };
    channel::receive(Incoming {
        app,
        session,
        message,
        headers: headers_of(&parts),
        ill,
    });
    (StatusCode::ACCEPTED, "Accepted").into_response()
}
