//! Who we are at an authorization server, and how we prove it at its token endpoint.
//! Never prints the secret.

use crate::registry::words;
use crate::secret::Secret;

words! {
    /// How a client proves itself at a token endpoint (RFC 8414, `token_endpoint_auth_methods_supported`).
    TokenAuthMethod {
        /// Id and secret in the `Authorization` header.
        ClientSecretBasic = "client_secret_basic",
        /// Id and secret in the body.
        ClientSecretPost = "client_secret_post",
        /// Not at all: a public client, whose id stands in the body.
        None = "none",
    }
}

/// A client of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id, which is no secret.
    pub id: String,
    /// Its secret, empty for a public client.
    pub secret: Secret,
    /// How it proves itself.
    pub auth_method: TokenAuthMethod,
}
