//! A page for everything that can go wrong: what happened, in plain words, and what to do. Nothing that came with the
//! request is repeated, and nothing of the inside is shown.

use http::StatusCode;
use http::header::RETRY_AFTER;

use super::super::answer::Answer;
use super::html::{Page, Text};
use super::visit::Visit;
use base::error::{Error, SignInFailure};

/// What a person is told.
struct Told {
    status: StatusCode,
    title: &'static str,
    text: &'static str,
}

const fn told(status: StatusCode, title: &'static str, text: &'static str) -> Told {
    Told {
        status,
        title,
        text,
    }
}

/// The page of a failure.
pub(super) fn page(error: &Error, visit: &Visit) -> Answer {
    if let Error::Internal(_) = error {
        tracing::error!(request.id = %visit.request_id, error = %error.chain(), "a page failed");
    }
    let told = words(error);
    let body = format!(
        "<section class=\"card\" role=\"alert\"><h1>{}</h1><p>{}</p>\
         <p><a href=\"/connections/\">Your connected accounts</a></p></section>\n",
        Text(told.title),
        Text(told.text)
    );
    let page = Page {
        status: told.status,
        ..Page::new(told.title, body)
    };
    let answer = page.answer(visit);
    match error {
        Error::RateLimited { retry_after_s } => {
            answer.with_header(RETRY_AFTER, (*retry_after_s).into())
        }
        _ => answer,
    }
}

fn words(error: &Error) -> Told {
    match error {
        Error::NoCredentials => told(
            StatusCode::UNAUTHORIZED,
            "You are not signed in here",
            "Sign in with your access key and open the link again.",
        ),
        Error::InvalidCredentials => told(
            StatusCode::FORBIDDEN,
            "This key does not work",
            "It is unknown, has expired or was revoked. Check it, or ask an administrator for a new one.",
        ),
        Error::Forbidden(_) => told(
            StatusCode::FORBIDDEN,
            "This is not allowed",
            "The request did not come from a page of ours, or your key may not be used here.",
        ),
        Error::NotFound(_) => told(
            StatusCode::NOT_FOUND,
            "There is nothing here",
            "The link is mistyped, too old, or was used already. Ask your mentor again to get a new one.",
        ),
        Error::SignIn(failure) => sign_in(*failure),
        Error::RateLimited { .. } => told(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts",
            "Wait a minute and try again.",
        ),
        Error::Ended(_) => told(
            StatusCode::FORBIDDEN,
            "This does not work any more",
            "A permission that it needed was taken back. Ask an administrator.",
        ),
        Error::Unavailable(_) => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "Not available right now",
            "Try again in a moment.",
        ),
        Error::Invalid(_)
        | Error::Malformed(_)
        | Error::TooLarge { .. }
        | Error::UnsupportedMediaType(_)
        | Error::Conflict(_) => told(
            StatusCode::BAD_REQUEST,
            "That could not be understood",
            "Go back and try again.",
        ),
        Error::NoConnection { .. } | Error::Upstream(_) => told(
            StatusCode::BAD_GATEWAY,
            "The other service does not answer",
            "Try again later.",
        ),
        Error::Internal(_) => told(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong on our side",
            "It was noted. Try again, and tell an administrator if it stays so.",
        ),
    }
}

fn sign_in(failure: SignInFailure) -> Told {
    const AGAIN: &str = "Nothing was connected. Ask your mentor again, and follow the new link.";
    let bad = StatusCode::BAD_REQUEST;
    match failure {
        SignInFailure::NoCredentials => told(
            bad,
            "This service is not set up yet",
            "An administrator must first enter who your organisation is at this service.",
        ),
        SignInFailure::InvalidState => told(bad, "This sign-in is not known or too old", AGAIN),
        SignInFailure::AlreadyDone => told(
            bad,
            "This sign-in is done already",
            "Your account was connected when this page was first opened. You can go back to your chat.",
        ),
        SignInFailure::Exchange => told(bad, "The service did not confirm the sign-in", AGAIN),
        SignInFailure::OtherPerson => told(
            StatusCode::FORBIDDEN,
            "This sign-in was started by another user",
            "Nothing was connected. Only the person who is asked can sign in, in the browser where they began.",
        ),
        SignInFailure::Denied
        | SignInFailure::Unfinished
        | SignInFailure::ProviderFault
        | SignInFailure::RequestRefused => answered(failure),
        SignInFailure::OtherIssuer => told(
            bad,
            "The answer came from somewhere else",
            "Nothing was connected, and nothing was sent there. Tell an administrator.",
        ),
        SignInFailure::NoRequest => told(
            bad,
            "This service cannot be asked",
            "Its address is not one that a browser may be sent to. Tell an administrator.",
        ),
        SignInFailure::Nowhere => told(
            bad,
            "This service does not say where to sign in",
            "Nothing was connected. Tell an administrator, who can find out more about the server.",
        ),
        SignInFailure::Unsafe => told(
            bad,
            "The sign-in of this service is not safe",
            "What it says of its sign-in breaks a rule that protects your account. Tell an administrator.",
        ),
        SignInFailure::Silent => told(
            bad,
            "This service does not answer just now",
            "Nothing was changed. Wait a minute and try again.",
        ),
    }
}

/// What a provider said instead of giving a code.
fn answered(failure: SignInFailure) -> Told {
    let (title, text) = match failure {
        SignInFailure::Unfinished => (
            "The service needs more from you",
            "You have to sign in there, or agree to something, first. Ask your mentor again, and follow the new link.",
        ),
        SignInFailure::ProviderFault => (
            "The service had a fault",
            "It was not you, and nothing was connected. Wait a minute and ask your mentor again.",
        ),
        SignInFailure::RequestRefused => (
            "The service did not accept the request",
            "Nothing was connected, and trying again will not help. Tell an administrator.",
        ),
        _ => (
            "Access was not granted",
            "You or the service said no, and nothing was connected. Ask your mentor again if you change your mind.",
        ),
    };
    told(StatusCode::BAD_REQUEST, title, text)
}
