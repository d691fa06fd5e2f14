//! Clients on WebSocket, on the HTTP+SSE pair of 2024-11-05 and on stdio reach the same endpoint.

use std::process::Stdio;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use upstream_fixtures::Behaviour;
use url::Url;

use crate::harness::{Client, Live, SOON, Stage};

const MODERN_META: &str = "io.modelcontextprotocol";

/// A client on a connection that carries everything: sends messages, reads what comes.
pub struct Wire {
    send: Box<dyn FnMut(Value) -> futures_util::future::BoxFuture<'static, ()> + Send>,
    receive: futures_util::stream::BoxStream<'static, Value>,
}

impl Wire {
    async fn send(&mut self, message: Value) {
        (self.send)(message).await;
    }

    pub async fn next(&mut self) -> Value {
        tokio::time::timeout(SOON, self.receive.next())
            .await
            .expect("nothing came in time")
            .expect("the end")
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    pub async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await;
        self.until(|message| message["id"] == id && message.get("method").is_none())
            .await
    }

    pub async fn shake_hands(&mut self) -> Value {
        self.shake_hands_as("2024-11-05").await
    }

    async fn shake_hands_as(&mut self, version: &str) -> Value {
        let params = json!({
            "protocolVersion": version,
            "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = self.ask(0, "initialize", params).await;
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        answer["result"].clone()
    }
}

fn ws_request(person: &Client, path: &str) -> tungstenite::handshake::client::Request {
    let url = person.url(path).replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "mcp".parse().unwrap());
    if let Some(key) = &person.key {
        request
            .headers_mut()
            .insert("authorization", format!("Token {key}").parse().unwrap());
    }
    request
}

pub async fn websocket(person: &Client, path: &str) -> Wire {
    let (socket, response) = tokio_tungstenite::connect_async(ws_request(person, path))
        .await
        .unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "mcp");
    let (sink, stream) = socket.split();
    let sink = std::sync::Arc::new(tokio::sync::Mutex::new(sink));
    let receive = stream.filter_map(async |frame| match frame.unwrap() {
        Message::Text(text) => Some(serde_json::from_str(&text).unwrap()),
        _ => None,
    });
    let send = move |message: Value| {
        let sink = sink.clone();
        Box::pin(async move {
            sink.lock()
                .await
                .send(Message::text(message.to_string()))
                .await
                .unwrap()
        }) as _
    };
    Wire {
        send: Box::new(send),
        receive: Box::pin(receive),
    }
}

/// The stream of an HTTP+SSE pair, and the endpoint that it names.
async fn open_sse(person: &Client, path: &str) -> (reqwest::Response, String) {
    let request = person
        .request(Method::GET, path)
        .header("accept", "text/event-stream");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let first = response.chunk().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let endpoint = text
        .strip_prefix("event: endpoint\ndata: ")
        .unwrap()
        .trim()
        .to_owned();
    (response, endpoint)
}

pub async fn sse(person: &Client, path: &str) -> Wire {
    let (response, endpoint) = open_sse(person, path).await;
    let endpoint = resolved(person, path, &endpoint);
    let live = Live::reading(response);
    let receive =
        futures_util::stream::unfold(
            live,
            |mut live| async move { Some((live.next().await?, live)) },
        );
    let person = person.clone();
    let send = move |message: Value| {
        let request = person.request(Method::POST, &endpoint).json(&message);
        Box::pin(async move { assert_eq!(request.send().await.unwrap().status(), 202) }) as _
    };
    Wire {
        send: Box::new(send),
        receive: Box::pin(receive),
    }
}

/// The path that a reference names, read relative to the URL of its stream (RFC 3986 section 5).
fn resolved(person: &Client, path: &str, reference: &str) -> String {
    let stream = Url::parse(&person.url(path)).unwrap();
    let endpoint = stream.join(reference).unwrap();
    assert_eq!(endpoint.origin(), stream.origin());
    format!("{}?{}", endpoint.path(), endpoint.query().unwrap())
}

