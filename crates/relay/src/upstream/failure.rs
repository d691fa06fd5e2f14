//! How a call to an upstream failed, and what may be done about it.

use std::borrow::Cow;

use bytes::Bytes;

use base::error::{BrokenRule, Error, UpstreamFailure, UpstreamFailureKind};
use egress::{Failure, Sent};

/// Longest list of scopes that a challenge may name, in bytes.
const SCOPE_BYTES_MAX: usize = 1024;
/// Longest text of an upstream that an error repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// A call that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    /// What happened.
    pub kind: UpstreamFailureKind,
    /// Whether the request may have reached the upstream.
    pub may_have_executed: bool,
    /// The `WWW-Authenticate` of a refused credential.
    pub challenge: Option<String>,
    /// The rule that the upstream broke, where it is one.
    pub broken: Option<Box<BrokenRule>>,
    /// In how many seconds the upstream may be asked again, if it says so.
    pub retry_after_s: Option<u64>,
    /// What it says in an error, for the operator's log alone.
    pub said: Option<Bytes>,
    /// No connection could be made: that is nobody's request.
    pub is_unconnected: bool,
    /// The upstream knows the session no more; nothing was carried out in it.
    pub is_of_session: bool,
}

impl CallFailure {
    /// A failure of this kind.
    pub fn of(kind: UpstreamFailureKind, may_have_executed: bool) -> Self {
        Self {
            kind,
            may_have_executed,
            challenge: None,
            broken: None,
            retry_after_s: None,
            said: None,
            is_unconnected: false,
            is_of_session: false,
        }
    }

    /// The upstream broke this rule.
    pub fn broke(broken: BrokenRule, may_have_executed: bool) -> Self {
        Self {
            broken: Some(Box::new(broken)),
            ..Self::of(UpstreamFailureKind::Protocol, may_have_executed)
        }
    }

    /// The scopes that the credential lacks, if the server says so (RFC 6750 section 3.1), separated by spaces.
    pub(crate) fn missing_scope(&self) -> Option<String> {
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

    /// Whether the upstream did not take the token at all. Nothing was carried out, and another token may be taken; one
    /// that lacks a scope would lack it again.
    pub(crate) fn is_refused_token(&self) -> bool {
        self.kind == UpstreamFailureKind::Unauthorized
            && !self.may_have_executed
            && self.missing_scope().is_none()
    }

    /// The HTTP status behind it; 0 for none.
    pub(super) fn status(&self) -> u16 {
        match self.kind {
            UpstreamFailureKind::Http(status) => status,
            UpstreamFailureKind::Unauthorized => 401,
            UpstreamFailureKind::Forbidden => 403,
            _ => 0,
        }
    }

    /// Whether the server says plainly that it is the credential which it does not take.
    pub(super) fn is_about_credential(&self) -> bool {
        let challenge = self.challenge.as_deref().unwrap_or_default();
        challenge.contains("invalid_token") || challenge.contains("insufficient_scope")
    }

    /// The failure of a list, which does nothing when it is asked for.
    pub(crate) fn of_a_list(self) -> Self {
        Self {
            may_have_executed: false,
            ..self
        }
    }

    /// The product error, with the server's name.
    pub(crate) fn into_error(self, server: &str) -> Error {
        Error::Upstream(UpstreamFailure {
            server: server.to_owned(),
            kind: self.kind,
            may_have_executed: self.may_have_executed,
            broken: self.broken,
            retry_after_s: self.retry_after_s,
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
            | UpstreamFailureKind::Forbidden
            | UpstreamFailureKind::Http(_)
            | UpstreamFailureKind::BreakerOpen
            | UpstreamFailureKind::Busy
            | UpstreamFailureKind::Disabled => false,
        }
    }
}

impl CallFailure {
    /// Whether the upstream said something, if not what was wanted.
    pub(super) fn is_from_upstream(&self) -> bool {
        match self.kind {
            UpstreamFailureKind::Unauthorized
            | UpstreamFailureKind::Forbidden
            | UpstreamFailureKind::Http(_)
            | UpstreamFailureKind::Protocol
            | UpstreamFailureKind::TooLarge => true,
            UpstreamFailureKind::Refused
            | UpstreamFailureKind::Unreachable
            | UpstreamFailureKind::Timeout
            | UpstreamFailureKind::Closed
            | UpstreamFailureKind::BreakerOpen
            | UpstreamFailureKind::Busy
            | UpstreamFailureKind::Disabled => false,
        }
    }
}

/// A text of an upstream as an error may repeat it.
pub(super) fn shown(text: &str) -> String {
    let clean = text.chars().map(|c| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    });
    let mut shown: String = clean.take(SHOWN_CHARACTERS_MAX).collect();
    if text.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The rule behind a failure of the way out, where it is one.
fn rule_of(failure: &Failure) -> Option<BrokenRule> {
    let text: Cow<'static, str> = match failure {
        Failure::Encoding { encoding } => {
            let text = format!("its answer cannot be read as {encoding:?}, which it names");
            return Some(BrokenRule::new("encoding", text));
        }
        Failure::Redirected { .. } => {
            "a redirect, and none is followed; register the address that it leads to".into()
        }
        _ => return None,
    };
    Some(BrokenRule::new("redirect", text))
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> Self {
        let is_refused = matches!(failure, Failure::Refused(_));
        let was_sent = failure.sent() == Sent::Maybe;
        tracing::debug!(failure = %failure, "upstream exchange failed");
        Self {
            broken: rule_of(&failure).map(Box::new),
            is_unconnected: !was_sent && !is_refused,
            ..Self::of(UpstreamFailureKind::from(&failure), was_sent)
        }
    }
}
