//! How the learner server spells a failure: the statuses of REST, and sentences that a model can act on.
//! One match without `_`: a new error must be given a code here.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::native::face::Circumstances;
use crate::native::failure::{Failure, Refusal};

type Spelled = (u16, &'static str, String);

/// A refusal as `{"error": {…}}`, with every wrong field under `fields`.
pub(super) fn spell(refusal: &Refusal, at: &Circumstances<'_>) -> Failure {
    let (status, code, message) = match refusal {
        Refusal::Core(error) => core(error),
        // No rule of the academy can refuse what is only read.
        Refusal::Academy(_) => (404, "not_found", "There is no such learner.".to_owned()),
        Refusal::Scope { required, .. } => {
            let message = format!("The key does not have the scope {required:?}.");
            (403, "forbidden", message)
        }
        Refusal::Limited(refused) => {
            let seconds = refused.retry_after_s();
            let message = format!("Too many requests. Try again in {seconds} seconds.");
            (429, "rate_limited", message)
        }
        Refusal::UnknownTool(_) => (404, "not_found", "There is no such tool.".to_owned()),
        Refusal::UnknownResource(_) => (404, "not_found", "There is no such resource.".to_owned()),
    };
    let mut error = json!({ "status": status, "code": code, "message": message });
    if let Refusal::Core(Error::Invalid(errors)) = refusal {
        let fields: Map<String, Value> = errors
            .iter()
            .map(|(field, messages)| (field.to_owned(), json!(messages)))
            .collect();
        error["fields"] = fields.into();
    }
    error["requestId"] = at.request_id.into();
    error["timestamp"] = at.now.to_iso().into();
    Failure {
        status,
        code,
        body: json!({ "error": error }),
    }
}

fn core(error: &Error) -> Spelled {
    match error {
        Error::NoCredentials => (
            401,
            "unauthorized",
            "Authentication credentials were not provided.".to_owned(),
        ),
        Error::InvalidCredentials => (401, "unauthorized", "Invalid token.".to_owned()),
        Error::Forbidden(_) => (
            403,
            "forbidden",
            "You do not have permission to perform this action.".to_owned(),
        ),
        Error::NotFound(what) => (404, "not_found", format!("There is no such {what}.")),
        Error::Invalid(_) => (
            400,
            "invalid",
            "Correct every field named in `fields` and call again.".to_owned(),
        ),
        Error::Malformed(_) => (400, "invalid", error.to_string()),
        Error::TooLarge { .. } => (413, "too_large", error.to_string()),
        Error::UnsupportedMediaType(_) => (415, "unsupported_media_type", error.to_string()),
        Error::Conflict(what) => (409, "conflict", format!("This cannot be done: {what}.")),
        Error::RateLimited { .. } => (429, "rate_limited", error.to_string()),
        Error::Unavailable(_) => (503, "unavailable", "Temporarily unavailable.".to_owned()),
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            (
                500,
                "server_error",
                "Internal server error. Contact support with the request id.".to_owned(),
            )
        }
    }
}
