//! Serves one fixture until it is interrupted: `serve KIND [PORT]`, KIND as in `Behaviour`.

use std::net::SocketAddr;

use upstream_fixtures::{Behaviour, Upstream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let behaviour = match arguments.next().as_deref() {
        Some("stateless") => Behaviour::stateless(),
        Some("sessions") => Behaviour::sessions(),
        Some("dual") => Behaviour::dual(),
        Some("sse") => Behaviour::sse(),
        Some("websocket") => Behaviour::websocket(),
        Some("websocket_modern") => Behaviour::websocket_modern(),
        _ => {
            let kinds = "stateless|sessions|dual|sse|websocket|websocket_modern";
            return Err(std::io::Error::other(format!(
                "usage: serve {kinds} [PORT]"
            )));
        }
    };
    let port = arguments
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let upstream = Upstream::start_on(SocketAddr::from(([127, 0, 0, 1], port)), behaviour).await?;
    eprintln!("{}", upstream.url());
    std::future::pending().await
}
