//! How v2 spells a failure (8.6). One match without `_`: a new error must be given a code here.

use serde_json::{Map, Value, json};

use crate::academy::Error as Academy;
use crate::error::Error;
use crate::native::face::Circumstances;
use crate::native::failure::{Failure, Refusal};

/// Where a developer reads about scopes.
const SCOPES_PAGE: &str = "https://docs.academy.com/mcp/scopes";

type Spelled = (u16, &'static str, String, Option<Value>);

/// A refusal in the words of 8.6.
pub(super) fn spell(refusal: &Refusal, at: &Circumstances<'_>) -> Failure {
    let (status, code, message, details) = match refusal {
        Refusal::Core(error) => core(error),
        Refusal::Academy(error) => academy(error),
        Refusal::Scope { required, held } => {
            let details = json!({
                "requiredScope": required,
                "currentScopes": held,
                "documentation": SCOPES_PAGE,
            });
            let message = format!("This tool requires the '{required}' scope");
            (403, "SCOPE_REQUIRED", message, Some(details))
        }
        Refusal::Limited(refused) => {
            let scope = refused.standing.scope;
            let message = format!("Rate limit exceeded for scope '{scope}'");
            (429, "RATE_LIMITED", message, None)
        }
        Refusal::UnknownTool(_) => not_found("tool"),
        Refusal::UnknownResource(_) => not_found("resource"),
    };
    let mut error = json!({ "code": code, "message": message });
    if let Some(details) = details {
        error["details"] = details;
    }
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
    Failure {
        status,
        code,
        body: json!({ "error": error }),
    }
}

fn core(error: &Error) -> Spelled {
    match error {
        Error::NoCredentials | Error::InvalidCredentials => (
            401,
            "INVALID_API_KEY",
            "API key not found or expired".to_owned(),
            None,
        ),
        Error::Forbidden(what) => (403, "ACCESS_DENIED", (*what).to_owned(), None),
        Error::NotFound(what) => not_found(what),
        Error::Invalid(errors) => {
            let fields: Map<String, Value> = errors
                .iter()
                .map(|(field, messages)| (field.to_owned(), json!(messages)))
                .collect();
            invalid(errors.to_string(), Some(json!({ "fields": fields })))
        }
        Error::Malformed(what) => invalid(what.clone(), None),
        Error::TooLarge { .. } => (413, "VALIDATION_ERROR", error.to_string(), None),
        Error::UnsupportedMediaType(_) => (415, "VALIDATION_ERROR", error.to_string(), None),
        Error::Conflict(what) => (409, "VALIDATION_ERROR", what.clone(), None),
        Error::RateLimited { .. } => (429, "RATE_LIMITED", "Rate limit exceeded".to_owned(), None),
        Error::Unavailable(_) => (
            503,
            "SERVER_ERROR",
            "Temporarily unavailable".to_owned(),
            None,
        ),
        Error::NoConnection { .. } | Error::SignIn(_) | Error::Upstream(_) | Error::Internal(_) => {
            (
                500,
                "SERVER_ERROR",
                "An unexpected error occurred".to_owned(),
                None,
            )
        }
    }
}

fn academy(error: &Academy) -> Spelled {
    let message = error.to_string();
    match error {
        Academy::Core(error) => core(error),
        Academy::NotYours(what) => {
            let message = format!("You do not have access to this {what}");
            (403, "ACCESS_DENIED", message, None)
        }
        Academy::CohortFull {
            cohort,
            seats_total,
            seats_taken,
        } => {
            let details = json!({
                "cohortId": cohort,
                "capacity": { "max": seats_total, "available": seats_total - seats_taken },
            });
            (409, "COHORT_FULL", message, Some(details))
        }
        Academy::CohortClosed(_) | Academy::EnrollmentExists { .. } => {
            let details = json!({ "fields": { "cohortId": [message] } });
            invalid(error.to_string(), Some(details))
        }
        Academy::EnrollmentExpired {
            enrollment,
            expired_at,
        } => {
            let expired_at = crate::clock::UnixMs(*expired_at).to_iso();
            let details = json!({ "enrollmentId": enrollment, "expiredAt": expired_at });
            (403, "ENROLLMENT_EXPIRED", message, Some(details))
        }
        Academy::NotEnrolled(_) => (403, "ACCESS_DENIED", message, None),
        Academy::CertificateNotAvailable { status, progress } => {
            let details = json!({ "enrollmentStatus": status, "progress": progress });
            (403, "ACCESS_DENIED", message, Some(details))
        }
        Academy::BookingConflict(_) => (409, "BOOKING_CONFLICT", message, None),
    }
}

fn not_found(what: &str) -> Spelled {
    (
        404,
        "RESOURCE_NOT_FOUND",
        format!("The requested {what} does not exist"),
        None,
    )
}

fn invalid(what: String, details: Option<Value>) -> Spelled {
    (
        400,
        "VALIDATION_ERROR",
        format!("Invalid input parameters: {what}"),
        details,
    )
}
