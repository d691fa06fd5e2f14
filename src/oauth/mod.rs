//! OAuth: how a person grants access at another service, and how that grant is kept fresh and given back.
//! Rules, SQL and the talk with authorization servers; knows no wire of ours and never logs a token or a code.

pub mod client;
pub mod revoke;
pub mod token;

pub use client::{Client, TokenAuthMethod};
pub use revoke::{Revocable, revoke};
pub use token::{CodeGrant, TokenEndpoint, TokenError, Tokens};
