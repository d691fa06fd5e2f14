//! What a token endpoint gives, or why it gives none.

use std::time::Duration;

use base::secret::Secret;

/// What a token endpoint gives. The access token is sent as `Bearer`, whatever word came with it (RFC 6750).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if a new one came.
    pub refresh_token: Option<Secret>,
    /// How long the access token lives; `None` if it does not end.
    pub expires_in: Option<Duration>,
    /// The scopes granted, separated by spaces; `None` if they are those that were asked for.
    pub scope: Option<String>,
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The address is not one that may be dialled.
    #[error("the token endpoint has an address that is not allowed")]
    Address,
    /// The provider refused, with an error code (RFC 6749 section 5.2).
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The provider refused with this status and no error code that can be read.
    #[error("the provider refused with status {0}")]
    RefusedUnread(u16),
    /// No answer came, or one that asks to come back later.
    #[error("the token endpoint is not available")]
    Unavailable {
        /// Whether the request may have been carried out all the same, so that a refresh token may be used up.
        may_be_used: bool,
        /// When to come back, if the provider said so.
        retry_after: Option<Duration>,
    },
    /// The tokens are not ones that whoever holds them may use (RFC 6749 section 7.1).
    #[error("the tokens are of a type that is not supported")]
    TokenType,
    /// What came is not the answer of a token endpoint.
    #[error("the token endpoint broke the protocol: {0}")]
    Malformed(&'static str),
}
