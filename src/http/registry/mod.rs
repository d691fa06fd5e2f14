//! The registry on the REST surface: servers, their images, and connections.

mod connection_answer;
pub(crate) mod connections;
pub(crate) mod images;
mod server_answer;
mod server_request;
pub(crate) mod resolve;
pub(crate) mod servers;
mod warning;

pub(crate) use server_answer::{ServerAnswer, Viewer};
