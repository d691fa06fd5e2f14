//! One person's failing calls are theirs: nobody else is shut out, whatever the transport and the failure.

use futures_util::future::join_all;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{Mcp, Reply, Stage, closed_address, eventually, register};

/// Failures in a row that shut somebody out.
const ENOUGH: usize = 5;

fn every_upstream() -> [(&'static str, Behaviour); 7] {
    [
        ("stateless", Behaviour::stateless()),
        ("stateless-streaming", Behaviour::stateless().streaming()),
        ("sessions", Behaviour::sessions()),
        ("sessions-streaming", Behaviour::sessions().streaming()),
        ("sse", Behaviour::sse()),
        ("websocket", Behaviour::websocket()),
        ("websocket-modern", Behaviour::websocket_modern()),
    ]
}

fn kind(reply: &Reply) -> String {
    match &reply.answer()["error"] {
        Value::Null => "ok".to_owned(),
        error => error["data"]["kind"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// The state of the one server in a person's list.
async fn state(client: &Mcp) -> String {
    let list = client.request("tools/list", json!({})).await;
    let server = &list.result()["_meta"]["mentor-gateway/servers"][0];
    server["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_fail_shut_nobody_else_out() {
    let server_error = Ill::Status {
        status: 500,
        retry_after: None,
    };
    let rows = every_upstream().into_iter().flat_map(|(label, behaviour)| {
        let is_websocket = label.starts_with("websocket");
        [Ill::DieBeforeHeaders, server_error.clone()]
            .into_iter()
            // A WebSocket has its handshake behind it.
            .filter(move |ill| !is_websocket || *ill == Ill::DieBeforeHeaders)
            .map(move |ill| (label, behaviour.clone(), ill))
    });
    let tried = rows.map(async |(label, behaviour, ill)| {
        let label = format!("{ill:?}, {label}");
        let (stage, upstream) = Stage::of(behaviour).await;
        let carol = stage.gateway.client("acme", "carol").await;
        let bob = stage.modern();
        let carol = Mcp::modern(&carol, stage.mentor_path());
        for client in [&bob, &carol] {
            client.call("up__counter", json!({})).await.result();
        }
        upstream.fall_ill(Some(Illness::new(ill).on("tools/call")));
        for attempt in 0..ENOUGH {
            let failed = bob.call("up__counter", json!({})).await;
            assert_ne!(kind(&failed), "breaker_open", "{label}, {attempt}");
        }
        upstream.fall_ill(None);
        let shut_out = bob.call("up__counter", json!({})).await;
        assert_eq!(kind(&shut_out), "breaker_open", "{label}");
        assert_eq!(state(&bob).await, "breaker_open", "{label}");
        let served = carol.call("up__counter", json!({})).await;
        assert_eq!(kind(&served), "ok", "{label}: {}", served.answer());
        assert_eq!(state(&carol).await, "ok", "{label}");
    });
    join_all(tried).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_left_alone_by_all() {
    let stage = Stage::start().await;
    let address = closed_address().await;
    let url = format!("http://{address}/mcp");
    let server = register(&stage.admin, "Up", &url, json!({})).await;
    stage.attach(&[server]).await;
    let carol = stage.gateway.client("acme", "carol").await;
    let (bob, carol) = (stage.modern(), Mcp::modern(&carol, stage.mentor_path()));
    for _ in 0..ENOUGH {
        bob.call("up__echo", json!({})).await.error();
    }
    let refused = carol.call("up__echo", json!({})).await;
    assert_eq!(kind(&refused), "breaker_open", "{}", refused.answer());
}

#[tokio::test]
async fn what_a_server_says_in_an_error_is_told_in_its_kind() {
    let wait = |status, retry_after| Ill::Status {
        status,
        retry_after,
    };
    for (ill, kind, retry_after) in [
        (wait(429, Some(7)), "http", json!(7)),
        (wait(503, Some(9)), "http", json!(9)),
        (wait(400, None), "http", Value::Null),
        (wait(403, None), "forbidden", Value::Null),
        (wait(401, None), "unauthorized", Value::Null),
    ] {
        let label = format!("{ill:?}");
        let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
        let client = stage.modern();
        client
            .call("up__echo", json!({ "text": "x" }))
            .await
            .result();
        upstream.fall_ill(Some(Illness::new(ill).on("tools/call")));
        let refused = client.call("up__echo", json!({ "text": "x" })).await;
        let data = &refused.error()["data"];
        assert_eq!(
            (&data["kind"], &data["retryAfter"]),
            (&json!(kind), &retry_after),
            "{label}"
        );
    }
}

#[tokio::test]
async fn a_restarted_upstream_serves_whoever_was_shut_out() {
    let (stage, upstream) = Stage::of(Behaviour::sessions()).await;
    let client = stage.modern();
    client
        .call("up__echo", json!({ "text": "x" }))
        .await
        .result();
    let address = upstream.addr();
    upstream.stop().await;
    for _ in 0..ENOUGH {
        client
            .call("up__echo", json!({ "text": "x" }))
            .await
            .error();
    }
    let _again = Upstream::start_on(address, Behaviour::sessions())
        .await
        .unwrap();
    eventually("an answer", async || {
        let reply = client.call("up__echo", json!({ "text": "x" })).await;
        reply.answer()["result"].is_object().then_some(())
    })
    .await;
}
