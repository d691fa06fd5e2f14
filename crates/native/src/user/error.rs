//! How the learner server spells a failure: the statuses of REST, and sentences that a model can act on.
//! One match without `_`: a new error must be given a code here.

use crate::face::Circumstances;
use crate::failure::{Failure, Refusal, Words, fields_of};
use base::error::Error;

const NOT_FOUND: &str = "not_found";

/// A refusal as `{"error": {…}}`, with every wrong field under `fields`.
pub(super) fn spell(refusal: &Refusal, at: &Circumstances<'_>) -> Failure {
    let words = words(refusal);
    let mut error = words.to_json();
    error["status"] = words.status.into();
    if let Refusal::Core(Error::Invalid(errors)) = refusal {
        error["fields"] = fields_of(errors);
    }
    error["requestId"] = at.request_id.into();
    error["timestamp"] = at.now.to_iso().into();
    words.into_failure(error)
}

fn words(refusal: &Refusal) -> Words {
    match refusal {
        Refusal::Core(error) => core(error),
        // No rule of the academy can refuse what is only read.
        Refusal::Academy(_) => Words::new(404, NOT_FOUND, "There is no such learner."),
        Refusal::Scope { required, .. } => {
            let message = format!("The key does not have the scope {required:?}.");
            Words::new(403, "forbidden", message)
        }
        Refusal::Limited(refused) => {
            let seconds = refused.retry_after_s();
            let message = format!("Too many requests. Try again in {seconds} seconds.");
            Words::new(429, "rate_limited", message)
        }
        Refusal::UnknownTool(_) => Words::new(404, NOT_FOUND, "There is no such tool."),
        Refusal::UnknownResource(_) => Words::new(404, NOT_FOUND, "There is no such resource."),
    }
}

fn core(error: &Error) -> Words {
    let said = |code, message: &str| Words::of(error, code, message);
    match error {
        Error::NoCredentials => said(
            "unauthorized",
            "Authentication credentials were not provided.",
        ),
        Error::InvalidCredentials => said("unauthorized", "Invalid token."),
        Error::Forbidden(_) => said(
            "forbidden",
            "You do not have permission to perform this action.",
        ),
        Error::NotFound(what) => said(NOT_FOUND, &format!("There is no such {what}.")),
        Error::Invalid(_) => said(
            "invalid",
            "Correct every field named in `fields` and call again.",
        ),
        Error::Malformed(_) => said("invalid", &error.to_string()),
        Error::TooLarge { .. } => said("too_large", &error.to_string()),
        Error::UnsupportedMediaType(_) => said("unsupported_media_type", &error.to_string()),
        Error::Conflict(what) => said("conflict", &format!("This cannot be done: {what}.")),
        Error::RateLimited { .. } => said("rate_limited", &error.to_string()),
        Error::Ended(why) if why.is_of_caller() => said("unauthorized", &error.to_string()),
        Error::Ended(_) => said("forbidden", &error.to_string()),
        Error::Unavailable(_) => said("unavailable", "Temporarily unavailable."),
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            said(
                "server_error",
                "Internal server error. Contact support with the request id.",
            )
        }
    }
}
