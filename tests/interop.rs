//! Servers and clients that others wrote. The servers are used when the environment names them, which `.ci/run peers`
//! does after starting them; a test that is not run for want of one says so.

use std::io::Write;
use std::sync::Mutex;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, GetPromptRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, NotificationContext, RoleClient};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Map, Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{Client, Mcp, Stage, names, register};

/// A server that others wrote, and what it is asked.
struct Peer {
    /// The environment variable with its URL.
    variable: &'static str,
    /// A tool that reports its progress, its arguments, and how many reports that makes.
    progress: (&'static str, Value, usize),
    /// A prompt and its arguments.
    prompt: (&'static str, Value),
}

fn everything(variable: &'static str) -> Peer {
    Peer {
        variable,
        progress: (
            "trigger-long-running-operation",
            json!({ "duration": 0.3, "steps": 3 }),
            3,
        ),
        prompt: ("args-prompt", json!({ "city": "Ghent" })),
    }
}

fn python(variable: &'static str) -> Peer {
    Peer {
        variable,
        progress: ("progress", json!({ "steps": 3 }), 3),
        prompt: ("with_args", json!({ "city": "Ghent" })),
    }
}

/// The URL of a peer, if it runs; says so if it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to be told"
)]
fn url_of(peer: &Peer) -> Option<String> {
    let url = std::env::var(peer.variable)
        .ok()
        .filter(|url| !url.is_empty());
    if url.is_none() {
        // Not `eprintln!`, which the test runner keeps to itself when the test passes.
        let line = format!("SKIPPED: {} names no server\n", peer.variable);
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    url
}

/// Registers a peer, attaches it to the mentor, and asks everything of it with clients of both eras and of two makers.
async fn meets(peer: Peer) {
    let Some(url) = url_of(&peer) else { return };
    let stage = Stage::start().await;
    let server = register(&stage.admin, "Peer", &url, json!({ "tool_prefix": "peer" })).await;
    stage.attach(&[server]).await;
    for client in [stage.modern(), stage.legacy().await] {
        asks_everything(&client, &peer).await;
    }
    for lifecycle in lifecycles() {
        let client = RmcpClient::connect(&stage, lifecycle).await;
        client.asks_everything(&peer).await;
    }
    let calls = stage.calls_in_audit(4).await;
    assert!(
        calls.iter().all(|call| call["outcome"] == "ok"),
        "{calls:?}"
    );
}

async fn asks_everything(client: &Mcp, peer: &Peer) {
    let tools = client.tool_names().await;
    let (tool, arguments, steps) = &peer.progress;
    let tool = format!("peer__{tool}");
    assert!(
        tools.contains(&tool) && tools.contains(&"peer__echo".to_owned()),
        "{tools:?}"
    );

    let params =
        json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p-1" } });
    let reply = client.request("tools/call", params).await;
    let reports: Vec<&Value> = reply
        .messages
        .iter()
        .filter(|m| m["method"] == "notifications/progress")
        .collect();
    assert_eq!(reports.len(), *steps, "{:?}", reply.messages);
    assert!(
        reports
            .iter()
            .all(|report| report["params"]["progressToken"] == "p-1"),
        "{reports:?}"
    );
    assert_eq!(reply.result()["content"][0]["type"], "text");

    let resources = client.request("resources/list", json!({})).await;
    let uri = resources.result()["resources"][0]["uri"].clone();
    let read = client
        .request("resources/read", json!({ "uri": uri }))
        .await;
    assert_eq!(read.result()["contents"][0]["uri"], uri);
    assert!(read.result()["contents"][0]["text"].is_string());

    let prompts = names(&client.request("prompts/list", json!({})).await.result()["prompts"]);
    let (prompt, arguments) = &peer.prompt;
    let prompt = format!("peer__{prompt}");
    assert!(prompts.contains(&prompt), "{prompts:?}");
    let got = client
        .request(
            "prompts/get",
            json!({ "name": prompt, "arguments": arguments }),
        )
        .await;
    assert!(
        got.result()["messages"][0]["content"]["text"]
            .as_str()
            .unwrap()
            .contains("Ghent")
    );
}

#[tokio::test]
async fn everything_over_streamable_http() {
    meets(everything("MENTOR_GATEWAY_PEER_EVERYTHING_HTTP")).await;
}

#[tokio::test]
async fn everything_over_sse() {
    meets(everything("MENTOR_GATEWAY_PEER_EVERYTHING_SSE")).await;
}

#[tokio::test]
async fn python_1_over_sse() {
    meets(python("MENTOR_GATEWAY_PEER_PY_SSE")).await;
}

#[tokio::test]
async fn python_1_over_websocket() {
    meets(python("MENTOR_GATEWAY_PEER_PY_WS")).await;
}

#[tokio::test]
async fn python_2_over_streamable_http() {
    meets(python("MENTOR_GATEWAY_PEER_PY2_HTTP")).await;
}

/// Both eras, as rmcp calls them.
fn lifecycles() -> [ClientLifecycleMode; 2] {
    let modern = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    [ClientLifecycleMode::Initialize, modern]
}

/// Writes down the progress that it hears of.
#[derive(Default)]
struct Listener {
    progress: Mutex<Vec<f64>>,
}

impl ClientHandler for Listener {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().unwrap().push(params.progress);
    }
}

