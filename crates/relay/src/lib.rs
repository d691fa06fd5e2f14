//! What a mentor sees of all its servers: lists, names, calls, the bridge between the eras, and the chats that use them.
//! The only floor that speaks MCP as a client.
#![deny(clippy::unwrap_used)]
pub mod upstream;
pub mod gateway;
pub mod chat;
