//! OAuth: how a person grants access at another service, and how that grant is refreshed and revoked.
//! Rules, SQL and the talk with authorization servers; knows no wire of ours and never logs a token or a code.

mod answer;
pub mod catalog;
pub mod client;
pub mod connect;
pub mod discover;
pub mod flow;
pub mod found;
pub mod integration;
mod integration_value;
mod lenient;
mod parameters;
mod post;
pub mod prompt;
pub mod provider;
mod reauth;
pub mod refresh;
pub mod register;
pub mod revoke;
pub mod scope;
pub mod service;
pub mod state;
mod template;
pub mod token;
mod tokens;
mod verdict;

pub use client::{Client, TokenAuthMethod};
pub use reauth::ReauthReason;
pub use refresh::{Ask, Refreshed, Refresher};
pub use revoke::{Revocable, revoke};
pub use token::{CodeGrant, TokenEndpoint};
pub use tokens::{TokenError, Tokens};
