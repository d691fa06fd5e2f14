//! Small MCP upstreams in raw JSON-RPC, one per transport and era, well and ill behaved.
//! Nothing of the gateway may be used here: a fixture that shares code with what it tests proves
//! nothing.
//!
//! An [`Upstream`] is a server on 127.0.0.1 with a [`Behaviour`]; it writes down what arrives
//! ([`Seen`]) and can be told to change its tools, forget its sessions or fall [`Ill`] meanwhile.
//!
//! An [`AuthorizationServer`](issuer::AuthorizationServer) with switches stands beside them.
//!
//! [`manners`] is a table of servers that speak MCP in manners of their own, and what clients make of them.
//!
//! One request, file by file: `transport/accept.rs` takes the connection, `transport/` parses the
//! message and opens the stream of its answer, `ill/` takes over if the illness strikes this
//! method, else `dispatch.rs` finds the method and `tools/`, `resources.rs`, `prompts.rs` or
//! `lists.rs` answer, in the words of the caller's protocol revision (`revision.rs`).
#![deny(clippy::unwrap_used)]

mod seen;
mod rpc;
mod revision;
mod behaviour;
mod state;
mod session;
mod call;
mod modern;
mod model;
mod lists;
mod tools;
mod asking;
mod resources;
mod prompts;
mod dispatch;
mod ill;
mod transport;
mod upstream;
pub mod issuer;
pub mod manners;

pub use behaviour::{Answers, Behaviour, Era, Transport};
pub use ill::{Ill, Illness};
pub use model::{Model, Reply};
pub use revision::Revision;
pub use seen::{NotSeen, Seen};
pub use tools::{every_tool, plain_tool};
pub use upstream::Upstream;
