//! A real gateway on a port of its own, with a database of its own, and clients for it.

mod academy;
mod app;
mod bucket;
mod canary;
mod chat;
pub mod cli;
mod client;
mod granted;
mod mail;
mod mcp;
mod oauth;
mod pages;
mod receiver;
pub mod schema;
mod scripted;
mod sign_in;
mod upstream;
mod webdriver;

pub use academy::{Academy, load as load_world};
pub use app::{Gateway, PUBLIC_SERVER, Replica, today};
pub use bucket::Bucket;
pub use canary::{Canaries, Written, rows_of, written_below};
pub use chat::{
    Chat, begun, connect as connect_socket, connected, plain, refusal, session, text_of,
};
pub use client::{Answer, Client, send, send_bytes};
pub use granted::{Granted, fresh, token_of};
pub use mail::MailServer;
pub use mcp::{LEGACY, Live, MODERN, Mcp, Reply, SOON, VERSIONS, names, rpc_error};
pub use oauth::THINKING;
pub use pages::{Browser, Drive, page, says};
pub use receiver::{Receiver, signed};
pub use scripted::{Heard, Script, handshake, scripted};
pub use sign_in::{CALLBACK, SignIn, connected_services, parameter};
pub use upstream::{
    Stage, UPSTREAM_TIMEOUT_MS, closed_address, connect, eventually, register, server_path,
};
pub use webdriver::WebDriver;
