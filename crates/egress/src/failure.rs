//! What can go wrong on the way to another server, and whether the request may have left.
//! It must never know a wire format, nor print a source or a URL.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use hyper_util::client::legacy;

use super::refused::{Reason, Refused};
use base::error::UpstreamFailureKind;

/// The cause under a failure; shared, because one failed connection can fail several callers.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The policy closes this URL, or an address its name has now.
    #[error("the destination is not allowed")]
    Refused(#[from] Refused),
    /// The name has no address, or the resolver did not answer in time.
    #[error("the host name could not be resolved")]
    Resolve(#[source] Cause),
    /// No address could be dialled, or the connection was gone before it took the request.
    #[error("the connection failed")]
    Connect(#[source] Cause),
    /// The handshake failed; above all a certificate that is not believed.
    #[error("no TLS connection could be made")]
    Tls(#[source] Cause),
    /// Resolving, dialling and TLS together took too long, or the headers' deadline came before their end.
    #[error("not connected within {after:?}")]
    ConnectTimeout {
        /// The deadline.
        after: Duration,
    },
    /// The headers of the answer did not come in time.
    #[error("no answer within {after:?}")]
    HeadersTimeout {
        /// The deadline.
        after: Duration,
    },
    /// Nothing came for too long in the middle of an answer.
    #[error("nothing received for {after:?}")]
    IdleTimeout {
        /// The deadline.
        after: Duration,
    },
    /// The whole answer did not come in time, though bytes kept coming.
    #[error("the answer was not complete within {after:?}")]
    BodyTimeout {
        /// The deadline.
        after: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the connection closed before the answer was complete")]
    Closed(#[source] Cause),
    /// The answer, or one event or message of it, is too long.
    #[error("the answer is longer than {max_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// The answer is a redirect; it is never followed.
    #[error("the server redirects with status {status}")]
    Redirected {
        /// The status, 300 to 399.
        status: StatusCode,
    },
    /// The server declined the WebSocket; 401 carries its challenge in the headers.
    #[error("the server declined the WebSocket with status {status}")]
    Declined {
        /// The status.
        status: StatusCode,
        /// The headers of the answer.
        headers: Arc<HeaderMap>,
    },
    /// The answer is not of the encoding that it names, or that cannot be taken off.
    #[error("the answer has an encoding that cannot be read: {encoding:?}")]
    Encoding {
        /// What it names, cut and cleaned.
        encoding: String,
    },
    /// The answer is not the protocol that was spoken.
    #[error("the answer breaks the protocol")]
    Protocol(#[source] Cause),
}

/// Whether a request may have reached the server, which decides if it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte of the request was written.
    Never,
    /// The request, or a part of it, may have been written and carried out.
    Maybe,
}

impl Failure {
    /// Returns whether the request may have left.
    ///
    /// `Never` is a proof: it covers the time before a connection exists, and a connection that was gone
    /// before it began to send.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Refused(_)
            | Self::Resolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::ConnectTimeout { .. } => Sent::Never,
            Self::HeadersTimeout { .. }
            | Self::IdleTimeout { .. }
            | Self::BodyTimeout { .. }
            | Self::Closed(_)
            | Self::TooLarge { .. }
            | Self::Redirected { .. }
            | Self::Declined { .. }
            | Self::Encoding { .. }
            | Self::Protocol(_) => Sent::Maybe,
        }
    }

    /// Sorts an error of the pooled client; `has_begun` tells whether a connection took the request.
    ///
    /// hyper-util sends a request again by itself if a pooled connection gives it back unsent, which is
    /// safe; what arrives here has run out of luck.
    pub(super) fn from_client(error: legacy::Error, has_begun: bool) -> Self {
        let Some(source) = error.source() else {
            // The URI has no scheme or no host; nothing was dialled.
            return Self::Refused(Reason::Malformed.into());
        };
        if let Some(failure) = source.downcast_ref::<Self>() {
            return failure.clone();
        }
        if !has_begun {
            return Self::Connect(Arc::new(error));
        }
        match source.downcast_ref::<hyper::Error>() {
            Some(cause) if cause.is_parse() => Self::Protocol(Arc::new(error)),
            _ => Self::Closed(Arc::new(error)),
        }
    }

    /// Takes the failure out of a connector's boxed error; anything else comes from TLS.
    pub(super) fn from_connector(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => *failure,
            Err(error) => Self::Tls(Arc::from(error)),
        }
    }
}

/// What a failure is to callers, who learn no address and no text of the other side.
impl From<&Failure> for UpstreamFailureKind {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(_) => Self::Refused,
            Failure::Resolve(_) | Failure::Connect(_) | Failure::Tls(_) => Self::Unreachable,
            Failure::ConnectTimeout { .. }
            | Failure::HeadersTimeout { .. }
            | Failure::IdleTimeout { .. }
            | Failure::BodyTimeout { .. } => Self::Timeout,
            Failure::Closed(_) => Self::Closed,
            Failure::TooLarge { .. } => Self::TooLarge,
            Failure::Redirected { status } => Self::Http(status.as_u16()),
            Failure::Declined { status, .. } if matches!(status.as_u16(), 401 | 403) => {
                Self::Unauthorized
            }
            Failure::Declined { status, .. } => Self::Http(status.as_u16()),
            Failure::Encoding { .. } | Failure::Protocol(_) => Self::Protocol,
        }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}
