//! What a handler answers, before it becomes HTTP.
//! Chooses a status for successes only; failures become answers in `drf::error`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use base::error::{Error, Result};

/// The media type of every JSON answer; both published clients look for it.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why an answer is a fault of ours: goes with it to where it is logged under the request's id, and no further.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// The whole chain of causes.
    pub(super) error: String,
    /// The route of the table, if it is one.
    pub(super) route: &'static str,
}

impl Fault {
    /// A fault of a request that is of no route of the table.
    pub(super) fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            route: "",
        }
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Answer {
    /// 200 with a JSON body.
    ///
    /// # Errors
    /// `Internal` if the value cannot be written as JSON.
    pub fn ok(value: &impl Serialize) -> Result<Self> {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with a JSON body.
    ///
    /// # Errors
    /// `Internal` if the value cannot be written as JSON.
    pub fn created(value: &impl Serialize) -> Result<Self> {
        Self::json(StatusCode::CREATED, value)
    }

    /// Any status with a JSON body.
    ///
    /// # Errors
    /// `Internal` if the value cannot be written as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(Error::internal)?;
        let mut answer = Self::bytes(JSON, body);
        answer.status = status;
        Ok(answer)
    }

    /// 204 without a body.
    pub(crate) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: HeaderMap::new(),
            body: Body::empty(),
        }
    }

    /// 303 to another place.
    pub(crate) fn see_other(location: HeaderValue) -> Self {
        let mut answer = Self::no_content().with_header(LOCATION, location);
        answer.status = StatusCode::SEE_OTHER;
        answer
    }

    /// 200 with a body of this media type.
    pub fn bytes(media_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self::stream(media_type, Body::from(body.into()))
    }

    /// 200 with a body of this media type that may still be being written.
    pub fn stream(media_type: HeaderValue, body: Body) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, media_type)]),
            body,
        }
    }

    /// The same answer with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
