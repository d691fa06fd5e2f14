//! HTTP+SSE of 2024-11-05.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Ill, Upstream, plain_tool};

use crate::client::{Events, QUIET, drain, initialize, start};

struct Client {
    events: Events,
    endpoint: String,
}

impl Client {
    async fn open(upstream: &Upstream, version: &str) -> Client {
        let request = reqwest::Client::new()
            .get(upstream.url())
            .header("x-extra", "kept");
        let mut events = Events::new(request.send().await.unwrap());
        let path = events.next().await.unwrap();
        let endpoint = format!("http://{}{path}", upstream.addr());
        let mut client = Client { events, endpoint };
        client.post(initialize(version)).await;
        assert_eq!(
            client.events.next_message().await["result"]["protocolVersion"],
            version
        );
        client
    }

    async fn post(&self, message: Value) {
        let response = reqwest::Client::new()
            .post(&self.endpoint)
            .json(&message)
            .send()
            .await;
        assert_eq!(response.unwrap().status(), 202);
    }

    async fn call(&mut self, id: u64, name: &str) {
        let params = json!({ "name": name, "arguments": {}, "_meta": { "progressToken": id } });
        self.post(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
            .await;
    }
}

#[tokio::test]
async fn everything_comes_down_one_stream() {
    let upstream = start(Behaviour::sse()).await;
    let mut client = Client::open(&upstream, "2025-06-18").await;
    client.call(5, "whoami").await;
    let who = client.events.next_message().await["result"]["structuredContent"].clone();
    assert_eq!(who["headers"]["x-extra"], "kept");
    client.call(6, "progress").await;
    for step in 1..=3 {
        assert_eq!(
            client.events.next_message().await["params"]["progress"],
            step
        );
    }
    assert_eq!(client.events.next_message().await["id"], 6);
    upstream.add_tool(plain_tool("more", "More."));
    assert_eq!(
        client.events.next_message().await["method"],
        "notifications/tools/list_changed"
    );
    client.call(7, "ask").await;
    let request = client.events.next_message().await;
    client
        .post(json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "action": "decline" } }))
        .await;
    let answers =
        client.events.next_message().await["result"]["structuredContent"]["answers"].clone();
    assert_eq!(answers["answer-1"]["action"], "decline");
}

#[tokio::test]
async fn the_first_revision_is_spoken_plainly() {
    let upstream = start(Behaviour::sse()).await;
    let mut client = Client::open(&upstream, "2024-11-05").await;
    client.call(1, "rich").await;
    let result = client.events.next_message().await["result"].clone();
    let types: Vec<_> = result["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["type"])
        .collect();
    assert_eq!(
        types,
        ["text", "image", "text", "resource", "resource", "text"]
    );
    assert_eq!(result.get("structuredContent"), None);
}

#[tokio::test]
async fn a_post_to_the_stream_is_no_streamable_http() {
    let upstream = start(Behaviour::sse()).await;
    let response = reqwest::Client::new()
        .post(upstream.url())
        .json(&initialize("2025-11-25"));
    assert_eq!(response.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn a_foreign_endpoint_is_named_if_that_is_the_illness() {
    let upstream =
        start(Behaviour::sse().ill(Ill::ForeignEndpoint("http://127.0.0.2:9".into()))).await;
    let mut events = Events::new(reqwest::get(upstream.url()).await.unwrap());
    assert!(
        events
            .next()
            .await
            .unwrap()
            .starts_with("http://127.0.0.2:9/messages?sessionId=")
    );
}

#[tokio::test]
async fn an_ill_stream_breaks_ends_or_falls_silent() {
    for (ill, comes_to) in [
        (Ill::DieMidCall, None),
        (Ill::DieBeforeHeaders, None),
        (Ill::ClosesIdle, None),
        (Ill::NotJson, Some("<!doctype")),
    ] {
        let upstream = start(Behaviour::sse().ill(ill.clone())).await;
        let mut client = Client::open(&upstream, "2025-06-18").await;
        client.call(1, "echo").await;
        let mut next = client.events.next().await;
        if ill == Ill::ClosesIdle {
            assert!(next.is_some());
            next = client.events.next().await;
        }
        assert_eq!(next.is_some(), comes_to.is_some(), "{ill:?}");
        assert!(
            comes_to.is_none_or(|begin| next.unwrap().starts_with(begin)),
            "{ill:?}"
        );
    }
    let upstream = start(Behaviour::sse().ill(Ill::HangAfterHeaders)).await;
    let mut client = Client::open(&upstream, "2025-06-18").await;
    client.call(1, "echo").await;
    assert!(
        tokio::time::timeout(QUIET, client.events.next())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_huge_list_comes_down_the_stream() {
    let upstream = start(Behaviour::sse().ill(Ill::HugeList)).await;
    let client = Client::open(&upstream, "2025-06-18").await;
    client
        .post(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }))
        .await;
    let (length, is_broken) = drain(client.events.into_response(), 50_000_000).await;
    assert!(length >= 50_000_000 && !is_broken);
}
