//! An upstream over streamable HTTP that answers with what a test writes, in either era, as JSON or in pieces of a stream.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// A request as a script sees it.
pub struct Heard {
    pub method: String,
    pub params: Value,
    pub headers: HeaderMap,
}

impl Heard {
    /// A header of the request, or nothing.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name);
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }
}

/// What an answer is: the members of a message beside its id, and notifications before it.
pub struct Script {
    pub before: Vec<Value>,
    pub answer: Value,
}

impl From<Value> for Script {
    /// A result.
    fn from(result: Value) -> Self {
        Self {
            before: Vec::new(),
            answer: json!({ "result": result }),
        }
    }
}

/// Bytes of a stream that are sent at once.
const PIECE_BYTES: usize = 7;

/// Starts an upstream that answers each request so. Handshakes are its own: it has everything, and says `instructions`.
pub async fn scripted(
    is_modern: bool,
    answer: impl Fn(&Heard) -> Script + Send + Sync + 'static,
) -> String {
    let answer = Arc::new(answer);
    let handle = move |headers: HeaderMap, body: Bytes| {
        let answer = answer.clone();
        async move { respond(is_modern, headers, &body, &*answer) }
    };
    let router = axum::Router::new().route("/mcp", axum::routing::post(handle));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn respond(
    is_modern: bool,
    headers: HeaderMap,
    body: &[u8],
    answer: &dyn Fn(&Heard) -> Script,
) -> Response {
    let message: Value = serde_json::from_slice(body).unwrap();
    let heard = Heard {
        method: message["method"].as_str().unwrap_or_default().to_owned(),
        params: message["params"].clone(),
        headers,
    };
    if message["id"].is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    if !is_modern && heard.method == "server/discover" {
        let error = json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32601, "message": "no" } });
        return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
    }
    let mut script = answer(&heard);
    script.answer["jsonrpc"] = "2.0".into();
    script.answer["id"] = message["id"].clone();
    if is_modern && script.answer["result"].is_object() {
        let result = &mut script.answer["result"];
        result["resultType"] = "complete".into();
        if heard.method.ends_with("/list") || heard.method == "server/discover" {
            result["ttlMs"] = 0.into();
            result["cacheScope"] = "private".into();
        }
    }
    if script.before.is_empty() {
        return axum::Json(script.answer).into_response();
    }
    let messages = script.before.iter().chain([&script.answer]);
    let text: String = messages.map(|it| format!("data: {it}\n\n")).collect();
    let pieces: Vec<Result<Bytes, std::io::Error>> = text
        .as_bytes()
        .chunks(PIECE_BYTES)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    ([("content-type", "text/event-stream")], body).into_response()
}

/// What such an upstream says of itself.
pub fn handshake(instructions: &str) -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "supportedVersions": ["2026-07-28"],
        "serverInfo": { "name": "scripted", "version": "1" },
        "capabilities": { "tools": {}, "prompts": {}, "resources": {}, "completions": {} },
        "instructions": instructions,
    })
}
