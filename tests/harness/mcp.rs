//! Speaks MCP over streamable HTTP as one person, in either era, message by message.
//! Uses no MCP library and nothing of the gateway, so that a mistake cannot hide by being made twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::client::{Answer, Client, send};

/// The stateless revision.
pub const MODERN: &str = "2026-07-28";
/// The newest revision with sessions.
pub const LEGACY: &str = "2025-11-25";
/// Every revision that we speak, newest first.
pub const VERSIONS: [&str; 5] = [
    "2026-07-28",
    "2025-11-25",
    "2025-06-18",
    "2025-03-26",
    "2024-11-05",
];
/// Longest wait of a test for what must come.
pub const SOON: Duration = Duration::from_secs(20);

const ACCEPT_BOTH: &str = "application/json, text/event-stream";
const META: &str = "io.modelcontextprotocol";

/// An MCP client at one endpoint: a stateless one, or one with a session.
#[derive(Clone)]
pub struct Mcp {
    person: Client,
    path: String,
    version: &'static str,
    capabilities: Value,
    log_level: Option<&'static str>,
    session: Option<String>,
    /// The result of `initialize`; null for a stateless client.
    pub handshake: Value,
    next_id: Arc<AtomicU64>,
}

/// What came back from one POST, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// The messages in their order; the answer is the last.
    pub messages: Vec<Value>,
}

/// An event stream that is read message by message.
pub struct Live {
    response: Response,
    unread: Unread,
}

impl Mcp {
    /// A stateless client.
    pub fn modern(person: &Client, path: impl Into<String>) -> Self {
        Self {
            person: person.clone(),
            path: path.into(),
            version: MODERN,
            capabilities: json!({}),
            log_level: None,
            session: None,
            handshake: Value::Null,
            next_id: Arc::new(AtomicU64::new(1)),
        }
    }

    /// A client that has shaken hands in the newest revision with sessions.
    pub async fn legacy(person: &Client, path: impl Into<String>) -> Self {
        Self::legacy_as(person, path, LEGACY, json!({})).await
    }

    /// A client that has shaken hands in this revision, with these capabilities.
    pub async fn legacy_as(
        person: &Client,
        path: impl Into<String>,
        version: &'static str,
        capabilities: Value,
    ) -> Self {
        let mut client = Self {
            version,
            capabilities,
            ..Self::modern(person, path)
        };
        let params = json!({
            "protocolVersion": version,
            "capabilities": client.capabilities,
            "clientInfo": client_info(),
        });
        let reply = client.request("initialize", params).await;
        client.handshake = reply.result().clone();
        let session = reply.headers.get("mcp-session-id");
        client.session = Some(session.unwrap().to_str().unwrap().to_owned());
        assert_eq!(
            client
                .notify("notifications/initialized", json!({}))
                .await
                .brief(),
            (202, String::new())
        );
        client
    }

    /// The same client with other capabilities in each request.
    pub fn able(&self, capabilities: Value) -> Self {
        Self {
            capabilities,
            ..self.clone()
        }
    }

    /// The same client, which wants to hear log messages from this level on.
    pub fn hearing(&self, level: &'static str) -> Self {
        Self {
            log_level: Some(level),
            ..self.clone()
        }
    }

