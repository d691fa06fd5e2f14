//! How an [`Error`] looks in a chat: the frame that is the last one. One match without `_`.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::drf::error::{
    RETRY_AFTER_UNAVAILABLE_S, sentence, sign_in_status, upstream_status,
};
use base::error::{Ended, Error};

/// The frame of a refused or failed request.
pub fn frame(error: &Error) -> Value {
    let (status, text) = match error {
        Error::NoCredentials => (
            StatusCode::UNAUTHORIZED,
            "Authentication credentials were not provided.".to_owned(),
        ),
        Error::InvalidCredentials => (StatusCode::UNAUTHORIZED, "Invalid token.".to_owned()),
        Error::Forbidden(_) => (
            StatusCode::FORBIDDEN,
            "You do not have permission to perform this action.".to_owned(),
        ),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not found.".to_owned()),
        Error::Invalid(errors) => (StatusCode::BAD_REQUEST, errors.to_string()),
        Error::Malformed(what) => (StatusCode::BAD_REQUEST, sentence(what)),
        Error::NoConnection { .. } => (StatusCode::BAD_REQUEST, sentence(&error.to_string())),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, sentence(&error.to_string())),
        Error::UnsupportedMediaType(_) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            sentence(&error.to_string()),
        ),
        Error::Conflict(what) => (StatusCode::CONFLICT, sentence(what)),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, sentence(&error.to_string())),
        Error::Upstream(failure) => (
            upstream_status(failure.kind),
            sentence(&failure.to_string()),
        ),
        Error::SignIn(failure) => (sign_in_status(*failure), failure.to_string()),
        // What clients compare (docs/inside/contract.md#chat-sessions).
        Error::Ended(Ended::KeyRevoked | Ended::KeyExpired | Ended::SessionOver) => {
            (StatusCode::UNAUTHORIZED, "Invalid token.".to_owned())
        }
        Error::Ended(why) if why.is_of_caller() => {
            (StatusCode::UNAUTHORIZED, sentence(why.reason()))
        }
        Error::Ended(why) => (StatusCode::FORBIDDEN, sentence(why.reason())),
        Error::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Temporarily unavailable.".to_owned(),
        ),
        Error::Internal(_) => {
            tracing::error!(error = %error.chain(), "a chat failed");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal server error.".to_owned(),
            )
        }
    };
    let mut frame = json!({ "error": text, "status_code": status.as_u16() });
    // A frame has no headers.
    let retry_after_s = match error {
        Error::RateLimited { retry_after_s } => Some(*retry_after_s),
        _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_UNAVAILABLE_S),
    };
    if let Some(seconds) = retry_after_s {
        frame["retry_after"] = seconds.into();
    }
    frame
}

/// The frame that ends a turn whose learner did not sign in (docs/inside/contract.md#chat).
pub(super) fn of_sign_in(message: &str) -> Value {
    json!({ "error": message, "status_code": StatusCode::BAD_REQUEST.as_u16() })
}
