//! How an [`Error`] looks on the REST surface. One match without `_`: a new variant must be given a status here.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use super::super::answer::{Fault, JSON};
use super::super::path::Words;
use base::error::{Error, FieldErrors, SignInFailure, UpstreamFailureKind};

/// The list that a page was asked of, as `Error::NotFound` names it.
pub(super) const PAGE: &str = "page";

/// Seconds after which a client may try again when a part of ours does not answer.
pub(in crate::http) const RETRY_AFTER_UNAVAILABLE_S: u64 = 5;

/// The challenge of a 401.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Token realm=\"mentor-gateway\"");

/// The answer to a refused or failed request.
pub fn answer(error: &Error, words: Words) -> Response {
    match error {
        Error::NoCredentials => unauthenticated("Authentication credentials were not provided."),
        Error::InvalidCredentials => unauthenticated("Invalid token."),
        Error::Forbidden(_) => detail(
            StatusCode::FORBIDDEN,
            "You do not have permission to perform this action.",
        ),
        Error::NotFound(PAGE) => detail(StatusCode::NOT_FOUND, "Invalid page."),
        Error::NotFound(_) => detail(StatusCode::NOT_FOUND, "Not found."),
        Error::Invalid(errors) => json(StatusCode::BAD_REQUEST, &by_field(errors, words)),
        Error::Malformed(what) => detail(StatusCode::BAD_REQUEST, &sentence(what)),
        Error::TooLarge { max_bytes } => detail(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("Request body exceeds {max_bytes} bytes."),
        ),
        Error::UnsupportedMediaType(media_type) => detail(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &format!("Unsupported media type \"{media_type}\" in request."),
        ),
        Error::Conflict(what) => detail(StatusCode::CONFLICT, &sentence(what)),
        Error::RateLimited { retry_after_s } => {
            let text =
                format!("Request was throttled. Expected available in {retry_after_s} seconds.");
            let mut response = detail(StatusCode::TOO_MANY_REQUESTS, &text);
            with(
                &mut response,
                RETRY_AFTER,
                HeaderValue::from(*retry_after_s),
            );
            response
        }
        Error::NoConnection { .. } => {
            detail(StatusCode::BAD_REQUEST, &sentence(&error.to_string()))
        }
        Error::SignIn(failure) => detail(sign_in_status(*failure), &failure.to_string()),
        Error::Upstream(failure) => detail(
            upstream_status(failure.kind),
            &sentence(&failure.to_string()),
        ),
        Error::Ended(why) if why.is_of_caller() => unauthenticated(&sentence(&error.to_string())),
        Error::Ended(_) => detail(StatusCode::FORBIDDEN, &sentence(&error.to_string())),
        Error::Unavailable(_) => {
            let mut response = detail(StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable.");
            with(
                &mut response,
                RETRY_AFTER,
                HeaderValue::from(RETRY_AFTER_UNAVAILABLE_S),
            );
            response
        }
        Error::Internal(_) => {
            let text = "Internal server error.";
            let mut response = detail(StatusCode::INTERNAL_SERVER_ERROR, text);
            response.extensions_mut().insert(Fault::new(error.chain()));
            response
        }
    }
}

/// An answer `{"detail": …}`, the field that every client reads first.
pub fn detail(status: StatusCode, text: &str) -> Response {
    json(status, &json!({ "detail": text }))
}

fn json(status: StatusCode, body: &Value) -> Response {
    let body = Body::from(body.to_string());
    (status, [(CONTENT_TYPE, JSON)], body).into_response()
}

fn unauthenticated(text: &str) -> Response {
    let mut response = detail(StatusCode::UNAUTHORIZED, text);
    with(&mut response, WWW_AUTHENTICATE, CHALLENGE);
    response
}

fn with(response: &mut Response, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

pub(in crate::http) fn sign_in_status(failure: SignInFailure) -> StatusCode {
    match failure {
        SignInFailure::OtherPerson => StatusCode::FORBIDDEN,
        SignInFailure::NoCredentials
        | SignInFailure::InvalidState
        | SignInFailure::AlreadyDone
        | SignInFailure::Exchange
        | SignInFailure::Denied
        | SignInFailure::Unfinished
        | SignInFailure::ProviderFault
        | SignInFailure::RequestRefused
        | SignInFailure::OtherIssuer
        | SignInFailure::NoRequest
        | SignInFailure::Nowhere
        | SignInFailure::Unsafe
        | SignInFailure::Silent => StatusCode::BAD_REQUEST,
    }
}

pub(in crate::http) fn upstream_status(kind: UpstreamFailureKind) -> StatusCode {
    match kind {
        UpstreamFailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        UpstreamFailureKind::BreakerOpen
        | UpstreamFailureKind::Busy
        | UpstreamFailureKind::Disabled => StatusCode::SERVICE_UNAVAILABLE,
        UpstreamFailureKind::Refused
        | UpstreamFailureKind::Unreachable
        | UpstreamFailureKind::Closed
        | UpstreamFailureKind::Protocol
        | UpstreamFailureKind::TooLarge
        | UpstreamFailureKind::Unauthorized
        | UpstreamFailureKind::Forbidden
        | UpstreamFailureKind::Http(_) => StatusCode::BAD_GATEWAY,
    }
}

/// Field errors under the client's names. `detail` is added where the front end greps for it
/// (docs/inside/contract.md#mentor-settings).
fn by_field(errors: &FieldErrors, words: Words) -> Value {
    let mut body = Map::new();
    for (field, messages) in errors.iter() {
        let translated = messages.iter().map(|message| words.message(message));
        body.insert(words.field(field).to_owned(), translated.collect());
    }
    let servers = errors.iter().find(|(field, _)| *field == "mcp_servers");
    if let Some(message) = servers.and_then(|(_, messages)| messages.first()) {
        body.insert("detail".to_owned(), message.as_str().into());
    }
    Value::Object(body)
}

/// Our messages are lower-case fragments; on this wire they are sentences.
pub(in crate::http) fn sentence(fragment: &str) -> String {
    let mut characters = fragment.chars();
    let mut text: String = characters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(characters)
        .collect();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}
