//! Streamable HTTP: both eras on `/mcp`.
//! Must never mix them: what a legacy request needs, a modern one ignores.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;

use crate::behaviour::Era;
use crate::call::{self, Call, Outlet};
use crate::dispatch;
use crate::ill::Ill;
use crate::modern;
use crate::revision::Revision;
use crate::rpc::{self, Kind, Message, RpcError};
use crate::seen::Headers;
use crate::session::Session;
use crate::state::App;

use super::accept::Plug;
use super::body::{self, Ends};
use super::{Arrival, BODY_MAX, headers_of};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/mcp", get(listen).post(post).delete(delete))
}

/// A message that was let in, and all that is known about it.
struct Post {
    app: Arc<App>,
    parts: Parts,
    message: Message,
    ill: Option<Ill>,
    plug: Plug,
}

async fn post(
    State(app): State<Arc<App>>,
    Extension(plug): Extension<Plug>,
    request: Request,
) -> Response {
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
    // A subscription is written down once it is open.
    let is_listen = arrival
        .message
        .is_some_and(|message| message.method() == "subscriptions/listen");
    if !is_listen {
        arrival.record();
    }
    let ill = match arrival.admit().await {
        Ok(ill) => ill,
        Err(response) => {
            if is_listen {
                arrival.record();
            }
            return response;
        }
    };
    if let Some(refusal) = refused(&parts) {
        return refusal;
    }
    let message = match parsed {
        Ok(message) => message,
        Err(error) => return body::json(400, rpc::error_text(&serde_json::Value::Null, &error)),
    };
    let has_session = parts.headers.contains_key(SESSION_ID);
    let has_modern_header = version(&parts) == Some(Revision::V2026_07_28.as_str());
    let is_modern = match app.behaviour.era {
        Era::Dual => {
            dispatch::is_modern_message(Era::Dual, message.params())
                || (!has_session && has_modern_header)
        }
        era => era == Era::Modern,
    };
    let post = Post {
        app,
        parts,
        message,
        ill,
        plug,
    };
    match is_modern {
        true => post.modern().await,
        false => post.legacy().await,
    }
}

impl Post {
    async fn modern(self) -> Response {
        match self.message.kind() {
            Kind::Request => {}
            Kind::Notification => return StatusCode::ACCEPTED.into_response(),
            Kind::Response | Kind::Invalid => return invalid(),
        }
        let headers = headers_of(&self.parts);
        if let Err(error) = self.check(&headers) {
            let id = self.message.id().cloned().unwrap_or_default();
            return body::json(400, rpc::error_text(&id, &error));
        }
        let session = Arc::new(Session::new(headers, &self.app.stopped));
        let cancelled = session.ended.clone();
        // The client closing its connection is the cancellation.
        let guard = Box::new(cancelled.clone().drop_guard());
        self.run(session, Revision::V2026_07_28, cancelled, Some(guard))
            .await
    }

    fn check(&self, headers: &Headers) -> Result<(), RpcError> {
        modern::check_version_header(headers, &self.message)?;
        modern::check_meta(&self.app.behaviour, &self.message)?;
        let name = self.message.params()["name"].as_str().unwrap_or_default();
        let tool = match self.message.method() {
            "tools/call" => self.app.find_tool(name),
            _ => None,
        };
        modern::check_mirrors(headers, &self.message, tool.as_ref())
    }

    async fn legacy(self) -> Response {
        if self.message.method() == "initialize" && !self.parts.headers.contains_key(SESSION_ID) {
            return self.initialize().await;
        }
        let session = match find_session(&self.app, &self.parts) {
            Ok(session) => session,
            Err(refusal) => return refusal,
        };
        match self.message.kind() {
            Kind::Invalid => return invalid(),
            Kind::Response => {
                session.answered(self.message.value);
                return StatusCode::ACCEPTED.into_response();
            }
            Kind::Notification => {
                if self.message.method() == "notifications/cancelled" {
                    session.cancel(&self.message.params()["requestId"]);
                }
                return StatusCode::ACCEPTED.into_response();
            }
            Kind::Request => {}
        }
        let revision = session.revision().unwrap_or(Revision::V2025_11_25);
        let cancelled = session.ended.child_token();
        if let Some(id) = self.message.id() {
            session.begin(id, &cancelled);
        }
        self.run(session, revision, cancelled, None).await
    }

    async fn initialize(self) -> Response {
        let app = self.app.clone();
        let asked = &self.message.params()["protocolVersion"];
        let revision = dispatch::agreed(&app.behaviour, asked);
        let session = Arc::new(Session::new(headers_of(&self.parts), &app.stopped));
        let cancelled = session.ended.child_token();
        let mut response = self.run(session.clone(), revision, cancelled, None).await;
        if let Ok(id) = HeaderValue::from_str(&session.id) {
            app.open_session(&session);
            response.headers_mut().insert(SESSION_ID, id);
        }
        response
    }

