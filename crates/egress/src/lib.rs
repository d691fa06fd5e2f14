//! The only way out to the network: who may be dialled, and how much of an answer is read.
//! No other module opens an outbound socket (the database aside); this one never follows a redirect.

mod examine;
mod client;
mod outgoing;
mod body;
mod sse;
mod unpack;
mod websocket;
mod mail;
mod failure;
mod connect;
mod wire;
mod tls;
mod resolver;
mod policy;
mod refused;
mod destination;
mod address;
#[cfg(test)]
mod tests;

pub use address::is_global;
pub use body::{Body, CappedBody};
pub use client::{Egress, HEAD_BYTES_MAX, IDLE_CONNECTION_TIME, IDLE_CONNECTIONS_MAX, Limits};
pub use connect::{CONNECT_DEADLINE, CONNECTIONS_MAX, RESOLVE_DEADLINE};
pub use destination::{Destination, URL_BYTES_MAX};
pub use failure::{Cause, Failure, Sent};
pub use mail::{BadMailServer, GREETING_BYTES_MAX, MailServer, MailStream};
pub use policy::{ADDRESSES_MAX, Policy};
pub use refused::{Reason, Refused};
pub use resolver::{Resolver, SystemResolver};
pub use sse::{EVENT_BYTES_MAX, Event, EventStream};
pub use tls::SetupError;
pub use unpack::UNPACKED_BYTES_MAX;
pub use websocket::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, Message, SUBPROTOCOL, WebSocket};
