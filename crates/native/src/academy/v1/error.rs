//! How v1 spells a failure (6.3.5.4). One match without `_`: a new error must be given a code here.

use serde_json::json;

use crate::face::Circumstances;
use crate::failure::{Failure, Refusal, Words, fields_of};
use base::error::Error;
use learning::academy::Error as Academy;
use tenancy::rate_limit::Refused;

/// Scopes from the strongest on: a refusal names the strongest that the key has.
const STRENGTH: [&str; 3] = ["admin", "instructor", "learner"];

const DENIED: &str = "INSUFFICIENT_PERMISSIONS";
const INVALID: &str = "VALIDATION_ERROR";
const LIMITED: &str = "RATE_LIMIT_EXCEEDED";
const INTERNAL: &str = "INTERNAL_ERROR";

/// A refusal in the words of 6.3.5.4.
pub(super) fn spell(refusal: &Refusal, at: &Circumstances<'_>) -> Failure {
    let words = words(refusal);
    let mut error = words.to_json();
    error["timestamp"] = at.now.0.into();
    error["requestId"] = at.request_id.into();
    words.into_failure(error)
}

/// Code and message alone, of one row among many.
pub(super) fn in_brief(refusal: &Refusal) -> (&'static str, String) {
    let words = words(refusal);
    (words.code, words.message)
}

fn words(refusal: &Refusal) -> Words {
    match refusal {
        Refusal::Core(error) => core(error),
        Refusal::Academy(error) => academy(error),
        Refusal::Scope { required, held } => scope(required, held),
        Refusal::Limited(refused) => limited(refused),
        Refusal::UnknownTool(_) => not_found("tool"),
        Refusal::UnknownResource(_) => not_found("resource"),
    }
}

fn core(error: &Error) -> Words {
    let said = |code, message: &str| Words::of(error, code, message);
    match error {
        Error::NoCredentials => said(
            "MISSING_API_KEY",
            "API key is required. Include 'Authorization: Bearer <key>' header.",
        ),
        Error::InvalidCredentials => said(
            "INVALID_API_KEY",
            "The provided API key is invalid or has been revoked.",
        ),
        Error::Forbidden(what) => said(DENIED, &capitalized(what)),
        Error::NotFound(what) => not_found(what),
        Error::Invalid(errors) => {
            invalid(&errors.to_string()).with(json!({ "fields": fields_of(errors) }))
        }
        Error::Malformed(what) => invalid(what),
        Error::TooLarge { .. } | Error::UnsupportedMediaType(_) => {
            said(INVALID, &capitalized(&error.to_string()))
        }
        Error::Conflict(what) => said(INVALID, &capitalized(what)),
        Error::RateLimited { retry_after_s } => said(LIMITED, &come_back_in(*retry_after_s))
            .with(json!({ "retryAfter": retry_after_s })),
        Error::Ended(why) if why.is_of_caller() => said(
            "INVALID_API_KEY",
            &format!("{}.", capitalized(&error.to_string())),
        ),
        Error::Ended(_) => said(DENIED, &format!("{}.", capitalized(&error.to_string()))),
        Error::Unavailable(_) => said(INTERNAL, "Temporarily unavailable."),
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            said(INTERNAL, "An unexpected error occurred.")
        }
    }
}

fn academy(error: &Academy) -> Words {
    let message = error.to_string();
    match error {
        Academy::Core(error) => core(error),
        Academy::NotYours(what) => not_found(what),
        Academy::CohortFull {
            cohort,
            seats_total,
            seats_taken,
        } => Words::new(409, "COHORT_FULL", message).with(json!({
            "cohortId": cohort,
            "totalSeats": seats_total,
            "enrolledCount": seats_taken,
            "availableSeats": seats_total - seats_taken,
        })),
        Academy::CohortClosed(_) => {
            invalid(&message).with(json!({ "fields": { "cohortId": [message] } }))
        }
        Academy::EnrollmentExists { enrollment } => Words::new(409, "ENROLLMENT_EXISTS", message)
            .with(json!({ "enrollmentId": enrollment })),
        Academy::EnrollmentExpired {
            enrollment,
            expired_at,
        } => Words::new(403, DENIED, message)
            .with(json!({ "enrollmentId": enrollment, "expiredAt": expired_at })),
        Academy::NotEnrolled(_) => Words::new(403, DENIED, message),
        Academy::CertificateNotAvailable { status, progress } => {
            Words::new(409, "CERTIFICATE_NOT_AVAILABLE", message).with(json!({
                "enrollmentStatus": status,
                "progressPercentage": progress,
                "requiredPercentage": learning::academy::enrollment::COMPLETE,
            }))
        }
        Academy::BookingConflict(_) => Words::new(409, INVALID, message),
    }
}

fn limited(refused: &Refused) -> Words {
    let seconds = refused.retry_after_s();
    let rate = refused.standing.rate;
    Words::new(429, LIMITED, come_back_in(seconds)).with(json!({
        "limit": rate.max,
        "window": format!("{}s", rate.window.as_secs()),
        "retryAfter": seconds,
    }))
}

fn come_back_in(seconds: u64) -> String {
    format!("Rate limit exceeded. Try again in {seconds} seconds.")
}

fn scope(required: &str, held: &[String]) -> Words {
    let holds = |scope: &&&str| held.iter().any(|known| known == **scope);
    let strongest = STRENGTH.iter().find(holds).copied().unwrap_or("no");
    let message =
        format!("This operation requires '{required}' scope. Your key has '{strongest}' scope.");
    let details = json!({ "requiredScope": required, "currentScope": strongest });
    Words::new(403, DENIED, message).with(details)
}

fn not_found(what: &str) -> Words {
    let message = format!("The requested {what} does not exist.");
    Words::new(404, "RESOURCE_NOT_FOUND", message)
}

fn invalid(what: &str) -> Words {
    Words::new(400, INVALID, format!("Input validation failed: {what}"))
}

fn capitalized(fragment: &str) -> String {
    let mut characters = fragment.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}
