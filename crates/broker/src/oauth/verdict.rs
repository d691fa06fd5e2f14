//! What follows from a provider's refusal: try again, ask the person again, or an administrator must act.
//! Pure, so that every status and code can be tested.

use std::time::Duration;

use super::reauth::ReauthReason;
use super::tokens::TokenError;
use base::error::SignInFailure;

/// Tries of a refresh that is refused in a way that cannot be read, until the person is asked.
const REFUSED_UNREAD_TRIES_MAX: i64 = 3;
/// The same where the status is that of a success; most likely something else answers for the provider for a while.
const MALFORMED_TRIES_MAX: i64 = 8;

/// Codes of what passes: RFC 6749's, RFC 8628's, and what Slack and others say instead.
const PASSING: [&str; 11] = [
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "ratelimited",
    "rate_limited",
    "rate_limit_exceeded",
    "too_many_requests",
    "internal_error",
    "internal_server_error",
    "service_unavailable",
    "request_timeout",
];
/// Codes of a client that is not known or did not prove itself: RFC 6749's, GitHub's and Slack's.
const CLIENT: [&str; 5] = [
    "invalid_client",
    "incorrect_client_credentials",
    "invalid_client_id",
    "bad_client_secret",
    "invalid_client_secret",
];
/// The code of a client that may not do this: one that was registered for it has been forgotten in part.
const UNAUTHORIZED_CLIENT: &str = "unauthorized_client";
/// Codes of a grant that is over: RFC 6749's, OpenID's, and what GitHub, Slack and others say instead.
const OVER: [&str; 16] = [
    "invalid_grant",
    "bad_refresh_token",
    "invalid_refresh_token",
    "refresh_token_expired",
    "refresh_token_not_found",
    "token_revoked",
    "token_expired",
    "expired_token",
    "invalid_token",
    "invalid_auth",
    "account_inactive",
    "access_denied",
    "session_expired",
    "interaction_required",
    "login_required",
    "consent_required",
];

/// Whose word it is that we are a provider's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// An administrator's, who stored it.
    Stored,
    /// The provider's, who registered us.
    Registered,
    /// Our own: the provider reads a document of ours.
    Document,
}

/// How a grant has fared so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past<'a> {
    /// Whether an answer that may have held tokens was lost.
    pub(super) is_interrupted: bool,
    /// The word for the last failure; empty if there was none.
    pub(super) failure: &'a str,
    /// How many came one after another.
    pub(super) failures: i64,
}

/// What follows from a failed refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again: the word for what went wrong, and the pause that the provider asks for.
    Later(String, Option<Duration>),
    /// It is not.
    Over(ReauthReason),
}

/// The word for an answer that may hold tokens and was lost.
pub(super) const ANSWER_LOST: &str = "answer_lost";
/// The word for an answer that is none of a token endpoint, and may have been one on its way.
pub(super) const MALFORMED: &str = "malformed";

pub(super) fn of_refresh(failure: &TokenError, word: Word, past: Past<'_>) -> Verdict {
    let over = |reason| {
        Verdict::Over(match past.is_interrupted {
            true => ReauthReason::Interrupted,
            false => reason,
        })
    };
    let later = |word: &str| Verdict::Later(word.to_owned(), None);
    let a_few_times = |word: &str, tries_max| {
        let tries = match past.failure == word {
            true => past.failures.saturating_add(1),
            false => 1,
        };
        match tries >= tries_max {
            true => over(ReauthReason::Refused),
            false => later(word),
        }
    };
    match failure {
        TokenError::Unavailable {
            may_be_used,
            retry_after,
        } => {
            let word = match may_be_used {
                true => ANSWER_LOST,
                false => "unavailable",
            };
            Verdict::Later(word.to_owned(), *retry_after)
        }
        TokenError::Address => later("address"),
        TokenError::Malformed(_) | TokenError::TokenType => {
            a_few_times(MALFORMED, MALFORMED_TRIES_MAX)
        }
        TokenError::RefusedUnread(_) => a_few_times("refused", REFUSED_UNREAD_TRIES_MAX),
        TokenError::Refused(code) if PASSING.contains(&code.as_str()) => later(code),
        TokenError::Refused(_) if is_of_client(failure, word) => match word {
            Word::Stored => Verdict::Over(ReauthReason::ClientRefused),
            Word::Registered => Verdict::Over(ReauthReason::ClientForgotten),
            Word::Document => over(ReauthReason::Refused),
        },
        TokenError::Refused(code) if OVER.contains(&code.as_str()) => over(ReauthReason::Revoked),
        TokenError::Refused(_) => over(ReauthReason::Refused),
    }
}

/// Whether a refusal is about who we are and not about what was asked.
pub(super) fn is_of_client(failure: &TokenError, word: Word) -> bool {
    let TokenError::Refused(code) = failure else {
        return false;
    };
    CLIENT.contains(&code.as_str()) || (code == UNAUTHORIZED_CLIENT && word == Word::Registered)
}

/// What a person is told whom the provider sent back with an error code (RFC 6749 section 4.1.2.1, OpenID Connect Core
/// section 3.1.2.6).
pub(super) fn of_answer(code: &str) -> SignInFailure {
    match code {
        "access_denied" | "user_denied" | "user_cancelled_login" | "user_cancelled_authorize" => {
            SignInFailure::Denied
        }
        "consent_required"
        | "interaction_required"
        | "login_required"
        | "account_selection_required" => SignInFailure::Unfinished,
        code if PASSING.contains(&code) => SignInFailure::ProviderFault,
        _ => SignInFailure::RequestRefused,
    }
}
