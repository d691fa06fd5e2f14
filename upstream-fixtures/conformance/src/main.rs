//! The upstream that the official MCP conformance scenarios call: `conformance-upstream PORT`.
//! Must never be cleverer than the scenarios ask: its answers are compared word for word.
//!
//! Built on rmcp, unlike the other fixtures, so that a score of the gateway is measured against
//! the protocol as somebody else understood it. `server.rs` is the table of methods, `tools/` has
//! the tools by kind, `sessions.rs` does what rmcp does not offer to a handler.
#![deny(clippy::unwrap_used)]
#![expect(
    deprecated,
    reason = "sampling and logging are deprecated, not gone; scenarios call them"
)]

mod listed;
mod prompts;
mod resources;
mod server;
mod sessions;
mod skills;
mod tools;

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::serve::ListenerExt;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use crate::server::Conformance;
use crate::sessions::Sessions;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    eprintln!("http://{}/mcp", listener.local_addr()?);
    let server = Conformance::new().map_err(std::io::Error::other)?;
    let config = StreamableHttpServerConfig::default().with_allowed_origins([
        "http://localhost:*",
        "http://127.0.0.1:*",
        "http://[::1]:*",
    ]);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Sessions::default().into(),
        config,
    );
    // Else every answer in two pieces waits 40 ms for the peer's delayed acknowledgement.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, Router::new().nest_service("/mcp", service)).await
}
