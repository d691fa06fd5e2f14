//! A gateway with upstreams behind it: fixtures registered, connected and attached to the mentor over REST.

use std::net::SocketAddr;
use std::time::Duration;

use mentor_gateway::clock::UnixMs;
use mentor_gateway::config::Settings;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use super::app::{Gateway, START};
use super::client::Client;
use super::mcp::{Mcp, SOON};

/// How long the gateway of a [`Stage`] waits for an upstream, in ms.
pub const UPSTREAM_TIMEOUT_MS: u64 = 3_000;

/// Pause between two looks of [`eventually`].
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A gateway that may call loopback, with the people that most tests need.
pub struct Stage {
    pub gateway: Gateway,
    /// The admin of `acme`.
    pub admin: Client,
    /// `bob` of `acme`.
    pub learner: Client,
}

impl Stage {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::start_at(START, adjust).await
    }

    /// A stage whose clock stands at this time.
    pub async fn start_at(now: UnixMs, adjust: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Gateway::start_at(now, |settings| {
            settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
            settings.upstream_timeout_ms = Some(UPSTREAM_TIMEOUT_MS);
            adjust(settings);
        })
        .await;
        let (admin, learner) = (gateway.admin().await, gateway.learner().await);
        Self {
            gateway,
            admin,
            learner,
        }
    }

    /// A stage whose mentor has these upstreams, each registered under its name and open to everybody.
    pub async fn with(behaviours: Vec<(&str, Behaviour)>) -> (Self, Vec<Upstream>) {
        let stage = Self::start().await;
        let (mut upstreams, mut ids) = (Vec::new(), Vec::new());
        for (name, behaviour) in behaviours {
            let upstream = Upstream::start(behaviour).await.unwrap();
            ids.push(stage.register(name, &upstream, json!({})).await);
            upstreams.push(upstream);
        }
        stage.attach(&ids).await;
        (stage, upstreams)
    }

    /// A stage whose mentor has this one upstream, with the prefix `up`.
    pub async fn of(behaviour: Behaviour) -> (Self, Upstream) {
        let (stage, mut upstreams) = Self::with(vec![("Up", behaviour)]).await;
        (stage, upstreams.remove(0))
    }

    /// Registers an upstream as a server of acme; `more` is put over the usual fields. Returns its number.
    pub async fn register(&self, name: &str, upstream: &Upstream, more: Value) -> i64 {
        register(&self.admin, name, &upstream.url(), more).await
    }

    /// Creates a connection to a server. Returns its number.
    pub async fn connect(&self, server: i64, fields: Value) -> i64 {
        connect(&self.admin, server, fields).await
    }

    /// Changes a server.
    pub async fn change_server(&self, server: i64, fields: Value) {
        let path = format!("mcp-servers/{server}/");
        self.admin.patch(&path, fields).await.expect(200);
    }

    /// Attaches exactly these servers to the mentor and enables its MCP tool.
    pub async fn attach(&self, servers: &[i64]) {
        let path = format!("mentors/{}/settings/", self.gateway.mentor);
        let fields = json!({ "tools": ["mcp-tool"], "mcp_servers": servers });
        self.admin.patch(&path, fields).await.expect(200);
    }

    /// The mentor's endpoint.
    pub fn mentor_path(&self) -> String {
        format!("/mcp/mentors/{}/", self.gateway.mentor)
    }

    /// The learner's stateless client at the mentor's endpoint.
    pub fn modern(&self) -> Mcp {
        Mcp::modern(&self.learner, self.mentor_path())
    }

    /// The learner's client with a session at the mentor's endpoint.
    pub async fn legacy(&self) -> Mcp {
        Mcp::legacy(&self.learner, self.mentor_path()).await
    }

    /// The admin's stateless client at one server's endpoint.
    pub fn at_server(&self, server: i64) -> Mcp {
        Mcp::modern(&self.admin, server_path(server))
    }

    /// The tenant's audit rows of calls, oldest first, once there are at least so many.
    pub async fn calls_in_audit(&self, least: usize) -> Vec<Value> {
        eventually("audit rows of calls", async || {
            let page = self.admin.get("audit/?page_size=100").await.expect(200);
            let rows = page["results"].as_array().unwrap().iter().rev();
            let is_call = |row: &&Value| row["action"].as_str().unwrap().contains('/');
            let rows: Vec<Value> = rows.filter(is_call).cloned().collect();
            (rows.len() >= least).then_some(rows)
        })
        .await
    }
}

/// The endpoint of one server.
pub fn server_path(server: i64) -> String {
    format!("/mcp/servers/{server}/")
}

/// Registers a URL as a server of the admin's tenant. Returns its number.
pub async fn register(admin: &Client, name: &str, url: &str, more: Value) -> i64 {
    let transport = match url {
        url if url.starts_with("ws") => "websocket",
        url if url.ends_with("/sse") => "sse",
        _ => "streamable_http",
    };
    let mut fields = json!({ "name": name, "url": url, "transport": transport });
    let more = more.as_object().unwrap().clone();
    fields.as_object_mut().unwrap().extend(more);
    let created = admin.post("mcp-servers/", fields).await.expect(201);
    created["id"].as_i64().unwrap()
}

/// Creates a connection of the admin's tenant. Returns its number.
pub async fn connect(admin: &Client, server: i64, mut fields: Value) -> i64 {
    fields["server"] = server.into();
    let created = admin.post("mcp-server-connections/", fields).await;
    created.expect(201)["id"].as_i64().unwrap()
}

/// An address on which nothing listens, and nothing will as long as the tests run: a port that is given back is soon
/// another test's.
pub async fn closed_address() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

/// Looks again and again until there is something, and returns it.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let found = tokio::time::timeout(SOON, async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("{what} did not come in time, at {caller}"))
    }
}
