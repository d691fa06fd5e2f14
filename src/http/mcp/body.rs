//! Reading a request's body under a limit and a deadline, and writing answers that are one message.

use axum::body::{Body, HttpBody, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::super::answer::Fault;
use super::super::endpoint::BODY_TIMEOUT;
use base::error::Error;
use mcp::error::RpcError;
use mcp::message;
use relay::gateway::Target;

/// Largest body of an MCP request, in bytes, beside the file that may come in it.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Largest body of a request to this target. One with a file that is a little too large is read still, so that it is
/// refused in the words of its field.
pub(super) fn bytes_max(target: &Target) -> usize {
    let face = match target {
        Target::Native(name) => native::find(name),
        Target::Mentor(_) | Target::Server(_) => None,
    };
    // Four letters of base64 are three bytes.
    BODY_BYTES_MAX + face.map_or(0, |face| face.file_bytes_max / 3 * 4)
}

/// The body of a JSON request.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
) -> Result<Bytes, Error> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType(media_type.to_owned()));
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if let Some(encoding) = encodings.find(|encoding| !is_identity(encoding)) {
        return Err(Error::UnsupportedMediaType(format!(
            "content-encoding {encoding:?}"
        )));
    }
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(Error::TooLarge { max_bytes });
    }
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, max_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_large(&error) => Err(Error::TooLarge { max_bytes }),
        Ok(Err(_)) => Err(Error::Malformed("the body ended early".into())),
        Err(_) => Err(Error::Malformed("the body did not come in time".into())),
    }
}

/// Whether a coding leaves a body as it is (RFC 9110 section 8.4.1).
fn is_identity(encoding: &HeaderValue) -> bool {
    let codings = encoding.to_str().unwrap_or("?").split(',').map(str::trim);
    codings
        .filter(|coding| !coding.is_empty())
        .all(|coding| coding.eq_ignore_ascii_case("identity"))
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}

/// An answer that is one message.
pub(super) fn json(text: Bytes, status: u16) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// An answer that is one error.
pub(super) fn refuse(id: Option<&Bytes>, error: &RpcError) -> Response {
    let id = id.map_or(&b"null"[..], |id| &id[..]);
    let status = if error.status == 200 {
        400
    } else {
        error.status
    };
    let mut response = json(message::error(id, &error.to_json()).into(), status);
    if status == 401 {
        response.headers_mut().insert(
            http::header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"mentor-gateway\""),
        );
    }
    with_reason(response, error)
}

/// The same answer with when to come again, and what is to be logged.
pub(super) fn with_reason(mut response: Response, error: &RpcError) -> Response {
    if let Some(seconds) = error.retry_after_s() {
        let headers = response.headers_mut();
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    if let Some(fault) = &error.fault {
        response.extensions_mut().insert(Fault::new(&fault.0));
    }
    response
}

/// An answer with nothing but a status.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
