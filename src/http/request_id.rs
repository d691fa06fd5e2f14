//! The id of a request: the client's own if it is fit for a log, else a new one. Every answer carries it.

use std::fmt;

use http::header::{HeaderName, HeaderValue};
use http::{Extensions, HeaderMap};

use base::clock::ordered_uuid;

/// The header, on requests and answers.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a client, in bytes.
const ID_BYTES_MAX: usize = 64;

/// The id of one request, in logs, audit rows and the answer's `X-Request-Id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub(super) HeaderValue);

impl RequestId {
    /// The id that the request was given.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(Self::new)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn new() -> Self {
        let text = ordered_uuid().to_string();
        Self(HeaderValue::try_from(text).expect("a UUID is a header value"))
    }

    /// The one that a client gives, if it is fit for a log.
    pub(super) fn offered(headers: &HeaderMap) -> Option<Self> {
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
