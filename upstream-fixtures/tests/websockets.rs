//! WebSocket, in both eras.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use upstream_fixtures::{Behaviour, Ill, Upstream, plain_tool};

use crate::client::{SOON, initialize, modern_meta, start};

struct Client {
    socket: Box<dyn Socket>,
}

trait Socket:
    futures_util::Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>>
    + futures_util::Sink<Message, Error = tokio_tungstenite::tungstenite::Error>
    + Unpin
    + Send
{
}

impl<S> Socket for S where
    S: futures_util::Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>>
        + futures_util::Sink<Message, Error = tokio_tungstenite::tungstenite::Error>
        + Unpin
        + Send
{
}

impl Client {
    async fn open(upstream: &Upstream) -> Client {
        let mut request = upstream.url().into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "mcp".parse().unwrap());
        request
            .headers_mut()
            .insert("x-extra", "kept".parse().unwrap());
        let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "mcp");
        Client {
            socket: Box::new(socket),
        }
    }

    async fn send(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn request(&mut self, id: u64, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await;
    }

    async fn next(&mut self) -> Option<Value> {
        let packet = tokio::time::timeout(SOON, self.socket.next())
            .await
            .unwrap()?
            .ok()?;
        serde_json::from_str(packet.to_text().ok()?).ok()
    }
}

#[tokio::test]
async fn a_legacy_conversation() {
    let upstream = start(Behaviour::websocket()).await;
    let mut client = Client::open(&upstream).await;
    client
        .request(1, "server/discover", json!({ "_meta": modern_meta() }))
        .await;
    assert_eq!(client.next().await.unwrap()["error"]["code"], -32602);
    client.send(initialize("2025-11-25")).await;
    assert_eq!(
        client.next().await.unwrap()["result"]["protocolVersion"],
        "2025-11-25"
    );
    client
        .request(2, "tools/call", json!({ "name": "whoami" }))
        .await;
    let who = client.next().await.unwrap()["result"]["structuredContent"].clone();
    assert_eq!(who["headers"]["x-extra"], "kept");
    client
        .request(
            3,
            "tools/call",
            json!({ "name": "slow", "arguments": { "ms": 600_000 } }),
        )
        .await;
    client.request(4, "ping", json!({})).await;
    assert_eq!(client.next().await.unwrap()["id"], 4);
    let cancel = json!({ "method": "notifications/cancelled", "params": { "requestId": 3 }, "jsonrpc": "2.0" });
    client.send(cancel).await;
    upstream
        .wait_for(|seen| seen.is("cancelled"), SOON)
        .await
        .unwrap();
    drop(client);
    upstream
        .wait_for(|seen| seen.is("closed"), SOON)
        .await
        .unwrap();
    assert_eq!(upstream.session_count(), 0);
}

#[tokio::test]
async fn a_modern_conversation() {
    let upstream = start(Behaviour::websocket_modern()).await;
    let mut client = Client::open(&upstream).await;
    client.request(1, "tools/list", json!({})).await;
    assert_eq!(client.next().await.unwrap()["error"]["code"], -32602);
    let notifications = json!({ "toolsListChanged": true });
    client
        .request(
            2,
            "subscriptions/listen",
            json!({ "_meta": modern_meta(), "notifications": notifications }),
        )
        .await;
    let acknowledged = client.next().await.unwrap();
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    upstream.add_tool(plain_tool("more", "More."));
    let changed = client.next().await.unwrap();
    assert_eq!(
        changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        2
    );
    let cancel = json!({ "method": "notifications/cancelled", "params": { "requestId": 2 }, "jsonrpc": "2.0" });
    client.send(cancel).await;
    upstream
        .wait_for(|seen| seen.is("closed"), SOON)
        .await
        .unwrap();
    upstream.add_tool(plain_tool("most", "Most."));
    client
        .request(
            3,
            "tools/call",
            json!({ "_meta": modern_meta(), "name": "echo" }),
        )
        .await;
    assert_eq!(
        client.next().await.unwrap()["result"]["resultType"],
        "complete"
    );
}

#[tokio::test]
async fn a_handshake_without_the_subprotocol_is_refused() {
    let upstream = start(Behaviour::websocket()).await;
    let refused = tokio_tungstenite::connect_async(upstream.url()).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_socket_dies_in_the_middle_of_a_call() {
    let upstream = start(Behaviour::websocket_modern().ill(Ill::DieMidCall)).await;
    let mut client = Client::open(&upstream).await;
    client
        .request(
            1,
            "tools/call",
            json!({ "_meta": modern_meta(), "name": "echo" }),
        )
        .await;
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn stopping_closes_every_connection() {
    let upstream = start(Behaviour::websocket()).await;
    let mut client = Client::open(&upstream).await;
    let addr = upstream.addr();
    tokio::time::timeout(Duration::from_secs(5), upstream.stop())
        .await
        .unwrap();
    assert_eq!(client.next().await, None);
    Upstream::start_on(addr, Behaviour::sse()).await.unwrap();
}

#[tokio::test]
async fn an_ill_socket_sends_what_it_should_not() {
    async fn first(ill: Ill, method: &str) -> Option<Message> {
        let upstream = start(Behaviour::websocket_modern().ill(ill)).await;
        let mut client = Client::open(&upstream).await;
        client
            .request(1, method, json!({ "_meta": modern_meta(), "name": "echo" }))
            .await;
        tokio::time::timeout(SOON, client.socket.next())
            .await
            .unwrap()?
            .ok()
    }
    assert!(first(Ill::NotUtf8, "tools/call").await.unwrap().is_binary());
    assert!(
        first(Ill::NotJson, "tools/call")
            .await
            .unwrap()
            .to_text()
            .unwrap()
            .starts_with("<!")
    );
    // The client refuses messages of more than 16 MiB by itself.
    assert!(first(Ill::GiantEvent, "tools/call").await.is_none());
    assert!(first(Ill::HugeList, "tools/list").await.is_none());
    assert!(first(Ill::DieBeforeHeaders, "tools/call").await.is_none());
    assert!(
        first(Ill::EndlessStream, "tools/call")
            .await
            .unwrap()
            .is_text()
    );
}