async fn stdio(stage: &Stage, person: &Client) -> Wire {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_mentor-gateway"))
        .args([
            "stdio",
            "--server",
            &format!("mentor:{}", stage.gateway.mentor),
        ])
        .env("ACADEMY_BASE_URL", &stage.gateway.base)
        .env("ACADEMY_API_KEY", person.key.as_deref().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdin = std::sync::Arc::new(tokio::sync::Mutex::new(child.stdin.take().unwrap()));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let receive = futures_util::stream::unfold((lines, child), |(mut lines, child)| async move {
        let line = lines.next_line().await.unwrap()?;
        Some((serde_json::from_str(&line).unwrap(), (lines, child)))
    });
    let send = move |message: Value| {
        let stdin = stdin.clone();
        Box::pin(async move {
            stdin
                .lock()
                .await
                .write_all(format!("{message}\n").as_bytes())
                .await
                .unwrap()
        }) as _
    };
    Wire {
        send: Box::new(send),
        receive: Box::pin(receive),
    }
}

async fn every_wire(stage: &Stage) -> Vec<(&'static str, Wire)> {
    let path = stage.mentor_path();
    vec![
        (
            "websocket",
            websocket(&stage.learner, &format!("{path}ws")).await,
        ),
        ("sse", sse(&stage.learner, &format!("{path}sse")).await),
        ("stdio", stdio(stage, &stage.learner).await),
    ]
}

#[tokio::test]
async fn a_session_lists_calls_hears_progress_and_is_asked() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions().streaming()).await;
    for (name, mut wire) in every_wire(&stage).await {
        assert_eq!(
            wire.shake_hands().await["protocolVersion"],
            "2024-11-05",
            "{name}"
        );

        let tools = wire.ask(1, "tools/list", json!({})).await;
        let first = &tools["result"]["tools"][0]["name"];
        assert!(
            first.as_str().unwrap().starts_with("up__"),
            "{name}: {tools}"
        );

        let params = json!({ "name": "up__progress", "arguments": { "steps": 2 }, "_meta": { "progressToken": "p" } });
        wire.send(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }))
            .await;
        let progress = wire.next().await;
        assert_eq!(
            progress["params"]["progressToken"], "p",
            "{name}: {progress}"
        );
        wire.until(|message| message["id"] == 2).await;

        let params = json!({ "name": "up__ask", "arguments": {} });
        wire.send(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params }))
            .await;
        let question = wire
            .until(|message| message["method"] == "elicitation/create")
            .await;
        let answer = json!({ "action": "accept", "content": { "name": "Ada" } });
        wire.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer }))
            .await;
        let done = wire
            .until(|message| message["id"] == 3 && message.get("method").is_none())
            .await;
        assert!(
            done["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("Ada"),
            "{name}: {done}"
        );
    }
}

#[tokio::test]
async fn stateless_requests_need_no_handshake_on_any_wire() {
    let (stage, _upstream) = Stage::of(Behaviour::stateless()).await;
    for (name, mut wire) in every_wire(&stage).await {
        let meta = json!({
            format!("{MODERN_META}/protocolVersion"): "2026-07-28",
            format!("{MODERN_META}/clientCapabilities"): {},
        });
        let params = json!({ "name": "up__echo", "arguments": { "text": "hi" }, "_meta": meta });
        let answer = wire.ask(1, "tools/call", params).await;
        assert_eq!(
            answer["result"]["structuredContent"]["text"], "hi",
            "{name}: {answer}"
        );
        assert_eq!(answer["result"]["resultType"], "complete", "{name}");
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_upstream_and_answers_nothing() {
    let (stage, upstream) = Stage::of(Behaviour::sessions().streaming()).await;
    for (name, mut wire) in every_wire(&stage).await {
        upstream.forget_seen();
        wire.shake_hands().await;
        let params = json!({ "name": "up__slow", "arguments": { "ms": 60_000 } });
        wire.send(json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params }))
            .await;
        upstream
            .wait_for(|seen| seen.is("tools/call"), SOON)
            .await
            .unwrap();
        let cancelled = json!({ "requestId": 5 });
        wire.send(
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }),
        )
        .await;
        upstream
            .wait_for(|seen| seen.is("notifications/cancelled"), SOON)
            .await
            .unwrap();
        assert_eq!(
            wire.ask(6, "ping", json!({})).await["result"],
            json!({}),
            "{name}"
        );
    }
}

