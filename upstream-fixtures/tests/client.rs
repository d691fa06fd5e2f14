//! The least that can talk to an upstream, and what every test needs.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

/// Longest wait for anything that must come.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// How long nothing must come before we believe it never will.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

pub(crate) async fn start(behaviour: Behaviour) -> Upstream {
    Upstream::start(behaviour).await.unwrap()
}

/// The `_meta` of a modern client that can do everything.
pub(crate) fn modern_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {}, "sampling": {}, "roots": {} },
    })
}

/// A modern request, ready to be sent or spoiled.
pub(crate) fn modern(upstream: &Upstream, method: &str, mut params: Value) -> RequestBuilder {
    let meta = params["_meta"].take();
    params["_meta"] = modern_meta();
    for (key, value) in meta.as_object().into_iter().flatten() {
        params["_meta"][key] = value.clone();
    }
    let mut request = post(
        upstream,
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
    )
    .header("mcp-protocol-version", "2026-07-28")
    .header("mcp-method", method);
    if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
        request = request.header("mcp-name", name);
    }
    request
}

pub(crate) fn post(upstream: &Upstream, message: Value) -> RequestBuilder {
    reqwest::Client::new()
        .post(upstream.url())
        .header("accept", "application/json, text/event-stream")
        .json(&message)
}

/// The messages of a response, whether it is a stream or not.
pub(crate) async fn messages(response: Response) -> Vec<Value> {
    let is_stream = response.headers()["content-type"] == "text/event-stream";
    let text = response.text().await.unwrap();
    match is_stream {
        true => events(&text),
        false => vec![serde_json::from_str(&text).unwrap()],
    }
}

pub(crate) fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// An event stream that is read piece by piece.
pub(crate) struct Events {
    response: Response,
    read: String,
}

impl Events {
    pub(crate) fn new(response: Response) -> Events {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            response,
            read: String::new(),
        }
    }

    /// The data of the next event, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.unwrap_or_default().to_owned();
                self.read = rest.to_owned();
                return Some(data);
            }
            let piece = tokio::time::timeout(SOON, self.response.chunk())
                .await
                .unwrap();
            self.read
                .push_str(std::str::from_utf8(&piece.ok()??).unwrap());
        }
    }

    pub(crate) fn into_response(self) -> Response {
        self.response
    }

    pub(crate) async fn next_message(&mut self) -> Value {
        serde_json::from_str(&self.next().await.unwrap()).unwrap()
    }
}

/// A legacy client over streamable HTTP.
pub(crate) struct Session<'a> {
    pub(crate) upstream: &'a Upstream,
    pub(crate) id: String,
}

impl<'a> Session<'a> {
    pub(crate) async fn open(upstream: &'a Upstream, version: &str) -> Session<'a> {
        let response = post(upstream, initialize(version)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let id = response.headers()["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let session = Session { upstream, id };
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(session.post(ready).await.status(), 202);
        session
    }

    pub(crate) async fn post(&self, message: Value) -> Response {
        post(self.upstream, message)
            .header("mcp-session-id", &self.id)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn call(&self, method: &str, params: Value) -> Response {
        self.post(json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params }))
            .await
    }

    pub(crate) async fn listen(&self) -> Events {
        let request = reqwest::Client::new().get(self.upstream.url());
        let request = request
            .header("accept", "text/event-stream")
            .header("mcp-session-id", &self.id);
        Events::new(request.send().await.unwrap())
    }
}

pub(crate) fn initialize(version: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": version,
            "capabilities": { "elicitation": {}, "sampling": {}, "roots": {} },
            "clientInfo": { "name": "test", "version": "0" },
        },
    })
}

/// Reads a body to its end or until it breaks; says how much came and whether it broke.
pub(crate) async fn drain(response: Response, most: usize) -> (usize, bool) {
    let mut length = 0;
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => length += piece.len(),
            Err(_) => return (length, true),
        }
        if length >= most {
            break;
        }
    }
    (length, false)
}
