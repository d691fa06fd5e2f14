//! How v2 spells a failure (8.6). One match without `_`: a new error must be given a code here.

use serde_json::json;

use crate::face::Circumstances;
use crate::failure::{Failure, Refusal, Words, fields_of};
use base::clock::UnixMs;
use base::error::Error;
use learning::academy::Error as Academy;

/// Where a developer reads about scopes.
const SCOPES_PAGE: &str = "https://docs.academy.com/mcp/scopes";

const DENIED: &str = "ACCESS_DENIED";
const INVALID: &str = "VALIDATION_ERROR";
const LIMITED: &str = "RATE_LIMITED";
const INTERNAL: &str = "SERVER_ERROR";

/// A refusal in the words of 8.6.
pub(super) fn spell(refusal: &Refusal, at: &Circumstances<'_>) -> Failure {
    let words = words(refusal);
    let mut error = words.to_json();
    error["requestId"] = format!("req_{}", at.request_id).into();
    error["timestamp"] = at.now.to_iso().into();
    if let Refusal::Limited(refused) = refusal {
        let standing = &refused.standing;
        error["retryAfter"] = refused.retry_after_s().into();
        error["limit"] = json!({
            "scope": standing.scope,
            "maxRequests": standing.rate.max,
            "window": standing.rate.window.as_secs(),
            "resetAt": standing.reset_at.to_iso(),
        });
    }
    words.into_failure(error)
}

fn words(refusal: &Refusal) -> Words {
    match refusal {
        Refusal::Core(error) => core(error),
        Refusal::Academy(error) => academy(error),
        Refusal::Scope { required, held } => {
            let message = format!("This tool requires the '{required}' scope");
            Words::new(403, "SCOPE_REQUIRED", message).with(json!({
                "requiredScope": required,
                "currentScopes": held,
                "documentation": SCOPES_PAGE,
            }))
        }
        Refusal::Limited(refused) => {
            let scope = refused.standing.scope;
            let message = format!("Rate limit exceeded for scope '{scope}'");
            Words::new(429, LIMITED, message)
        }
        Refusal::UnknownTool(_) => not_found("tool"),
        Refusal::UnknownResource(_) => not_found("resource"),
    }
}

fn core(error: &Error) -> Words {
    let said = |code, message: &str| Words::of(error, code, message);
    match error {
        Error::NoCredentials | Error::InvalidCredentials => {
            said("INVALID_API_KEY", "API key not found or expired")
        }
        Error::Forbidden(what) => said(DENIED, what),
        Error::NotFound(what) => not_found(what),
        Error::Invalid(errors) => {
            invalid(&errors.to_string()).with(json!({ "fields": fields_of(errors) }))
        }
        Error::Malformed(what) => invalid(what),
        Error::TooLarge { .. } | Error::UnsupportedMediaType(_) => {
            said(INVALID, &error.to_string())
        }
        Error::Conflict(what) => said(INVALID, what),
        Error::RateLimited { .. } => said(LIMITED, "Rate limit exceeded"),
        Error::Ended(why) if why.is_of_caller() => said("INVALID_API_KEY", &error.to_string()),
        Error::Ended(_) => said(DENIED, &error.to_string()),
        Error::Unavailable(_) => said(INTERNAL, "Temporarily unavailable"),
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            said(INTERNAL, "An unexpected error occurred")
        }
    }
}

fn academy(error: &Academy) -> Words {
    let message = error.to_string();
    match error {
        Academy::Core(error) => core(error),
        Academy::NotYours(what) => {
            let message = format!("You do not have access to this {what}");
            Words::new(403, DENIED, message)
        }
        Academy::CohortFull {
            cohort,
            seats_total,
            seats_taken,
        } => Words::new(409, "COHORT_FULL", message).with(json!({
            "cohortId": cohort,
            "capacity": { "max": seats_total, "available": seats_total - seats_taken },
        })),
        Academy::CohortClosed(_) | Academy::EnrollmentExists { .. } => {
            invalid(&message).with(json!({ "fields": { "cohortId": [message] } }))
        }
        Academy::EnrollmentExpired {
            enrollment,
            expired_at,
        } => {
            let expired_at = UnixMs(*expired_at).to_iso();
            Words::new(403, "ENROLLMENT_EXPIRED", message)
                .with(json!({ "enrollmentId": enrollment, "expiredAt": expired_at }))
        }
        Academy::NotEnrolled(_) => Words::new(403, DENIED, message),
        Academy::CertificateNotAvailable { status, progress } => Words::new(403, DENIED, message)
            .with(json!({ "enrollmentStatus": status, "progress": progress })),
        Academy::BookingConflict(_) => Words::new(409, "BOOKING_CONFLICT", message),
    }
}

fn not_found(what: &str) -> Words {
    let message = format!("The requested {what} does not exist");
    Words::new(404, "RESOURCE_NOT_FOUND", message)
}

fn invalid(what: &str) -> Words {
    Words::new(400, INVALID, format!("Invalid input parameters: {what}"))
}
