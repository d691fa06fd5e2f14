//! Serves one fixture until it is interrupted: `serve KIND [PORT] [ILL]`, KIND as in `Behaviour`,
//! ILL one of `hang`, `die`, `flood`, as in `Ill`.

use std::net::SocketAddr;

use upstream_fixtures::{Behaviour, Ill, Upstream};

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
    let behaviour = match arguments.next().as_deref() {
        None => behaviour,
        Some("hang") => behaviour.ill(Ill::HangOnList),
        Some("die") => behaviour.ill(Ill::DieMidCall),
        Some("flood") => behaviour.ill(Ill::Flood),
        Some(_) => return Err(std::io::Error::other("ILL is hang, die or flood")),
    };
    let upstream = Upstream::start_on(SocketAddr::from(([127, 0, 0, 1], port)), behaviour).await?;
    eprintln!("{}", upstream.url());
    std::future::pending().await
}