#[tokio::test]
async fn every_wire_asks_for_the_key_and_the_right_person() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions()).await;
    let (anonymous, path) = (stage.gateway.anonymous(), stage.mentor_path());
    let refused = tokio_tungstenite::connect_async(ws_request(&anonymous, &format!("{path}ws")))
        .await
        .unwrap_err();
    assert!(matches!(refused, tungstenite::Error::Http(response) if response.status() == 401));
    let stranger = stage.gateway.stranger().await;
    let sse = anonymous
        .request(Method::GET, &format!("{path}sse"))
        .send()
        .await
        .unwrap();
    assert_eq!(sse.status(), 401);

    let path = format!("{path}sse");
    let (_stream, endpoint) = open_sse(&stage.learner, &path).await;
    let endpoint = resolved(&stage.learner, &path, &endpoint);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    for other in [&stage.admin, &stranger] {
        let posted = other
            .request(Method::POST, &endpoint)
            .json(&ping)
            .send()
            .await
            .unwrap();
        assert_eq!(posted.status(), 404, "{}", other.username);
    }
    let posted = anonymous
        .request(Method::POST, &endpoint)
        .json(&ping)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), 401);
}

#[tokio::test]
async fn the_endpoint_of_a_pair_is_found_behind_any_proxy() {
    let stage = Stage::start().await;
    let (learner, base) = (&stage.learner, &stage.gateway.base);
    for end in ["sse", "sse/"] {
        let path = format!("{}{end}", stage.mentor_path());
        let (response, reference) = open_sse(learner, &path).await;
        let mut live = Live::reading(response);
        for prefix in ["", "/gateway", "/a/b"] {
            // As the client sees the stream; the proxy takes the prefix away.
            let stream = Url::parse(&format!("{base}{prefix}{path}")).unwrap();
            let endpoint = stream.join(&reference).unwrap();
            let asked = endpoint.as_str().strip_prefix(base.as_str()).unwrap();
            let asked = asked.strip_prefix(prefix).unwrap();
            let ping = json!({ "jsonrpc": "2.0", "id": prefix, "method": "ping" });
            let posted = learner.request(Method::POST, asked).json(&ping);
            assert_eq!(posted.send().await.unwrap().status(), 202, "{asked}");
            assert_eq!(live.message().await["id"], prefix, "{end}");
        }
    }
}

#[tokio::test]
async fn a_batch_is_taken_in_the_one_revision_that_has_them() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions()).await;
    let path = stage.mentor_path();
    let ping = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    for (name, mut wire) in [
        (
            "websocket",
            websocket(&stage.learner, &format!("{path}ws")).await,
        ),
        ("sse", sse(&stage.learner, &format!("{path}sse")).await),
    ] {
        wire.shake_hands_as("2025-03-26").await;
        wire.send(json!([ping(1), { "jsonrpc": "2.0", "method": "notifications/x" }, 7, ping(2)]))
            .await;
        let mut ids =
            [wire.next().await, wire.next().await, wire.next().await].map(|m| m["id"].clone());
        ids.sort_by_key(Value::to_string);
        assert_eq!(ids, [json!(1), json!(2), Value::Null], "{name}");

        wire.shake_hands_as("2025-06-18").await;
        wire.send(json!([ping(3)])).await;
        let refused = wire.next().await;
        let text = "Invalid Request: batches are not supported";
        assert_eq!(refused["error"]["message"], text, "{name}");
    }
}
