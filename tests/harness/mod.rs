//! A real gateway on a port of its own, with a database of its own, and clients for it.

mod app;
mod client;

pub use app::{Gateway, PUBLIC_SERVER};
pub use client::{Answer, Client, send};
