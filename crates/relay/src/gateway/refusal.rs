//! Why a request gets no result.

use crate::upstream::CallFailure;
use base::error::{Error, UpstreamFailureKind};
use broker::credentials::Closed;
use broker::credentials::headers::GrantVersion;
use broker::registry::server::ServerId;
use mcp::error::RpcError;

/// Why a request gets no result: already in the words of this wire, or a product error.
#[derive(Debug)]
pub enum Refusal {
    /// Words of the protocol.
    Rpc(RpcError),
    /// A product error.
    Product(Error),
    /// A person must sign in first.
    SignIn(SignIn),
}

impl From<RpcError> for Refusal {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Product(error)
    }
}

/// A call cannot go on until its person has signed in to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub server_name: String,
    /// Scopes beyond those of the server's service, separated by spaces.
    pub scope: String,
    /// The grant that was not enough, at the version that was not.
    pub refused: Option<GrantVersion>,
}

impl SignIn {
    /// The product error, for wires and places where nobody can be asked.
    pub fn error(&self) -> Error {
        closed(&Closed::SignInNeeded, &self.server_name)
    }
}

/// The product error of a call to a server that is closed.
pub(super) fn closed(why: &Closed, server: &str) -> Error {
    let failure = |kind| CallFailure::of(kind, false).into_error(server);
    match why {
        Closed::Disabled => failure(UpstreamFailureKind::Disabled),
        Closed::Refused => failure(UpstreamFailureKind::Refused),
        Closed::Unavailable
        | Closed::OtherMentor
        | Closed::SignInNeeded
        | Closed::SignInImpossible(_)
        | Closed::TokenEnded
        | Closed::ClientRefused
        | Closed::NoConnection(_)
        | Closed::BadSecret => Error::NoConnection {
            server: server.to_owned(),
            reason: why.sentence(server),
        },
    }
}
