//! Whose credential a call travels with, and what is sent upstream for it.
//! The only module besides `oauth` that reads a stored secret in the clear.

pub mod access;
pub mod echo;
pub mod headers;
pub mod obstacle;
pub mod resolve;

pub use access::{Closed, Decision, decide};
pub use echo::Echoes;
pub use headers::Outbound;
pub use resolve::{Resolution, Subject, resolve};
