//! How v1 spells a failure (6.3.5.4). One match without `_`: a new error must be given a code here.

use serde_json::{Value, json};

use crate::academy::Error as Academy;
use crate::error::Error;
use crate::native::face::Circumstances;
use crate::native::failure::{Failure, Refusal};
use crate::rate_limit::Refused;

/// Scopes from the strongest on: a refusal names the strongest that the key has.
const STRENGTH: [&str; 3] = ["admin", "instructor", "learner"];

type Spelled = (u16, &'static str, String, Option<Value>);

/// A refusal in the words of 6.3.5.4.
pub(super) fn spell(refusal: &Refusal, at: &Circumstances<'_>) -> Failure {
    let (status, code, message, details) = spelled(refusal);
    let mut error = json!({ "code": code, "message": message });
    if let Some(details) = details {
        error["details"] = details;
    }
    error["timestamp"] = at.now.0.into();
    error["requestId"] = at.request_id.into();
    Failure {
        status,
        code,
        body: json!({ "error": error }),
    }
}

/// Code and message alone, of one row among many.
pub(super) fn in_brief(refusal: &Refusal) -> (&'static str, String) {
    let (_, code, message, _) = spelled(refusal);
    (code, message)
}

fn spelled(refusal: &Refusal) -> Spelled {
    match refusal {
        Refusal::Core(error) => core(error),
        Refusal::Academy(error) => academy(error),
        Refusal::Scope { required, held } => scope(required, held),
        Refusal::Limited(refused) => limited(refused),
        Refusal::UnknownTool(_) => not_found("tool"),
        Refusal::UnknownResource(_) => not_found("resource"),
    }
}

fn core(error: &Error) -> Spelled {
    match error {
        Error::NoCredentials => {
            let text = "API key is required. Include 'Authorization: Bearer <key>' header.";
            (401, "MISSING_API_KEY", text.to_owned(), None)
        }
        Error::InvalidCredentials => {
            let text = "The provided API key is invalid or has been revoked.";
            (401, "INVALID_API_KEY", text.to_owned(), None)
        }
        Error::Forbidden(what) => (403, "INSUFFICIENT_PERMISSIONS", capitalized(what), None),
        Error::NotFound(what) => not_found(what),
        Error::Invalid(errors) => {
            let fields: Vec<(&str, &[String])> = errors.iter().collect();
            let fields: serde_json::Map<String, Value> = fields
                .into_iter()
                .map(|(field, messages)| (field.to_owned(), json!(messages)))
                .collect();
            invalid(errors.to_string(), Some(json!({ "fields": fields })))
        }
        Error::Malformed(what) => invalid(what.clone(), None),
        Error::TooLarge { .. } => (
            413,
            "VALIDATION_ERROR",
            capitalized(&error.to_string()),
            None,
        ),
        Error::UnsupportedMediaType(_) => (
            415,
            "VALIDATION_ERROR",
            capitalized(&error.to_string()),
            None,
        ),
        Error::Conflict(what) => (409, "VALIDATION_ERROR", capitalized(what), None),
        Error::RateLimited { retry_after_s } => (
            429,
            "RATE_LIMIT_EXCEEDED",
            format!("Rate limit exceeded. Try again in {retry_after_s} seconds."),
            Some(json!({ "retryAfter": retry_after_s })),
        ),
        Error::Unavailable(_) => (
            503,
            "INTERNAL_ERROR",
            "Temporarily unavailable.".into(),
            None,
        ),
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            (
                500,
                "INTERNAL_ERROR",
                "An unexpected error occurred.".into(),
                None,
            )
        }
    }
}

fn academy(error: &Academy) -> Spelled {
    let message = error.to_string();
    match error {
        Academy::Core(error) => core(error),
        Academy::NotYours(what) => not_found(what),
        Academy::CohortFull {
            cohort,
            seats_total,
            seats_taken,
        } => {
            let details = json!({
                "cohortId": cohort,
                "totalSeats": seats_total,
                "enrolledCount": seats_taken,
                "availableSeats": seats_total - seats_taken,
            });
            (409, "COHORT_FULL", message, Some(details))
        }
        Academy::CohortClosed(_) => invalid(message.clone(), field("cohortId", &message)),
        Academy::EnrollmentExists { enrollment } => {
            let details = json!({ "enrollmentId": enrollment });
            (409, "ENROLLMENT_EXISTS", message, Some(details))
        }
        Academy::EnrollmentExpired {
            enrollment,
            expired_at,
        } => {
            let details = json!({ "enrollmentId": enrollment, "expiredAt": expired_at });
            (403, "INSUFFICIENT_PERMISSIONS", message, Some(details))
        }
        Academy::NotEnrolled(_) => (403, "INSUFFICIENT_PERMISSIONS", message, None),
        Academy::CertificateNotAvailable { status, progress } => {
            let details = json!({
                "enrollmentStatus": status,
                "progressPercentage": progress,
                "requiredPercentage": crate::academy::enrollment::COMPLETE,
            });
            (409, "CERTIFICATE_NOT_AVAILABLE", message, Some(details))
        }
        Academy::BookingConflict(_) => (409, "VALIDATION_ERROR", message, None),
    }
}

fn limited(refused: &Refused) -> Spelled {
    let seconds = refused.retry_after_s();
    let rate = refused.standing.rate;
    let details = json!({
        "limit": rate.max,
        "window": format!("{}s", rate.window.as_secs()),
        "retryAfter": seconds,
    });
    let message = format!("Rate limit exceeded. Try again in {seconds} seconds.");
    (429, "RATE_LIMIT_EXCEEDED", message, Some(details))
}

fn scope(required: &str, held: &[String]) -> Spelled {
    let holds = |scope: &&&str| held.iter().any(|known| known == **scope);
    let strongest = STRENGTH.iter().find(holds).copied().unwrap_or("no");
    let message =
        format!("This operation requires '{required}' scope. Your key has '{strongest}' scope.");
    let details = json!({ "requiredScope": required, "currentScope": strongest });
    (403, "INSUFFICIENT_PERMISSIONS", message, Some(details))
}

fn not_found(what: &str) -> Spelled {
    let message = format!("The requested {what} does not exist.");
    (404, "RESOURCE_NOT_FOUND", message, None)
}

fn invalid(what: String, details: Option<Value>) -> Spelled {
    let message = format!("Input validation failed: {what}");
    (400, "VALIDATION_ERROR", message, details)
}

fn field(name: &str, message: &str) -> Option<Value> {
    Some(json!({ "fields": { name: [message] } }))
}

fn capitalized(fragment: &str) -> String {
    let mut characters = fragment.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}
