//! What accompanies every request, whatever it is for: its id, its line in the log, and an answer if its handler panics.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};

use super::answer::Fault;
use super::drf::error::RETRY_AFTER_UNAVAILABLE_S;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::surface::Surface;
use base::metrics::Metrics;
use base::tasks::Tasks;
use base::trace::{self, Parent, Trace};

/// Middleware: gives every request an id and every answer the header, and counts the answer. Whatever happened, there is
/// one, and it says when to come again if it is not for good.
pub(super) async fn accompany(
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
