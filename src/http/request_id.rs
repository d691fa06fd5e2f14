//! The id of a request: the client's own if it is fit for a log, else a new one. Every answer carries it.

use std::borrow::Cow;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{Extensions, HeaderMap, Method, StatusCode};

use super::answer::Fault;
use super::drf::error::RETRY_AFTER_UNAVAILABLE_S;
use super::surface::Surface;
use crate::clock::ordered_uuid;
use crate::metrics::Metrics;
use crate::tasks::Tasks;
use crate::trace::{self, Parent, Trace};

/// The header, on requests and answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a client, in bytes.
const ID_BYTES_MAX: usize = 64;

/// The id of one request, in logs, audit rows and the answer's `X-Request-Id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that [`assign`] gave to the request.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(Self::new)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    fn new() -> Self {
        let text = ordered_uuid().to_string();
        Self(HeaderValue::try_from(text).expect("a UUID is a header value"))
    }

    fn offered(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(X_REQUEST_ID)?;
        let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_fit = (1..=ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(fit);
        is_fit.then(|| Self(value.clone()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Middleware: gives every request an id and every answer the header, and counts the answer. Whatever happened, there is
/// one, and it says when to come again if it is not for good.
pub async fn assign(
    State((metrics, tasks)): State<(Metrics, Tasks)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::offered(request.headers()).unwrap_or_else(RequestId::new);
    request.extensions_mut().insert(id.clone());
    let surface = Surface::of(&request);
    let trace = trace_of(&id, &request);
    let running = pin!(tasks.unharmed("request", next.run(request)));
    let answered = trace::within(trace.clone(), running).await;
    let mut response = answered.unwrap_or_else(|| {
        tracing::error!(request.id = %id, "a request was not answered: its handler panicked");
        surface.refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.")
    });
    trace.answered(response.status().as_u16());
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        let Fault { error, route } = fault;
        tracing::error!(request.id = %id, route, error, "a request failed");
    }
    response.headers_mut().insert(X_REQUEST_ID, id.0);
    if matches!(response.status().as_u16(), 429 | 503) {
        let retry_after = response.headers_mut().entry(RETRY_AFTER);
        retry_after.or_insert(HeaderValue::from(RETRY_AFTER_UNAVAILABLE_S));
    }
    metrics.answered(response.status().as_u16());
    response
}

/// What the log says of a request: the route and not the path, in which there may be a key.
fn trace_of(id: &RequestId, request: &Request) -> Arc<Trace> {
    let method = match *request.method() {
        Method::GET => Cow::Borrowed("GET"),
        Method::POST => Cow::Borrowed("POST"),
        ref other => Cow::Owned(other.as_str().to_owned()),
    };
    let trace = Trace::request(id.as_str(), method);
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        trace.routed(Cow::Owned(route.as_str().to_owned()));
    }
    trace.follows(Parent::in_headers(request.headers()));
    trace
}
