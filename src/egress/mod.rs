//! The only way out to the network: who may be dialled, and how much of an answer is read.
//! No other module opens an outbound socket (the database aside); this one never follows a redirect.

mod failure;
mod connect;
mod wire;
mod tls;
mod resolver;
mod policy;
mod refused;
mod destination;
mod address;

pub use address::is_global;
pub use connect::{CONNECT_DEADLINE, CONNECTIONS_MAX, RESOLVE_DEADLINE};
pub use destination::Destination;
pub use failure::{Cause, Failure, Sent};
pub use policy::{ADDRESSES_MAX, Policy, URL_BYTES_MAX};
pub use refused::{Reason, Refused};
pub use resolver::{Resolver, SystemResolver};
pub use tls::SetupError;
