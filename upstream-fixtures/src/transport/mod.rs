//! The ways in: streamable HTTP, HTTP+SSE and WebSocket, and what they share.
//! Must never answer a method; that is `dispatch.rs`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::request::Parts;
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::behaviour::Transport;
use crate::ill::{self, Ill};
use crate::rpc::Message;
use crate::seen::{Headers, Seen};
use crate::state::App;

mod accept;
mod body;
mod channel;
mod sse;
mod streamable;
mod websocket;

pub(crate) use accept::accept;

/// Largest body of a request.
const BODY_MAX: usize = 64 * 1024 * 1024;

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// Returns the path that a registry record of this transport ends with.
pub(crate) fn path(transport: Transport) -> &'static str {
    match transport {
        Transport::StreamableHttp => "/mcp",
        Transport::Sse => "/sse",
        Transport::WebSocket => "/ws",
    }
}

fn router(app: &Arc<App>) -> Router {
    let transport = app.behaviour.transport;
    let routes = match transport {
        Transport::StreamableHttp => streamable::routes(),
        Transport::Sse => sse::routes(),
        Transport::WebSocket => websocket::routes(),
    };
    routes
        .route(PROTECTED_RESOURCE, get(protected_resource))
        .route(
            &format!("{PROTECTED_RESOURCE}{}", path(transport)),
            get(protected_resource),
        )
        .with_state(app.clone())
}

/// Answers RFC 9728 metadata, if an authorization server was named.
async fn protected_resource(State(app): State<Arc<App>>) -> Response {
    let issuers = app.authorization_servers();
    if issuers.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let resource = format!("{}{}", app.origin, path(app.behaviour.transport));
    let metadata = json!({ "resource": resource, "authorization_servers": issuers });
    axum::Json(metadata).into_response()
}

/// A request at the door: who sent it and what it carries.
struct Arrival<'a> {
    app: &'a Arc<App>,
    parts: &'a Parts,
    message: Option<&'a Message>,
}

impl Arrival<'_> {
    /// Lets the request in, or answers it: authorization, origin, and what strikes at the door.
    async fn admit(&self) -> Result<Option<Ill>, Response> {
        let name = match self.message.map(Message::method) {
            Some(method) if !method.is_empty() => method,
            _ => self.parts.method.as_str(),
        };
        let metadata = self.resource_metadata();
        let ill = self.app.strike(name);
        if let Some(ill) = &ill
            && let Some(response) = ill::at_the_door(ill, metadata.clone()).await
        {
            return Err(response);
        }
        let value = |name| {
            self.parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let expected = self.app.authorization();
        if expected.is_some() && expected.as_deref() != value(header::AUTHORIZATION) {
            return Err(unauthorized(metadata));
        }
        match value(header::ORIGIN) {
            Some(origin) if !is_local(origin) => {
                Err((StatusCode::FORBIDDEN, "foreign origin").into_response())
            }
            _ => Ok(ill),
        }
    }

    fn record(&self) {
        let message = self
            .message
            .map_or(Value::Null, |message| message.value.clone());
        let member = |name: &str| message.get(name).cloned();
        self.app.log.push(Seen {
            verb: self.parts.method.to_string(),
            path: self
                .parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: headers_of(self.parts),
            method: message["method"].as_str().map(str::to_owned),
            id: member("id"),
            params: member("params").unwrap_or_default(),
            message,
        });
    }

    fn resource_metadata(&self) -> Option<String> {
        let path = path(self.app.behaviour.transport);
        let is_named = !self.app.authorization_servers().is_empty();
        is_named.then(|| format!("{}{PROTECTED_RESOURCE}{path}", self.app.origin))
    }
}

/// Returns 401 with a challenge.
pub(crate) fn unauthorized(resource_metadata: Option<String>) -> Response {
    let challenge = match resource_metadata {
        Some(url) => {
            format!(r#"Bearer realm="fixture", error="invalid_token", resource_metadata="{url}""#)
        }
        None => r#"Bearer realm="fixture", error="invalid_token""#.to_owned(),
    };
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, challenge)],
        "unauthorized",
    )
        .into_response()
}

fn is_local(origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
        host.strip_prefix(local)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}

fn headers_of(parts: &Parts) -> Headers {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}
