//! `doctor`: the way to a server, step by step, with what to do where it ends.
//! Goes the way of a call, through `egress` and `upstream`, and registers nothing.

mod authorization;

use std::fmt::Display;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::{Failure, say};
use crate::app::way_out;
use crate::config::Config;
use base::clock::UnixMs;
use base::error::UpstreamFailureKind;
use base::tasks::Tasks;
use broker::credentials::Outbound;
use broker::registry::server::{Server, ServerId};
use broker::registry::verdict::Place;
use broker::registry::{AuthType, Scope, Transport};
use egress::{self, Destination, Egress};
use mcp::raw::string;
use mcp::{RawObject, meta};
use relay::upstream::{CallFailure, Client, Lane, Session, Upstreams};
use tenancy::tenant::TenantId;

/// Pages of tools that are read at most.
const PAGES_MAX: usize = 100;

/// Explain step by step why a server can or cannot be reached
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mentor-gateway doctor https://mcp.example.com/mcp\n  mentor-gateway doctor http://127.0.0.1:3001/sse --transport sse --egress-allow 127.0.0.0/8\n\nEach line says ok, note or failed; the exit code is 1 if any failed."
)]
pub(super) struct Doctor {
    /// The server's URL, as it would be registered
    url: String,
    /// streamable_http, sse or websocket [default: websocket for ws and wss, else streamable_http]
    #[arg(long, value_parser = PossibleValuesParser::new(Transport::WORDS))]
    transport: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    has_failed: bool,
}

impl Findings {
    fn ok(&self, step: &str, text: impl Display) {
        say(format_args!("ok      {step:<12} {text}"));
    }

    fn note(&self, step: &str, text: impl Display) {
        say(format_args!("note    {step:<12} {text}"));
    }

    fn failed(&mut self, step: &str, text: impl Display, advice: impl Display) {
        self.has_failed = true;
        say(format_args!(
            "failed  {step:<12} {text}\n        {:<12} → {advice}",
            ""
        ));
    }
}

impl Doctor {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let egress = way_out(config).map_err(Failure::new)?;
        let mut findings = Findings::default();
        self.examine(config, &egress, &mut findings).await;
        if findings.has_failed {
            return Err(Failure::new("the server cannot be used as it is"));
        }
        Ok(())
    }

    /// Each step needs the ones before it.
    async fn examine(&self, config: &Config, egress: &Egress, findings: &mut Findings) {
        let Some(destination) = self.check_url(egress, findings) else {
            return;
        };
        if !(check_addresses(egress, &destination, findings).await
            && check_connection(egress, &destination, findings).await)
        {
            return;
        }
        let tasks = Tasks::default();
        let upstreams = Upstreams::new(egress.clone(), tasks.clone(), config.upstream_timeout);
        match self.open_session(&upstreams, &destination).await {
            Ok(session) => {
                check_session(&session, findings).await;
                session.close().await;
            }
            Err(failure)
                if matches!(
                    failure.kind,
                    UpstreamFailureKind::Unauthorized | UpstreamFailureKind::Forbidden
                ) =>
            {
                findings.note("credential", "the server wants one (401 or 403)");
                let challenge = failure.challenge.as_deref();
                authorization::examine(egress, &destination, challenge, findings).await;
            }
            Err(failure) => {
                let advice = advice_for(failure.kind, self.transport(&destination));
                findings.failed("protocol", sentence(&failure), advice);
            }
        }
        tasks.finish().await;
    }

    fn check_url(&self, egress: &Egress, findings: &mut Findings) -> Option<Destination> {
        match egress.check_url(&self.url) {
            Ok(destination) => {
                let transport = self.transport(&destination);
                if destination.is_websocket() != (transport == Transport::Websocket) {
                    let text = format!("{transport} does not go with this scheme");
                    findings.failed(
                        "URL",
                        text,
                        "use ws or wss for websocket, http or https for the others",
                    );
                    return None;
                }
                findings.ok(
                    "URL",
                    format_args!("{} may be dialled, over {transport}", destination.origin()),
                );
                Some(destination)
            }
            Err(refused) => {
                findings.failed("URL", refused.reason(), advice_against(refused.reason()));
                None
            }
        }
    }

    fn transport(&self, destination: &Destination) -> Transport {
        match &self.transport {
            Some(word) => word.parse().expect("clap lets no other word through"),
            None if destination.is_websocket() => Transport::Websocket,
            None => Transport::StreamableHttp,
        }
    }

    async fn open_session(
        &self,
        upstreams: &Upstreams,
        destination: &Destination,
    ) -> Result<Arc<Session>, CallFailure> {
        let server = self.record(destination);
        let credential = Outbound {
            place: Place::Server(ServerId(0)),
            headers: http::HeaderMap::new(),
            fingerprint: [0; 16],
            identity: [0; 16],
            step: None,
            is_personal: false,
            grant: None,
            echoes: Arc::default(),
        };
        let upstream = upstreams.of(&server).await?;
        upstream
            .session(&Lane::default(), &credential, &Client::gateway())
            .await
    }

    /// The record that registering would make, as far as a call looks at it.
    fn record(&self, destination: &Destination) -> Server {
        Server {
            id: ServerId(0),
            tenant_id: TenantId(0),
            mentor_id: None,
            owner: String::new(),
            name: "the server".into(),
            description: String::new(),
            url: self.url.clone(),
            origin: destination.origin().to_owned(),
            image: None,
            transport: self.transport(destination),
            credentials_sealed: String::new(),
            extra_headers_sealed: String::new(),
            auth_type: AuthType::None,
            auth_scope: Scope::Platform,
            oauth_service_id: None,
            is_featured: false,
            is_enabled: true,
            clean_output: false,
            tool_prefix: String::new(),
            native: String::new(),
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
        }
    }
}

