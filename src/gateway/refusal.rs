//! Why a request gets no result.

use crate::credentials::Closed;
use crate::credentials::headers::GrantVersion;
use crate::error::{Error, UpstreamFailureKind};
use crate::mcp::error::RpcError;
use crate::registry::server::ServerId;
use crate::upstream::CallFailure;

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
        Closed::SignInNeeded.error(&self.server_name)
    }
}

impl Closed {
    /// The product error of a call to such a server.
    pub fn error(&self, server: &str) -> Error {
        let failure = |kind| CallFailure::of(kind, false).into_error(server);
        match self {
            Self::Disabled => failure(UpstreamFailureKind::Disabled),
            Self::Refused => failure(UpstreamFailureKind::Refused),
            Self::Unavailable
            | Self::OtherMentor
            | Self::SignInNeeded
            | Self::SignInImpossible(_)
            | Self::TokenEnded
            | Self::ClientRefused
            | Self::NoConnection(_)
            | Self::BadSecret => Error::NoConnection {
                server: server.to_owned(),
                reason: self.sentence(server),
            },
        }
    }
}
