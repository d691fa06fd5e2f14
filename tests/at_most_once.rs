//! A tool is never called twice because of us, and whoever called it is told what is known
//! (docs/inside/decisions.md#at-most-once).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream, plain_tool};

use crate::harness::{Reply, Stage, UPSTREAM_TIMEOUT_MS, closed_address, eventually, register};

fn every_upstream() -> Vec<(&'static str, Behaviour)> {
    vec![
        ("stateless", Behaviour::stateless()),
        ("stateless-streaming", Behaviour::stateless().streaming()),
        ("sessions", Behaviour::sessions()),
        ("sessions-streaming", Behaviour::sessions().streaming()),
        ("sse", Behaviour::sse()),
        ("websocket", Behaviour::websocket()),
        ("websocket-modern", Behaviour::websocket_modern()),
    ]
}

/// A tool that says of itself that it may be called again, and one that does not.
fn tools() -> Vec<Value> {
    let mut idempotent = plain_tool("look", "Changes nothing.");
    idempotent["annotations"] = json!({ "idempotentHint": true });
    vec![idempotent, plain_tool("pay", "Pays.")]
}

/// A mentor with this upstream, whose tools are known and that then falls ill.
async fn ill(behaviour: Behaviour, illness: Illness) -> (Stage, Upstream) {
    let (stage, upstream) = Stage::of(behaviour.with_tools(tools())).await;
    stage
        .modern()
        .call("up__pay", json!({ "text": "x" }))
        .await
        .result();
    upstream.fall_ill(Some(illness));
    upstream.forget_seen();
    (stage, upstream)
}

/// What a caller is told of a failed call.
fn told(reply: &Reply) -> (Value, Value, bool) {
    let data = &reply.error()["data"];
    let message = reply.error()["message"].as_str().unwrap();
    let says_so = message.ends_with("; the call may have executed");
    (
        data["kind"].clone(),
        data["mayHaveExecuted"].clone(),
        says_so,
    )
}

