//! JSON-RPC errors: the codes of MCP, and how a product error is spelled on this wire.

use serde_json::{Value, json};

use super::message::ParseError;
use super::version::Version;
use base::error::{Ended, Error};

/// Not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// Not a JSON-RPC request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Wrong parameters; also an unknown tool, prompt or resource.
pub const INVALID_PARAMS: i64 = -32602;
/// The server's own fault.
pub const INTERNAL_ERROR: i64 = -32603;
/// No resource has this URI (the revisions with sessions; 2026-07-28 says -32602).
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// HTTP headers and body disagree (2026-07-28, streamable HTTP, server validation).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client did not declare a capability that the call needs (2026-07-28).
pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
/// The revision is not one that we speak (2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// URL elicitation required (2025-11-25 only).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;

/// The member of an error's data that says when to try again: on a wire without headers there is no other place.
const RETRY_AFTER_S: &str = "retryAfterSeconds";
/// When to try again while a part of ours does not answer.
const UNAVAILABLE_S: u64 = 5;

/// An error as it stands in a response, and the HTTP status that goes with it where the wire has one.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    /// The JSON-RPC code.
    pub code: i64,
    /// One sentence.
    pub message: String,
    /// More for programs.
    pub data: Option<Value>,
    /// The HTTP status of an answer that is nothing but this error.
    pub status: u16,
    /// Why it is our own fault, for the log alone.
    pub fault: Option<Box<Cause>>,
}

/// Why an error is our own fault: the whole chain of causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub String);

impl RpcError {
    /// An error that HTTP carries with status 200, as every answered request.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            status: 200,
            fault: None,
        }
    }

    /// The same with another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with data for programs.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// -32020 with HTTP 400.
    pub fn header_mismatch(message: impl Into<String>) -> Self {
        Self::new(HEADER_MISMATCH, message).with_status(400)
    }

    /// -32601 with HTTP 404 (2026-07-28, streamable HTTP).
    pub fn method_not_found(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, "Method not found")
            .with_data(json!({ "method": method }))
            .with_status(404)
    }

    /// What a revision says of a URI that no resource has.
    pub fn unknown_resource(uri: &str, version: Version) -> Self {
        Self::new(
            resource_not_found(version),
            format!("Unknown resource: {uri}"),
        )
        .with_data(json!({ "uri": uri }))
    }

    /// -32022 with HTTP 400 and the revisions that we do speak.
    pub fn unsupported_version(requested: &str) -> Self {
        let supported: Vec<&str> = Version::ALL
            .iter()
            .map(|version| version.as_str())
            .collect();
        Self::new(UNSUPPORTED_VERSION, "Unsupported protocol version")
            .with_data(json!({ "supported": supported, "requested": requested }))
            .with_status(400)
    }

    /// Seconds after which the request may be tried again, if that is so.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.data.as_ref()?.get(RETRY_AFTER_S)?.as_u64()
    }

    /// 401 if the caller may not come any more.
    fn of_end(why: Ended, text: String) -> Self {
        let data = json!({ "kind": "ended", "reason": why.as_str(), "mayHaveExecuted": true });
        match why.is_of_caller() {
            true => Self::new(INVALID_REQUEST, text)
                .with_data(data)
                .with_status(401),
            false => Self::new(INTERNAL_ERROR, text).with_data(data),
        }
    }

    /// The error object as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            object["data"] = data.clone();
        }
        object.to_string().into_bytes()
    }
}

/// The code for a resource that is not there.
pub fn resource_not_found(version: Version) -> i64 {
    if version.is_modern() {
        INVALID_PARAMS
    } else {
        RESOURCE_NOT_FOUND
    }
}

impl From<ParseError> for RpcError {
    fn from(error: ParseError) -> Self {
        let code = match error {
            ParseError::NotJson => PARSE_ERROR,
            ParseError::NotAMessage | ParseError::Batch | ParseError::LargeBatch => INVALID_REQUEST,
        };
        Self::new(code, error.to_string()).with_status(400)
    }
}

/// Every product error on this wire. No `_` arm: a new variant does not compile until it has an answer here.
impl From<Error> for RpcError {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for RpcError {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoCredentials | Error::InvalidCredentials => {
                Self::new(INVALID_REQUEST, error.to_string()).with_status(401)
            }
            Error::Forbidden(_) => Self::new(INVALID_REQUEST, "permission denied").with_status(403),
            Error::NotFound(what) => {
                Self::new(INVALID_PARAMS, format!("Unknown {what}")).with_status(404)
            }
            Error::Invalid(_) | Error::Conflict(_) => Self::new(INVALID_PARAMS, error.to_string()),
            Error::Malformed(_) => Self::new(INVALID_REQUEST, error.to_string()).with_status(400),
            Error::TooLarge { .. } => {
                Self::new(INVALID_REQUEST, error.to_string()).with_status(413)
            }
            Error::UnsupportedMediaType(_) => {
                Self::new(INVALID_REQUEST, error.to_string()).with_status(415)
            }
            Error::RateLimited { retry_after_s } => Self::new(INVALID_REQUEST, error.to_string())
                .with_status(429)
                .with_data(json!({ RETRY_AFTER_S: retry_after_s })),
            Error::NoConnection { server, .. } => Self::new(INTERNAL_ERROR, error.to_string())
                .with_data(json!({ "kind": "no_connection", "server": server })),
            Error::SignIn(failure) => Self::new(INTERNAL_ERROR, error.to_string())
                .with_data(json!({ "kind": "sign_in", "reason": failure.as_str() })),
            Error::Upstream(failure) => {
                let mut data = json!({
                    "kind": failure.kind.as_str(),
                    "server": failure.server,
                    "mayHaveExecuted": failure.may_have_executed,
                });
                if let Some(broken) = &failure.broken {
                    data["rule"] = broken.rule.into();
                }
                if let Some(seconds) = failure.retry_after_s {
                    data["retryAfter"] = seconds.into();
                }
                Self::new(INTERNAL_ERROR, failure.to_string()).with_data(data)
            }
            Error::Ended(why) => Self::of_end(*why, error.to_string()),
            Error::Unavailable(_) => Self::new(INTERNAL_ERROR, error.to_string())
                .with_status(503)
                .with_data(json!({ RETRY_AFTER_S: UNAVAILABLE_S })),
            Error::Internal(_) => Self {
                fault: Some(Box::new(Cause(error.chain()))),
                ..Self::new(INTERNAL_ERROR, "Internal error").with_status(500)
            },
        }
    }
}