    /// The same client on another endpoint.
    pub fn at(&self, path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..self.clone()
        }
    }

    /// The same session in somebody else's hands.
    pub fn used_by(&self, person: &Client) -> Self {
        Self {
            person: person.clone(),
            ..self.clone()
        }
    }

    /// The session's id.
    pub fn session_id(&self) -> &str {
        self.session.as_deref().unwrap()
    }

    /// A message of this client, with the metadata of its era.
    pub fn message(&self, id: Option<Value>, method: &str, mut params: Value) -> Value {
        if self.version == MODERN {
            params["_meta"][format!("{META}/protocolVersion")] = MODERN.into();
            params["_meta"][format!("{META}/clientInfo")] = client_info();
            params["_meta"][format!("{META}/clientCapabilities")] = self.capabilities.clone();
            if let Some(level) = self.log_level {
                params["_meta"][format!("{META}/logLevel")] = level.into();
            }
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let Some(id) = id {
            message["id"] = id;
        }
        message
    }

    /// A bare request to the endpoint with the person's key.
    pub fn bare(&self, method: Method) -> RequestBuilder {
        self.person.request(method, &self.path)
    }

    /// A POST of this message, with the headers that belong to it.
    pub fn post(&self, message: &Value) -> RequestBuilder {
        let mut request = self
            .headed(Method::POST)
            .header("accept", ACCEPT_BOTH)
            .header("content-type", "application/json")
            .body(message.to_string());
        if self.version == MODERN {
            let method = message["method"].as_str().unwrap_or_default();
            request = request.header("mcp-method", method);
            let name = message["params"]["name"].as_str();
            let uri = message["params"]["uri"].as_str();
            let name = match method {
                "tools/call" | "prompts/get" => name,
                "resources/read" => uri,
                _ => None,
            };
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        request
    }

    fn headed(&self, method: Method) -> RequestBuilder {
        let mut request = self.bare(method);
        if self.session.is_some() || self.version == MODERN {
            request = request.header("mcp-protocol-version", self.version);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    fn new_id(&self) -> Value {
        self.next_id.fetch_add(1, Ordering::Relaxed).into()
    }

    /// Sends a request and reads everything that comes back.
    pub async fn request(&self, method: &str, params: Value) -> Reply {
        self.request_as(self.new_id(), method, params).await
    }

    /// The same with this id.
    pub async fn request_as(&self, id: Value, method: &str, params: Value) -> Reply {
        Reply::of(self.post(&self.message(Some(id), method, params))).await
    }

    /// Calls a tool and reads everything that comes back.
    pub async fn call(&self, tool: &str, arguments: Value) -> Reply {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// The names of the tools, in their order.
    pub async fn tool_names(&self) -> Vec<String> {
        let reply = self.request("tools/list", json!({})).await;
        names(&reply.result()["tools"])
    }

    /// Sends a request whose answer is a stream, and leaves it to be read.
    pub async fn open(&self, method: &str, params: Value) -> Live {
        self.open_as(self.new_id(), method, params).await
    }

    /// The same with this id.
    pub async fn open_as(&self, id: Value, method: &str, params: Value) -> Live {
        Live::of(self.post(&self.message(Some(id), method, params))).await
    }

    /// Opens the session's own stream.
    pub async fn listen(&self) -> Live {
        Live::of(
            self.headed(Method::GET)
                .header("accept", "text/event-stream"),
        )
        .await
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: Value) -> Answer {
        send(self.post(&self.message(None, method, params))).await
    }

    /// Answers a request of the server.
    pub async fn respond(&self, id: &Value, result: Value) -> Answer {
        send(self.post(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))).await
    }

    /// Ends the session.
    pub async fn close(&self) -> Answer {
        send(self.headed(Method::DELETE)).await
    }
}

fn client_info() -> Value {
    json!({ "name": "harness", "version": "1" })
}

/// An error response without data.
pub fn rpc_error(id: Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The `name` of each item.
pub fn names(items: &Value) -> Vec<String> {
    let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
    items.as_array().unwrap().iter().map(name).collect()
}

impl Reply {
    /// Sends a request and reads its answer, one message or a stream of them.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = tokio::time::timeout(SOON, response.bytes())
            .await
            .unwrap()
            .unwrap();
        let messages = if is_event_stream(&headers) {
            let mut unread = Unread::default();
            unread.push(&bytes);
            std::iter::from_fn(|| unread.message()).collect()
        } else if bytes.is_empty() {
            Vec::new()
        } else {
            vec![serde_json::from_slice(&bytes).unwrap()]
        };
        Self {
            status,
            headers,
            messages,
        }
    }

    /// The response.
    #[track_caller]
    pub fn answer(&self) -> &Value {
        let last = self.messages.last();
        last.unwrap_or_else(|| panic!("status {} and no message", self.status))
    }

    /// The result; there must be one.
    #[track_caller]
    pub fn result(&self) -> &Value {
        let answer = self.answer();
        assert!(answer["error"].is_null(), "{answer}");
        &answer["result"]
    }

    /// The error; there must be one.
    #[track_caller]
    pub fn error(&self) -> &Value {
        let answer = self.answer();
        assert!(answer["error"].is_object(), "{answer}");
        &answer["error"]
    }

    /// The structure that a tool answered.
    #[track_caller]
    pub fn structured(&self) -> &Value {
        &self.result()["structuredContent"]
    }

    /// The first text that a tool answered.
    #[track_caller]
    pub fn text(&self) -> &str {
        let text = self.result()["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {}", self.answer()))
    }

    /// What came before the response.
    pub fn before(&self) -> &[Value] {
        self.messages.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// Status and answer, to compare refusals by.
    #[track_caller]
    pub fn brief(&self) -> (u16, Value) {
        (self.status, self.answer().clone())
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The bytes of an event stream that were not read yet.
#[derive(Default)]
struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next message; comments and events without data are skipped.
    fn message(&mut self) -> Option<Value> {
        loop {
            let rest = &self.bytes[self.start..];
            let end = rest.windows(2).position(|pair| pair == b"\n\n")?;
            let event = std::str::from_utf8(&rest[..end]).unwrap();
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .collect();
            let data = data.join("\n");
            self.start += end + 2;
            if !data.is_empty() {
                return Some(serde_json::from_str(&data).unwrap());
            }
        }
    }
}

impl Live {
    /// Sends a request whose answer must be a stream.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = tokio::time::timeout(SOON, request.send())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        assert!(
            is_event_stream(response.headers()),
            "{:?}",
            response.headers()
        );
        Self {
            response,
            unread: Unread::default(),
        }
    }

    /// Reads on in an answer whose head was looked at already.
    pub fn reading(response: Response) -> Self {
        Self {
            response,
            unread: Unread::default(),
        }
    }

    /// The next message, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(SOON, self.read())
            .await
            .expect("nothing came in time")
    }

    /// The next message; there must be one.
    pub async fn message(&mut self) -> Value {
        self.next().await.expect("the stream has ended")
    }

    /// Reads on until a message that is wanted.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.message().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Waits for the end of the stream; returns what came before it.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.unread.message() {
                return Some(message);
            }
            // A stream that is cut has ended too.
            let piece = self.response.chunk().await.unwrap_or_default()?;
            self.unread.push(&piece);
        }
    }
}