#[tokio::test]
async fn a_call_whose_upstream_dies_is_made_once_and_may_have_executed() {
    for (label, behaviour) in every_upstream() {
        for death in [Ill::DieMidCall, Ill::DieBeforeHeaders] {
            let label = format!("{death:?}, {label}");
            let (stage, upstream) = ill(behaviour.clone(), Illness::new(death).times(1)).await;
            for client in [stage.modern(), stage.legacy().await] {
                upstream.forget_seen();
                let died = client.call("up__pay", json!({ "text": "x" })).await;
                if upstream.calls_of("tools/call") == 1 && died.answer()["error"].is_null() {
                    // The illness struck the first client alone.
                    continue;
                }
                assert_eq!(told(&died), ("closed".into(), true.into(), true), "{label}");
                assert_eq!(upstream.calls_of("tools/call"), 1, "{label}");
                let well = client.call("up__pay", json!({ "text": "x" })).await;
                assert_eq!(well.text(), "x", "{label}");
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_may_be_repeated_is_repeated_once() {
    for (label, behaviour) in every_upstream() {
        let once = Illness::new(Ill::DieBeforeHeaders).times(1);
        let (stage, upstream) = ill(behaviour.clone(), once).await;
        let repeated = stage
            .modern()
            .call("up__look", json!({ "text": "x" }))
            .await;
        assert_eq!(repeated.text(), "x", "{label}");
        assert_eq!(upstream.calls_of("tools/call"), 2, "{label}");

        let always = Illness::new(Ill::DieBeforeHeaders);
        let (stage, upstream) = ill(behaviour, always).await;
        let died = stage
            .modern()
            .call("up__look", json!({ "text": "x" }))
            .await;
        assert_eq!(told(&died), ("closed".into(), true.into(), true), "{label}");
        assert_eq!(upstream.calls_of("tools/call"), 2, "{label}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_answered_in_time_is_made_once_and_may_have_executed() {
    let calls = every_upstream().into_iter().flat_map(|(label, behaviour)| {
        [Ill::HangOnCall, Ill::HangAfterHeaders].map(|ill| (label, behaviour.clone(), ill))
    });
    let calls = calls.map(async |(label, behaviour, hangs)| {
        let label = format!("{hangs:?}, {label}");
        let (stage, upstream) = ill(behaviour, Illness::new(hangs)).await;
        let begun = Instant::now();
        let late = stage
            .modern()
            .call("up__look", json!({ "text": "x" }))
            .await;
        assert_eq!(
            told(&late),
            ("timeout".into(), true.into(), true),
            "{label}"
        );
        assert_eq!(upstream.calls_of("tools/call"), 1, "{label}");
        let deadline = Duration::from_millis(UPSTREAM_TIMEOUT_MS) + Duration::from_secs(2);
        assert!(begun.elapsed() < deadline, "{label}: {:?}", begun.elapsed());
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn a_call_that_never_left_says_that_it_did_not_execute() {
    let stage = Stage::start().await;
    let address = closed_address().await;
    let mut ids = Vec::new();
    for (name, url) in [
        ("Http", format!("http://{address}/mcp")),
        ("Sse", format!("http://{address}/sse")),
        ("Ws", format!("ws://{address}/ws")),
    ] {
        ids.push(register(&stage.admin, name, &url, json!({})).await);
    }
    stage.attach(&ids).await;
    for name in ["http__pay", "sse__pay", "ws__pay"] {
        let refused = stage.modern().call(name, json!({})).await;
        assert_eq!(
            told(&refused),
            ("unreachable".into(), false.into(), false),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_restarted_upstream_is_called_once_without_an_error() {
    for (label, behaviour) in every_upstream() {
        let (stage, upstream) = Stage::of(behaviour.clone().with_tools(tools())).await;
        let client = stage.modern();
        client
            .call("up__pay", json!({ "text": "x" }))
            .await
            .result();
        let address = upstream.addr();
        upstream.stop().await;
        let upstream = Upstream::start_on(address, behaviour.with_tools(tools()))
            .await
            .unwrap();
        let after = client.call("up__pay", json!({ "text": "after" })).await;
        assert_eq!(after.text(), "after", "{label}");
        let made = upstream
            .seen()
            .into_iter()
            .filter(|seen| seen.is("tools/call"));
        let made = made
            .filter(|seen| seen.params["arguments"]["text"] == "after")
            .count();
        // A session that is gone answers 404 before anything is carried out.
        let most = if label.starts_with("sessions") { 2 } else { 1 };
        assert!((1..=most).contains(&made), "{label}: {made}");
    }
}

#[tokio::test]
async fn an_upstream_that_fails_repeatedly_is_left_alone_and_then_tried_by_one_call() {
    let tries = every_upstream()
        .into_iter()
        .map(async |(label, behaviour)| {
            let (stage, upstream) = ill(behaviour, Illness::new(Ill::DieBeforeHeaders)).await;
            let well = Upstream::start(Behaviour::stateless()).await.unwrap();
            let well_id = stage.register("Well", &well, json!({})).await;
            stage.attach(&[1, well_id]).await;
            let client = stage.modern();
            for attempt in 1..=5 {
                let died = client.call("up__pay", json!({})).await;
                assert_eq!(told(&died).0, "closed", "{label}, attempt {attempt}");
            }
            upstream.forget_seen();
            let begun = Instant::now();
            for _ in 0..3 {
                let left_alone = client.call("up__pay", json!({})).await;
                assert_eq!(
                    told(&left_alone),
                    ("breaker_open".into(), false.into(), false),
                    "{label}"
                );
            }
            assert_eq!(upstream.calls_of("tools/call"), 0, "{label}");
            eventually("the bystander", async || {
                let answer = client.call("well__echo", json!({ "text": "x" })).await;
                answer.answer()["result"].is_object().then_some(())
            })
            .await;

            upstream.fall_ill(None);
            eventually("the probe", async || {
                let answer = client.call("up__pay", json!({ "text": "again" })).await;
                answer.answer()["result"].is_object().then_some(())
            })
            .await;
            assert!(
                begun.elapsed() > Duration::from_secs(5),
                "{label}: {:?}",
                begun.elapsed()
            );
            assert_eq!(upstream.calls_of("tools/call"), 1, "{label}");
            let closed = client.call("up__pay", json!({ "text": "x" })).await;
            assert_eq!(closed.text(), "x", "{label}");
        });
    futures_util::future::join_all(tries).await;
}

#[tokio::test]
async fn a_refused_call_does_not_open_the_breaker() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let client = stage.modern();
    client.tool_names().await;
    upstream.require_authorization(Some("Bearer another".into()));
    for _ in 0..8 {
        let refused = client.call("up__echo", json!({ "text": "x" })).await;
        assert_eq!(told(&refused).0, "unauthorized");
    }
    upstream.require_authorization(None);
    for _ in 0..8 {
        client.call("up__fail_rpc", json!({})).await.error();
    }
    assert_eq!(
        client.call("up__echo", json!({ "text": "x" })).await.text(),
        "x"
    );
}
