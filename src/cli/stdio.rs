//! `stdio`: an MCP server on standard input and output that speaks to a running gateway.

use std::str::FromStr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::Failure;
use crate::egress::{Egress, Limits, Message as Frame, Policy};
use crate::native;
use crate::secret::Secret;

/// Longest wait for the gateway to accept the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Serve MCP on stdio for a client that starts programs, such as Claude Desktop
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example, in a client's configuration:\n  { \"command\": \"mentor-gateway\", \"args\": [\"stdio\", \"--server\", \"mentor:UUID\"],\n    \"env\": { \"ACADEMY_BASE_URL\": \"http://127.0.0.1:8600\", \"ACADEMY_API_KEY\": \"…\" } }\n\nThe key is read from the environment only, never from an argument."
)]
pub(super) struct Stdio {
    /// `v2` or `v1` (the academy), `user` (the learner server), `mentor:UUID` (its union of tools) or `server:ID` (one server, for an admin)
    #[arg(long)]
    server: Served,
    /// Where the gateway runs
    #[arg(
        long,
        env = "ACADEMY_BASE_URL",
        default_value = "http://127.0.0.1:8600"
    )]
    base_url: String,
    /// The key
    #[arg(skip)]
    key: Option<Secret>,
}

/// What is served, as a path of the gateway.
#[derive(Debug, Clone)]
struct Served(String);

impl FromStr for Served {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("mentor", mentor)) if !mentor.is_empty() => {
                Ok(Self(format!("/mcp/mentors/{mentor}/ws")))
            }
            Some(("server", id)) if id.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self(format!("/mcp/servers/{id}/ws")))
            }
            None if native::find(text).is_some() => Ok(Self(format!("/mcp/{text}/ws"))),
            _ => Err(format!(
                "{text:?} is neither a server of ours (v1, v2, user) nor mentor:UUID nor server:ID"
            )),
        }
    }
}

impl Stdio {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let key = self.key.or_else(crate::config::api_key).ok_or_else(|| {
            Failure::used_wrongly("no key")
                .with_hint("put it into the environment as ACADEMY_API_KEY")
        })?;
        // The operator names the gateway: any address will do, plain HTTP included.
        let everywhere = ["0.0.0.0/0", "::/0"].map(|range| range.parse().expect("a valid range"));
        let egress = Egress::new(Policy {
            allow: everywhere.to_vec(),
            plaintext: true,
            roots_file: None,
        })
        .map_err(Failure::new)?;
        let base = self
            .base_url
            .trim_end_matches('/')
            .replacen("http", "ws", 1);
        let destination = egress
            .check_url(&format!("{base}{}", self.server.0))
            .map_err(Failure::new)?;
        let mut headers = HeaderMap::new();
        let value = format!("Token {}", key.expose())
            .parse()
            .map_err(|_| Failure::used_wrongly("the key is not a header value"))?;
        headers.insert(AUTHORIZATION, value);
        let limits = Limits {
            headers: CONNECT_TIMEOUT,
            idle: CONNECT_TIMEOUT,
        };
        let socket = egress
            .websocket(&destination, headers, &limits)
            .await
            .map_err(|failure| {
                Failure::new(failure).with_hint(
                    "is the gateway running at ACADEMY_BASE_URL, and is the key one of its own?",
                )
            })?;
        let (mut sink, mut stream) = socket.split();
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut out = tokio::io::stdout();
        loop {
            tokio::select! {
                line = lines.next_line() => match line? {
                    Some(line) if line.trim().is_empty() => {}
                    Some(line) => sink.send(Frame::text(line)).await.map_err(|_| closed())?,
                    None => {
                        // The client has gone; the gateway ends what it began.
                        let _ = sink.send(Frame::Close(None)).await;
                        return Ok(());
                    }
                },
                frame = stream.next() => match frame {
                    Some(Ok(Frame::Text(text))) => {
                        let mut line = text.replace(['\n', '\r'], " ");
                        line.push('\n');
                        out.write_all(line.as_bytes()).await?;
                        out.flush().await?;
                    }
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_))) => {}
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(closed()),
                },
            }
        }
    }
}

fn closed() -> Failure {
    Failure::new("the gateway closed the connection")
}