    async fn run(
        self,
        session: Arc<Session>,
        revision: Revision,
        cancelled: CancellationToken,
        guard: Option<body::Guard>,
    ) -> Response {
        let (outlet, frames) = Outlet::open();
        let call = Call {
            app: self.app.clone(),
            session,
            revision,
            message: self.message,
            headers: headers_of(&self.parts),
            outlet,
            ill: self.ill,
        };
        if call.message.method() == "subscriptions/listen" {
            dispatch::subscribe(&call);
            let message = Some(&call.message);
            Arrival {
                app: &self.app,
                parts: &self.parts,
                message,
            }
            .record();
        }
        self.app.tasks.spawn(call::run(call, cancelled));
        body::respond(frames, self.app.behaviour.answers, &self.plug, guard).await
    }
}

/// Opens the stream on which the server speaks first.
async fn listen(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let arrival = Arrival {
        app: &app,
        parts: &parts,
        message: None,
    };
    let opened = async {
        arrival.admit().await?;
        if app.behaviour.era == Era::Modern || !app.behaviour.has_get_stream {
            return Err(not_allowed());
        }
        if !accepts(&parts, "text/event-stream") {
            return Err((StatusCode::NOT_ACCEPTABLE, "text/event-stream only").into_response());
        }
        let session = find_session(&app, &parts)?;
        let (outlet, frames) = Outlet::open();
        session.open_stream(outlet);
        Ok((session, frames))
    };
    let opened = opened.await;
    arrival.record();
    match opened {
        Err(refusal) => refusal,
        Ok((session, frames)) => {
            let closing = Closing {
                app: app.clone(),
                headers: headers_of(&parts),
            };
            let guard = Box::new((closing, session));
            body::event_stream(None, frames, Ends::WithSession, Some(guard))
        }
    }
}

async fn delete(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let arrival = Arrival {
        app: &app,
        parts: &parts,
        message: None,
    };
    arrival.record();
    if let Err(response) = arrival.admit().await {
        return response;
    }
    if app.behaviour.era == Era::Modern {
        return not_allowed();
    }
    match find_session(&app, &parts) {
        Err(refusal) => refusal,
        Ok(session) => {
            app.end_session(&session.id);
            session.end_streams(|| call::Frame::Close);
            StatusCode::OK.into_response()
        }
    }
}

/// Writes down that a listening stream ended.
pub(super) struct Closing {
    pub(super) app: Arc<App>,
    pub(super) headers: Headers,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.app.log.happened("closed", &self.headers, None);
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the error is the response, sent at once"
)]
fn find_session(app: &Arc<App>, parts: &Parts) -> Result<Arc<Session>, Response> {
    let id = parts
        .headers
        .get(SESSION_ID)
        .and_then(|id| id.to_str().ok());
    let id = id.ok_or_else(|| {
        (StatusCode::BAD_REQUEST, "Bad Request: Missing session ID").into_response()
    })?;
    let unknown = || (StatusCode::NOT_FOUND, "Session not found").into_response();
    let session = app.find_session(id).ok_or_else(unknown)?;
    let known = |version: &str| {
        app.behaviour
            .revisions
            .iter()
            .any(|r| r.as_str() == version)
    };
    match version(parts) {
        Some(version) if !known(version) => {
            let text = "Bad Request: Unsupported protocol version";
            Err((StatusCode::BAD_REQUEST, text).into_response())
        }
        _ => Ok(session),
    }
}

fn version(parts: &Parts) -> Option<&str> {
    parts
        .headers
        .get(PROTOCOL_VERSION)
        .and_then(|version| version.to_str().ok())
}

fn accepts(parts: &Parts, wanted: &str) -> bool {
    let accepted = parts.headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|accepted| accepted.to_str().ok());
    accepted.any(|accepted| accepted.contains(wanted))
}

/// Refuses what no streamable HTTP client may send.
fn refused(parts: &Parts) -> Option<Response> {
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if !content_type.is_some_and(|kind| kind.starts_with("application/json")) {
        return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json only").into_response());
    }
    if !accepts(parts, "application/json") || !accepts(parts, "text/event-stream") {
        let text = "Accept must list application/json and text/event-stream";
        return Some((StatusCode::NOT_ACCEPTABLE, text).into_response());
    }
    None
}

fn invalid() -> Response {
    let error = RpcError::new(-32600, "Invalid Request");
    body::json(400, rpc::error_text(&serde_json::Value::Null, &error))
}

fn not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response()
}
