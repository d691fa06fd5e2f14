//! A real gateway on a port of its own, with a database of its own, and clients for it.

mod academy;
mod app;
mod chat;
mod client;
mod mail;
mod mcp;
mod oauth;
mod sign_in;
mod upstream;
mod webdriver;

pub use academy::Academy;
pub use app::{Gateway, PUBLIC_SERVER};
pub use chat::{Chat, connect as connect_socket, session, text_of};
pub use client::{Answer, Client, send, send_bytes};
pub use mail::MailServer;
pub use mcp::{LEGACY, Live, MODERN, Mcp, Reply, SOON, VERSIONS, names, rpc_error};
pub use oauth::{Stored, THINKING};
pub use sign_in::{CALLBACK, SignIn, connected_services};
pub use upstream::{
    Stage, UPSTREAM_TIMEOUT_MS, closed_address, connect, eventually, register, server_path,
};
pub use webdriver::WebDriver;