/// Every address must be open: the one that is dialled is not ours to choose.
async fn check_addresses(
    egress: &Egress,
    destination: &Destination,
    findings: &mut Findings,
) -> bool {
    let addresses = match egress.addresses(destination).await {
        Ok(addresses) => addresses,
        Err(failure) => {
            findings.failed(
                "address",
                chain(&failure),
                "check the name, and this machine's resolver",
            );
            return false;
        }
    };
    let mut are_open = true;
    for (address, refused) in addresses {
        match refused {
            None => findings.ok("address", format_args!("{address} may be dialled")),
            Some(reason) => {
                are_open = false;
                findings.failed("address", &reason, advice_against(&reason));
            }
        }
    }
    are_open
}

async fn check_connection(
    egress: &Egress,
    destination: &Destination,
    findings: &mut Findings,
) -> bool {
    match egress.try_connection(destination).await {
        Ok(Some(version)) => findings.ok(
            "connection",
            format_args!("TCP and {version}, with a certificate that is believed"),
        ),
        Ok(None) => findings.ok("connection", "TCP, in the clear"),
        Err(failure) => {
            let advice = match &failure {
                egress::Failure::Tls(_) => {
                    "correct the server's certificate, or trust its issuer with --egress-ca-file"
                }
                _ => "see that the server runs, and that no firewall is in between",
            };
            findings.failed("connection", chain(&failure), advice);
            return false;
        }
    }
    true
}

async fn check_session(session: &Arc<Session>, findings: &mut Findings) {
    let version = session.version();
    let era = if version.is_modern() {
        "stateless"
    } else {
        "with sessions"
    };
    let handshake = session.handshake();
    let handshake = RawObject::parse(&handshake).unwrap_or_default();
    findings.ok(
        "protocol",
        format_args!("revision {version}, {era}{}", who(&handshake)),
    );
    match count_tools(session).await {
        Ok(0) => findings.note("tools", "none"),
        Ok(count) => findings.ok("tools", count),
        Err(failure) => {
            let advice = "see the server's own log for `tools/list`";
            findings.failed("tools", sentence(&failure), advice);
        }
    }
}

