//! Why a request failed, in product words.
//! Knows no wire: status codes and JSON-RPC codes are chosen in `http` and `mcp`, each in one file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

/// The outcome of everything below the wires.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was refused or failed, by who must act.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential was presented: the caller must send one.
    #[error("authentication credentials were not provided")]
    NoCredentials,
    /// The credential is unknown, expired, revoked or of another tenant.
    #[error("invalid token")]
    InvalidCredentials,
    /// The caller is known, but the role or right is too weak inside their own tenant.
    #[error("permission denied: {0}")]
    Forbidden(&'static str),
    /// No such thing, or one of another tenant: both answer the same.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// One or more fields are wrong; all of them are reported together.
    #[error("invalid input: {0}")]
    Invalid(FieldErrors),
    /// The request itself is malformed; nothing of it was understood.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// The body is larger than the named limit.
    #[error("the request body is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        max_bytes: usize,
    },
    /// The body's media type is not one that this endpoint reads.
    #[error("unsupported media type {0:?}")]
    UnsupportedMediaType(String),
    /// The thing exists already, or changed meanwhile.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The caller used up an allowance and may come back later.
    #[error("rate limited; retry after {retry_after_s} s")]
    RateLimited {
        /// Seconds until the next attempt can succeed.
        retry_after_s: u64,
    },
    /// No credential could be resolved for a server that needs one.
    #[error("no connection to server {server:?}: {reason}")]
    NoConnection {
        /// The server's name.
        server: String,
        /// A sentence that a mentor can say.
        reason: String,
    },
    /// A person's sign-in at another service came to nothing.
    #[error("{0}")]
    SignIn(SignInFailure),
    /// The upstream MCP server failed; its operator must act.
    #[error("{0}")]
    Upstream(UpstreamFailure),
    /// What the request was allowed by ended while it was under way.
    #[error("{0} while this was under way; the call may have executed")]
    Ended(Ended),
    /// A part of ours that the call needs (database, audit) does not answer now.
    #[error("temporarily unavailable: {0}")]
    Unavailable(&'static str),
    /// Our own fault. The source is for the log and never shown.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// Wraps a failure that no caller can do anything about.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// One field, one message.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(name, message);
        Self::Invalid(errors)
    }

    /// The whole chain of causes, for the log.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

/// How an upstream failed, in words fit for the caller: no address, no upstream text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamFailure {
    /// The server's name.
    pub server: String,
    /// What happened.
    pub kind: UpstreamFailureKind,
    /// Whether the request may have reached the upstream and been executed there.
    pub may_have_executed: bool,
    /// The rule that it broke, where it is one.
    pub broken: Option<Box<BrokenRule>>,
    /// In how many seconds it may be asked again, if it says so.
    pub retry_after_s: Option<u64>,
}

/// The rule that an upstream broke, so that its operator can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// A stable word for programs: the member, header or part of the protocol, as `error.data.rule` has it.
    pub rule: &'static str,
    /// What is wrong, about the server as `it`.
    pub text: Cow<'static, str>,
}

impl BrokenRule {
    /// A rule and what is wrong.
    pub fn new(rule: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule,
            text: text.into(),
        }
    }
}

/// What happened to an upstream exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamFailureKind {
    /// The address is not one that we may dial.
    Refused,
    /// No connection could be made.
    Unreachable,
    /// The answer did not come within the deadline.
    Timeout,
    /// The connection ended before the answer was complete.
    Closed,
    /// The answer breaks the protocol.
    Protocol,
    /// The answer is larger than the named limit.
    TooLarge,
    /// The upstream refused the credential (HTTP 401).
    Unauthorized,
    /// The upstream took the credential and did not allow the call (HTTP 403).
    Forbidden,
    /// The upstream answered with an HTTP error or a redirect.
    Http(u16),
    /// The breaker is open: it failed too often lately and is left alone for a while.
    BreakerOpen,
    /// Too many calls to it are under way already.
    Busy,
    /// The server record is switched off.
    Disabled,
}

