//! Why a call got no answer: what the mechanism itself refuses, and what the nouns do.

use serde_json::{Map, Value, json};

use base::error::{Error, FieldErrors};
use base::storage::StorageError;
use learning::academy;
use tenancy::rate_limit::{Refused, Standing};

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What any part of the product may refuse.
    #[error(transparent)]
    Core(#[from] Error),
    /// A rule of the academy.
    #[error(transparent)]
    Academy(academy::Error),
    /// The key does not have a scope that suffices.
    #[error("the scope {required} is required")]
    Scope {
        /// The scope that the call needs.
        required: &'static str,
        /// Those that the key has.
        held: Vec<String>,
    },
    /// The key, its user or its tenant used up an allowance.
    #[error("rate limit exceeded")]
    Limited(Refused),
    /// No tool has this name.
    #[error("Unknown tool: {0}")]
    UnknownTool(String),
    /// No resource has this URI.
    #[error("Unknown resource: {0}")]
    UnknownResource(String),
}

/// A refusal in the words of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The HTTP status where the wire has one.
    pub status: u16,
    /// The face's code.
    pub code: &'static str,
    /// The whole answer: `{"error": {…}}`.
    pub body: Value,
}

/// The codes of faces that have them in capitals, and what they are in the audit and in metrics.
const OUTCOMES: [(&str, &str); 16] = [
    ("ACCESS_DENIED", "access_denied"),
    ("BOOKING_CONFLICT", "booking_conflict"),
    ("CERTIFICATE_NOT_AVAILABLE", "certificate_not_available"),
    ("COHORT_FULL", "cohort_full"),
    ("ENROLLMENT_EXISTS", "enrollment_exists"),
    ("ENROLLMENT_EXPIRED", "enrollment_expired"),
    ("INSUFFICIENT_PERMISSIONS", "insufficient_permissions"),
    ("INTERNAL_ERROR", "internal_error"),
    ("INVALID_API_KEY", "invalid_api_key"),
    ("MISSING_API_KEY", "missing_api_key"),
    ("RATE_LIMITED", "rate_limited"),
    ("RATE_LIMIT_EXCEEDED", "rate_limit_exceeded"),
    ("RESOURCE_NOT_FOUND", "resource_not_found"),
    ("SCOPE_REQUIRED", "scope_required"),
    ("SERVER_ERROR", "server_error"),
    ("VALIDATION_ERROR", "validation_error"),
];

impl Failure {
    /// The word for it in the audit and in metrics.
    pub fn outcome(&self) -> &'static str {
        let known = OUTCOMES.iter().find(|(code, _)| *code == self.code);
        known.map_or(self.code, |(_, word)| word)
    }
}

/// A refusal as a face words it, before it stands in the face's frame.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// What a program can go by.
    details: Option<Value>,
}

impl Words {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: None,
        }
    }

    /// What the core refused; every face answers it with the same status.
    pub(super) fn of(error: &Error, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status_of(error), code, message)
    }

    #[must_use]
    pub(super) fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Code, message and details, to which a face adds its own.
    pub(super) fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        error
    }

    /// The failure whose answer holds this error.
    pub(super) fn into_failure(self, error: Value) -> Failure {
        Failure {
            status: self.status,
            code: self.code,
            body: json!({ "error": error }),
        }
    }
}

/// One match without `_`: a new error must be given a status here.
fn status_of(error: &Error) -> u16 {
    match error {
        Error::NoCredentials | Error::InvalidCredentials => 401,
        Error::Ended(why) if why.is_of_caller() => 401,
        Error::Ended(_) | Error::Forbidden(_) => 403,
        Error::NotFound(_) => 404,
        Error::Invalid(_) | Error::Malformed(_) => 400,
        Error::TooLarge { .. } => 413,
        Error::UnsupportedMediaType(_) => 415,
        Error::Conflict(_) => 409,
        Error::RateLimited { .. } => 429,
        Error::Unavailable(_) => 503,
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            500
        }
    }
}

/// Everything that is wrong, by field.
pub(super) fn fields_of(errors: &FieldErrors) -> Value {
    let fields = errors
        .iter()
        .map(|(field, messages)| (field.to_owned(), json!(messages)));
    fields.collect::<Map<String, Value>>().into()
}

impl Refusal {
    /// A failure that no caller can do anything about.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Core(Error::internal(source))
    }

    /// An argument that passed the schema and still cannot be read.
    pub(super) fn argument(error: &serde_json::Error) -> Self {
        Self::Core(Error::field("arguments", error.to_string()))
    }
}

impl From<academy::Error> for Refusal {
    fn from(error: academy::Error) -> Self {
        match error {
            academy::Error::Core(error) => Self::Core(error),
            error => Self::Academy(error),
        }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Core(error.into())
    }
}

impl From<FieldErrors> for Refusal {
    fn from(errors: FieldErrors) -> Self {
        Self::Core(Error::Invalid(errors))
    }
}

/// How the caller's allowance stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Nothing was counted.
    Uncounted,
    /// The request was counted.
    Counted(Standing),
    /// It was used up.
    UsedUp(Refused),
}
