//! How a call to an upstream failed, and what may be done about it.

use crate::egress::{Failure, Sent};
use crate::error::{Error, UpstreamFailure, UpstreamFailureKind};

/// Longest list of scopes that a challenge may name, in bytes.
const SCOPE_BYTES_MAX: usize = 1024;

/// A call that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    /// What happened.
    pub kind: UpstreamFailureKind,
    /// Whether the request may have reached the upstream.
    pub may_have_executed: bool,
    /// The `WWW-Authenticate` of a refused credential.
    pub challenge: Option<String>,
}

impl CallFailure {
    /// A failure of this kind.
    pub fn of(kind: UpstreamFailureKind, may_have_executed: bool) -> Self {
        Self {
            kind,
            may_have_executed,
            challenge: None,
        }
    }

    /// The scopes that the credential lacks, if the server says so (RFC 6750 section 3.1), separated by spaces.
    pub fn missing_scope(&self) -> Option<String> {
        let challenge = self.challenge.as_deref()?;
        if !challenge.contains("insufficient_scope") {
            return None;
        }
        let (_, rest) = challenge.split_once("scope=\"")?;
        let scope = rest.split('"').next().unwrap_or_default();
        let is_scope = |c: char| c.is_ascii_graphic() || c == ' ';
        let is_usable = scope.len() <= SCOPE_BYTES_MAX && scope.chars().all(is_scope);
        Some(scope.to_owned()).filter(|_| is_usable)
    }

    /// The product error, with the server's name.
    pub fn into_error(self, server: &str) -> Error {
        Error::Upstream(UpstreamFailure {
            server: server.to_owned(),
            kind: self.kind,
            may_have_executed: self.may_have_executed,
        })
    }

    /// Whether the upstream itself is at fault, so that the breaker should count it.
    pub(super) fn is_outage(&self) -> bool {
        match self.kind {
            UpstreamFailureKind::Unreachable
            | UpstreamFailureKind::Timeout
            | UpstreamFailureKind::Closed
            | UpstreamFailureKind::Http(500..) => true,
            UpstreamFailureKind::Refused
            | UpstreamFailureKind::Protocol
            | UpstreamFailureKind::TooLarge
            | UpstreamFailureKind::Unauthorized
            | UpstreamFailureKind::Http(_)
            | UpstreamFailureKind::BreakerOpen
            | UpstreamFailureKind::Disabled => false,
        }
    }
}

impl CallFailure {
    /// Whether the upstream said something, if not what was wanted.
    pub(super) fn is_from_upstream(&self) -> bool {
        match self.kind {
            UpstreamFailureKind::Unauthorized
            | UpstreamFailureKind::Http(_)
            | UpstreamFailureKind::Protocol
            | UpstreamFailureKind::TooLarge => true,
            UpstreamFailureKind::Refused
            | UpstreamFailureKind::Unreachable
            | UpstreamFailureKind::Timeout
            | UpstreamFailureKind::Closed
            | UpstreamFailureKind::BreakerOpen
            | UpstreamFailureKind::Disabled => false,
        }
    }
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> Self {
        let may_have_executed = failure.sent() == Sent::Maybe;
        tracing::debug!(failure = %failure, "upstream exchange failed");
        Self::of(UpstreamFailureKind::from(&failure), may_have_executed)
    }
}