impl UpstreamFailureKind {
    /// A stable word for logs, audit rows and `error.data.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Http(_) => "http",
            Self::BreakerOpen => "breaker_open",
            Self::Busy => "busy",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for UpstreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.server;
        match self.kind {
            UpstreamFailureKind::Refused => {
                write!(f, "server {server:?} has an address that is not allowed")
            }
            UpstreamFailureKind::Unreachable => write!(f, "server {server:?} cannot be reached"),
            UpstreamFailureKind::Timeout => write!(f, "server {server:?} did not answer in time"),
            UpstreamFailureKind::Closed => write!(
                f,
                "server {server:?} closed the connection before its answer was complete"
            ),
            UpstreamFailureKind::Protocol => write!(f, "server {server:?} broke the protocol"),
            UpstreamFailureKind::TooLarge => {
                write!(f, "the answer of server {server:?} is too large")
            }
            UpstreamFailureKind::Unauthorized => {
                write!(f, "server {server:?} refused the credential")
            }
            UpstreamFailureKind::Forbidden => {
                write!(f, "server {server:?} did not allow this (HTTP 403)")
            }
            UpstreamFailureKind::Http(status) => {
                write!(f, "server {server:?} answered HTTP {status}")
            }
            UpstreamFailureKind::BreakerOpen => write!(
                f,
                "server {server:?} failed repeatedly and is not called for a while"
            ),
            UpstreamFailureKind::Busy => {
                write!(f, "server {server:?} has too many calls under way")
            }
            UpstreamFailureKind::Disabled => write!(f, "server {server:?} is disabled"),
        }?;
        if let Some(broken) = &self.broken {
            write!(f, ": {}", broken.text)?;
        }
        if let Some(seconds) = self.retry_after_s {
            write!(f, "; it may be asked again in {seconds} s")?;
        }
        if self.may_have_executed {
            f.write_str("; the call may have executed")?;
        }
        Ok(())
    }
}

/// Why a sign-in at another service came to nothing. Clients compare the first three texts
/// (docs/inside/contract.md#exact-texts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignInFailure {
    /// No admin has said who we are at the provider.
    NoCredentials,
    /// The state is unknown, over, used, or not the one of this answer.
    InvalidState,
    /// The state was answered before, with a grant.
    AlreadyDone,
    /// The provider gave no grant for the code.
    Exchange,
    /// Somebody else began it, or another browser.
    OtherPerson,
    /// The person, or the provider for them, said no.
    Denied,
    /// The provider needs more of the person than they did there.
    Unfinished,
    /// The provider had a fault of its own that passes.
    ProviderFault,
    /// The provider does not take the request as it is made.
    RequestRefused,
    /// The answer is not from the provider that was asked (RFC 9207).
    OtherIssuer,
    /// No authorization request can be made for the service.
    NoRequest,
    /// The server does not say where to sign in.
    Nowhere,
    /// What the server or its authorization server says of the sign-in breaks a rule that protects it.
    Unsafe,
    /// The server or its authorization server does not answer just now.
    Silent,
}

/// Every failure with the word that is stored and the sentence that is shown.
#[rustfmt::skip]
const SIGN_IN_FAILURES: [(SignInFailure, &str, &str); 14] = [
    (SignInFailure::NoCredentials, "no_credentials", "No credentials found"),
    (SignInFailure::InvalidState, "invalid_state", "Invalid state"),
    (SignInFailure::AlreadyDone, "already_done", "Invalid state"),
    (SignInFailure::Exchange, "exchange", "Could not exchange auth token"),
    (SignInFailure::OtherPerson, "other_person", "This sign-in was started by another user"),
    (SignInFailure::Denied, "denied", "Access was not granted"),
    (SignInFailure::Unfinished, "unfinished", "The provider needs you to sign in or to agree there first"),
    (SignInFailure::ProviderFault, "provider_fault", "The provider had a fault; try again"),
    (SignInFailure::RequestRefused, "request_refused", "The provider did not accept the request; tell an administrator"),
    (SignInFailure::OtherIssuer, "other_issuer", "The answer is not from the provider that was asked"),
    (SignInFailure::NoRequest, "no_request", "The provider cannot be asked"),
    (SignInFailure::Nowhere, "nowhere", "The provider cannot be asked"),
    (SignInFailure::Unsafe, "unsafe", "The provider cannot be asked"),
    (SignInFailure::Silent, "silent", "The provider does not answer just now; try again"),
];