/// The name under which the server introduces itself, where it says one.
fn who(handshake: &RawObject<'_>) -> String {
    let metadata = handshake
        .get("_meta")
        .and_then(|json| RawObject::parse(json).ok());
    let info = handshake
        .get("serverInfo")
        .or_else(|| metadata.as_ref()?.get(meta::SERVER_INFO))
        .and_then(|json| serde_json::from_slice::<Value>(json).ok())
        .unwrap_or_default();
    match (info["name"].as_str(), info["version"].as_str()) {
        (Some(name), Some(version)) => format!("; it calls itself {name:?} {version:?}"),
        _ => String::new(),
    }
}

async fn count_tools(session: &Arc<Session>) -> Result<usize, CallFailure> {
    let (mut count, mut cursor) = (0, None::<String>);
    for _ in 0..PAGES_MAX {
        let mut params = RawObject::default();
        if let Some(cursor) = &cursor {
            params.set("cursor", string(cursor));
        }
        let page = session
            .ask("tools/list", params, &Client::gateway())
            .await?;
        let page: Value = serde_json::from_slice(&page)
            .map_err(|_| CallFailure::of(UpstreamFailureKind::Protocol, false))?;
        count += page["tools"].as_array().map_or(0, Vec::len);
        match page["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    Ok(count)
}

fn advice_against(reason: &egress::Reason) -> &'static str {
    match reason {
        egress::Reason::Address(_) | egress::Reason::Name => {
            "if it is a server of yours, open its range: --egress-allow CIDR; metadata addresses stay closed"
        }
        egress::Reason::Plaintext => {
            "use https or wss; plain text is open towards the ranges of --egress-allow only"
        }
        egress::Reason::Port(_) => "let the server listen on a port that is not another protocol's",
        egress::Reason::UserInfo => "leave the credential out of the URL; store it as a connection",
        _ => "correct the URL: https://HOST/PATH, as the server's documentation gives it",
    }
}

fn sentence(failure: &CallFailure) -> String {
    match failure.kind {
        UpstreamFailureKind::Http(404) => "there is nothing at this path (HTTP 404)".into(),
        UpstreamFailureKind::Http(405) => "this path does not accept POST (HTTP 405)".into(),
        UpstreamFailureKind::Http(status @ 300..=399) => {
            format!("it redirects (HTTP {status}), and redirects are not followed")
        }
        UpstreamFailureKind::Http(status) => format!("it answers HTTP {status}"),
        UpstreamFailureKind::Timeout => "it does not answer in time".into(),
        UpstreamFailureKind::Protocol => match &failure.broken {
            Some(broken) => format!(
                "what it answers is not MCP over this transport: {}",
                broken.text
            ),
            None => "what it answers is not MCP over this transport".into(),
        },
        kind => format!("the handshake failed: {}", kind.as_str()),
    }
}

fn advice_for(kind: UpstreamFailureKind, transport: Transport) -> &'static str {
    match (kind, transport) {
        (UpstreamFailureKind::Http(300..=399), _) => "register the address that it redirects to",
        (
            UpstreamFailureKind::Http(404 | 405) | UpstreamFailureKind::Protocol,
            Transport::StreamableHttp,
        ) => "check the path (often /mcp); if it is an older server, try --transport sse",
        (UpstreamFailureKind::Http(_) | UpstreamFailureKind::Protocol, Transport::Sse) => {
            "check the path (often /sse), or try --transport streamable_http"
        }
        (UpstreamFailureKind::Http(_) | UpstreamFailureKind::Protocol, Transport::Websocket) => {
            "check the path (often /ws); the server must offer the subprotocol `mcp`"
        }
        (UpstreamFailureKind::Timeout, _) => {
            "see whether the server is overloaded; --upstream-timeout-ms says how long is waited"
        }
        _ => "see the server's own log",
    }
}

/// A failure with its causes; `doctor` is for the operator, who may see them.
pub(super) fn chain(failure: &egress::Failure) -> String {
    let mut text = failure.to_string();
    let mut source = std::error::Error::source(failure);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
