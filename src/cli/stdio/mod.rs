//! `stdio`: an MCP server on standard input and output that speaks to a running gateway.

mod bridge;
mod lines;
mod link;
mod said;

use std::str::FromStr;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::io::BufReader;

use super::Failure;
use base::secret::Secret;
use bridge::Bridge;
use egress::{Egress, Policy};
use link::Gate;

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
        let gate = Gate {
            egress,
            destination,
            headers,
        };
        let link = gate.connect().await.map_err(|failure| {
            Failure::new(failure).with_hint(
                "is the gateway running at ACADEMY_BASE_URL, and is the key one of its own?",
            )
        })?;
        let ends = (BufReader::new(tokio::io::stdin()), tokio::io::stdout());
        Bridge::new(gate, ends).run(link).await
    }
}
