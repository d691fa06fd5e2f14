//! Whether a server has forgotten a session, whatever it says of that. Servers answer an old session id with nearly any
//! status and any words; what tells is that it refuses a `ping` in the same way. Nothing was carried out then.

use bytes::Bytes;

use super::answer::{Came, code_of, read};
use super::{HttpWire, ids, post};
use crate::upstream::era::PROBE_DEADLINE;
use crate::upstream::failure::CallFailure;
use crate::upstream::session::Session;
use base::error::UpstreamFailureKind;
use egress::Limits;
use mcp::message;

/// Codes of error responses under status 200 that servers use for a session which they do not know.
const SESSION_CODES: [i64; 5] = [-32000, -32001, -32002, -32600, -32602];

/// A refusal, as far as two of them are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal {
    status: u16,
    code: Option<i64>,
}

impl Refusal {
    /// What came for a request, if it is a refusal of any kind.
    fn of(sent: &Result<Came, CallFailure>) -> Option<Self> {
        match sent {
            Ok(Came::Message(message, status)) if message.error.is_some() => Some(Self {
                status: status.as_u16(),
                code: code_of(message),
            }),
            Ok(_) => None,
            Err(failure) => match failure.status() {
                0 => None,
                status => Some(Self { status, code: None }),
            },
        }
    }

    /// Whether it may be about the session. A status of a proxy is about the way to the server.
    fn is_suspicious(self) -> bool {
        match self.status {
            200..=299 => self.code.is_some_and(|code| SESSION_CODES.contains(&code)),
            400..=499 => self.status != 429,
            502..=504 => false,
            status => status >= 500,
        }
    }
}

impl HttpWire {
    /// The failure of a request whose session the server knows no more: nothing of it was carried out.
    pub(super) async fn session_failure(
        &self,
        session: &Session,
        sent: &Result<Came, CallFailure>,
    ) -> Option<CallFailure> {
        let refusal = Refusal::of(sent).filter(|_| self.session_id.is_some())?;
        let is_plain = sent.as_ref().err().is_some_and(|failure| {
            // The documented "your session is gone".
            failure.kind == UpstreamFailureKind::Http(404)
        });
        if !is_plain && !self.is_forgotten(session, refusal, sent).await {
            return None;
        }
        let failure = match sent {
            Err(failure) => failure.clone(),
            Ok(_) => CallFailure::of(UpstreamFailureKind::Http(refusal.status), false),
        };
        Some(CallFailure {
            may_have_executed: false,
            is_of_session: true,
            ..failure
        })
    }

    async fn is_forgotten(
        &self,
        session: &Session,
        refusal: Refusal,
        sent: &Result<Came, CallFailure>,
    ) -> bool {
        let is_about_credential = sent.as_ref().is_err_and(CallFailure::is_about_credential);
        if !session.has_worked() || is_about_credential || !refusal.is_suspicious() {
            return false;
        }
        let _checking = session.checking.lock().await;
        // Found out by another call meanwhile.
        if !session.is_open() {
            return true;
        }
        let is_refused_alike = Refusal::of(&self.ping(session).await) == Some(refusal);
        if is_refused_alike {
            tracing::info!(
                server.id = session.server_id(),
                status = refusal.status,
                code = refusal.code,
                "a server does not know its session any more"
            );
        }
        is_refused_alike
    }

    async fn ping(&self, session: &Session) -> Result<Came, CallFailure> {
        let upstream = &session.upstream;
        let id = ids::next().to_string();
        let body = Bytes::from(message::request(id.as_bytes(), "ping", b"{}"));
        let request = post(upstream, &session.credential, self.headers(session), body);
        let limits = Limits {
            headers: PROBE_DEADLINE.min(upstream.limits.headers),
            idle: PROBE_DEADLINE.min(upstream.limits.idle),
        };
        read(upstream.egress.send(request, &limits).await?, &limits).await
    }
}