impl SignInFailure {
    fn row(self) -> (&'static str, &'static str) {
        let row = SIGN_IN_FAILURES
            .iter()
            .find(|(failure, _, _)| *failure == self);
        row.map_or(("", ""), |(_, word, text)| (word, text))
    }

    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The failure behind a stored word.
    pub fn of_word(word: &str) -> Option<Self> {
        let row = SIGN_IN_FAILURES.iter().find(|(_, known, _)| *known == word);
        row.map(|(failure, _, _)| *failure)
    }
}

impl fmt::Display for SignInFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

/// What something was open because of, and how that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The key was revoked.
    KeyRevoked,
    /// The key is past its end, or past the overlap with the one that took its place.
    KeyExpired,
    /// The key lost a scope, the right to act for others, or the address that it was used from.
    KeyNarrowed,
    /// The session token is past its end.
    SessionOver,
    /// The person, or who acts for them, was switched off.
    PersonOff,
    /// The person, or who acts for them, has another role.
    RoleChanged,
    /// The mentor was deleted.
    MentorGone,
    /// The mentor may not use MCP tools any more.
    ToolsOff,
    /// The server is not the mentor's any more.
    Detached,
    /// The server was deleted, or is not to be seen by this tenant any more.
    ServerGone,
    /// The server was switched off.
    ServerOff,
    /// The connection was deleted.
    ConnectionGone,
    /// The connection was switched off, withheld, or is for something else now.
    ConnectionOff,
    /// The grant was revoked, or its person must sign in again.
    GrantEnded,
}

/// Every end with its word and its sentence.
#[rustfmt::skip]
const ENDS: [(Ended, &str, &str); 14] = [
    (Ended::KeyRevoked, "key_revoked", "the key was revoked"),
    (Ended::KeyExpired, "key_expired", "the key expired"),
    (Ended::KeyNarrowed, "key_narrowed", "the key lost a right"),
    (Ended::SessionOver, "session_over", "the session token expired"),
    (Ended::PersonOff, "person_off", "the user was switched off"),
    (Ended::RoleChanged, "role_changed", "the user's role was changed"),
    (Ended::MentorGone, "mentor_gone", "the mentor was deleted"),
    (Ended::ToolsOff, "tools_off", "the mentor's MCP tool was switched off"),
    (Ended::Detached, "detached", "the server was detached from the mentor"),
    (Ended::ServerGone, "server_gone", "the server was deleted or withdrawn"),
    (Ended::ServerOff, "server_off", "the server was switched off"),
    (Ended::ConnectionGone, "connection_gone", "the connection to the server was deleted"),
    (Ended::ConnectionOff, "connection_off", "the connection to the server was switched off"),
    (Ended::GrantEnded, "grant_ended", "the sign-in to the server ended"),
];

impl Ended {
    fn row(self) -> (&'static str, &'static str) {
        let row = ENDS.iter().find(|(end, _, _)| *end == self);
        row.map_or(("", ""), |(_, word, text)| (word, text))
    }

    /// A stable word for `error.data`, metrics and audit rows.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// What happened, as a fragment; it fits into the reason of a close frame.
    pub fn reason(self) -> &'static str {
        self.row().1
    }

    /// Whether it is the caller who may not come any more: their next request is refused too.
    pub fn is_of_caller(self) -> bool {
        match self {
            Self::KeyRevoked
            | Self::KeyExpired
            | Self::KeyNarrowed
            | Self::SessionOver
            | Self::PersonOff
            | Self::RoleChanged => true,
            Self::MentorGone
            | Self::ToolsOff
            | Self::Detached
            | Self::ServerGone
            | Self::ServerOff
            | Self::ConnectionGone
            | Self::ConnectionOff
            | Self::GrantEnded => false,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// Messages by field, in the order of the field names.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// Adds one message to a field.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0
            .entry(field.to_owned())
            .or_default()
            .push(message.into());
    }

    /// Adds every message of others.
    pub fn append(&mut self, others: Self) {
        for (field, messages) in others.0 {
            self.0.entry(field).or_default().extend(messages);
        }
    }

    /// Files the messages of a field under another name, for a rule that knows it by its own.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(messages) = self.0.remove(from) {
            self.0.entry(to.to_owned()).or_default().extend(messages);
        }
    }

    /// Whether a field has a message already.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The messages by field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(field, messages)| (field.as_str(), messages.as_slice()))
    }

    /// `Ok` if nothing was added.
    ///
    /// # Errors
    /// `Invalid` with every message that was added.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self))
        }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (field, messages)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {}", messages.join(" "))?;
        }
        Ok(())
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}
