//! Which servers there are, the connections and grants to them, and whose credential a call travels with.
//! The floor of secrets: nothing above it opens one.
#![deny(clippy::unwrap_used)]
pub mod registry;
pub mod oauth;
pub mod credentials;
pub mod guard;
pub mod model;