/// A client of rmcp's at the mentor's endpoint.
struct RmcpClient(rmcp::service::RunningService<RoleClient, Listener>);

impl RmcpClient {
    async fn connect(stage: &Stage, lifecycle: ClientLifecycleMode) -> Self {
        let learner: &Client = &stage.learner;
        let mut config =
            StreamableHttpClientTransportConfig::with_uri(learner.url(&stage.mentor_path()));
        config.auth_header = learner.key.clone();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let transport = StreamableHttpClientTransport::with_client(http, config);
        Self(
            Listener::default()
                .serve_with_lifecycle(transport, lifecycle)
                .await
                .unwrap(),
        )
    }

    async fn asks_everything(self, peer: &Peer) {
        let tools = self.0.list_all_tools().await.unwrap();
        let (tool, arguments, steps) = &peer.progress;
        let tool = format!("peer__{tool}");
        assert!(tools.iter().any(|listed| listed.name == tool));
        let mut call = CallToolRequestParams::new(tool);
        call.arguments = Some(object(arguments));
        let result = self.0.call_tool(call).await.unwrap();
        assert_ne!(result.is_error, Some(true));
        assert_eq!(self.0.service().progress.lock().unwrap().len(), *steps);

        let resources = self.0.list_all_resources().await.unwrap();
        let read = ReadResourceRequestParams::new(resources[0].uri.clone());
        assert_eq!(self.0.read_resource(read).await.unwrap().contents.len(), 1);

        let (prompt, arguments) = &peer.prompt;
        let mut get = GetPromptRequestParams::new(format!("peer__{prompt}"));
        get.arguments = Some(object(arguments));
        assert!(!self.0.get_prompt(get).await.unwrap().messages.is_empty());
        self.0.cancel().await.unwrap();
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn rmcp_of_both_eras_uses_our_own_servers_of_every_transport() {
    let peer = Peer {
        variable: "",
        progress: ("progress", json!({ "steps": 3 }), 3),
        prompt: ("with_args", json!({ "city": "Ghent", "style": "plain" })),
    };
    for behaviour in [
        Behaviour::stateless(),
        Behaviour::sessions(),
        Behaviour::sse(),
        Behaviour::websocket(),
    ] {
        let upstream = Upstream::start(behaviour).await.unwrap();
        let stage = Stage::start().await;
        let server = stage
            .register("Peer", &upstream, json!({ "tool_prefix": "peer" }))
            .await;
        stage.attach(&[server]).await;
        for lifecycle in lifecycles() {
            RmcpClient::connect(&stage, lifecycle)
                .await
                .asks_everything(&peer)
                .await;
        }
    }
}
