//! Browser clients on other origins: preflights and headers for the origins that the operator named.
//! Never answers `*`, never reflects an origin that was not named, never allows cookies.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::app::App;
use mcp::headers::PARAM_PREFIX;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
const HEADERS: &str = "authorization, content-type, accept, x-request-id, x-act-as-user, x-chat-session-id, \
     mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id";
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-request-id, retry-after, www-authenticate, mcp-session-id");
/// Seconds that a browser may remember a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Middleware: answers preflights and adds the headers for named origins.
pub(super) async fn allow(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = named_origin(&app, request.headers());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let allowed = is_preflight.then(|| allowed_headers(request.headers()));
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if let Some(allowed) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
    response
}

/// Ours, and of those that are asked for the parameters of tools, whose names only their servers know.
fn allowed_headers(asked: &HeaderMap) -> HeaderValue {
    let asked = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = asked.filter_map(|line| line.to_str().ok());
    let names = names.flat_map(|line| line.split(','));
    let names = names.filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let parameters = names.filter(|name| name.as_str().starts_with(PARAM_PREFIX));
    let all = parameters.fold(HEADERS.to_owned(), |all, name| all + ", " + name.as_str());
    HeaderValue::try_from(all).expect("names of headers are header text")
}

/// The request's one origin, if the operator named exactly it.
fn named_origin(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next()?;
    let is_named = app
        .config
        .allow_origin
        .iter()
        .any(|named| named.trim_end_matches('/').as_bytes() == origin.as_bytes());
    (origins.next().is_none() && is_named).then(|| origin.clone())
}
