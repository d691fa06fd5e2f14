//! Each illness shows, and only where it strikes.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::client::{QUIET, SOON, Session, drain, initialize, messages, modern, post, start};

async fn ill(ill: Ill) -> Upstream {
    start(Behaviour::stateless().ill(ill)).await
}

async fn call(upstream: &Upstream) -> reqwest::Response {
    let params = json!({ "name": "echo", "arguments": { "text": "a" } });
    modern(upstream, "tools/call", params).send().await.unwrap()
}

async fn list(upstream: &Upstream) -> Value {
    let response = modern(upstream, "tools/list", json!({}))
        .send()
        .await
        .unwrap();
    messages(response).await[0]["result"].clone()
}

#[tokio::test]
async fn nothing_comes_from_what_hangs() {
    for illness in [Ill::HangOnConnect, Ill::HangOnList] {
        let upstream = ill(illness).await;
        let response = modern(&upstream, "tools/list", json!({})).send();
        assert!(tokio::time::timeout(QUIET, response).await.is_err());
    }
    let upstream = ill(Ill::HangOnCall).await;
    assert!(tokio::time::timeout(QUIET, call(&upstream)).await.is_err());
    assert!(list(&upstream).await["tools"].is_array());
    let upstream = ill(Ill::HangAfterHeaders).await;
    let response = tokio::time::timeout(SOON, call(&upstream)).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(tokio::time::timeout(QUIET, response.text()).await.is_err());
}

#[tokio::test]
async fn what_dies_breaks_the_connection() {
    let upstream = ill(Ill::DieBeforeHeaders).await;
    let params = json!({ "name": "echo" });
    assert!(
        modern(&upstream, "tools/call", params)
            .send()
            .await
            .is_err()
    );
    for behaviour in [Behaviour::stateless(), Behaviour::stateless().streaming()] {
        let upstream = start(behaviour.ill(Ill::DieMidCall)).await;
        let (length, is_broken) = drain(call(&upstream).await, usize::MAX).await;
        assert!(is_broken);
        assert!(length > 20);
    }
}

#[tokio::test]
async fn ids_go_astray() {
    let upstream = ill(Ill::WrongId).await;
    assert_eq!(messages(call(&upstream).await).await[0]["id"], 987_654_321);
    let upstream = ill(Ill::StringId).await;
    assert_eq!(messages(call(&upstream).await).await[0]["id"], "1");
    let upstream = ill(Ill::DuplicateAnswer).await;
    let twice = messages(call(&upstream).await).await;
    assert_eq!(twice[0], twice[1]);
}

#[tokio::test]
async fn lists_have_no_end() {
    let upstream = ill(Ill::EndlessList).await;
    let first = list(&upstream).await;
    let params = json!({ "cursor": first["nextCursor"] });
    let second = messages(
        modern(&upstream, "tools/list", params)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_ne!(second[0]["result"]["nextCursor"], first["nextCursor"]);
    let upstream = ill(Ill::LoopingCursor).await;
    assert_eq!(list(&upstream).await["nextCursor"], "again");
    let upstream = ill(Ill::HugeList).await;
    let response = modern(&upstream, "tools/list", json!({}))
        .send()
        .await
        .unwrap();
    let (length, is_broken) = drain(response, usize::MAX).await;
    assert!(length > 50_000_000 && !is_broken);
}

#[tokio::test]
async fn streams_have_no_end() {
    for (illness, most) in [(Ill::EndlessStream, 1 << 20), (Ill::GiantEvent, 20 << 20)] {
        let upstream = ill(illness).await;
        let (length, is_broken) = drain(call(&upstream).await, most).await;
        assert!(length >= most && !is_broken);
    }
    let upstream = ill(Ill::Flood).await;
    let flood = messages(call(&upstream).await).await;
    assert_eq!(flood.len(), 100_001);
    assert_eq!(flood[100_000]["id"], 1);
}

#[tokio::test]
async fn bodies_are_not_what_they_should_be() {
    let upstream = ill(Ill::NotJson).await;
    assert!(
        call(&upstream)
            .await
            .text()
            .await
            .unwrap()
            .starts_with("<!doctype")
    );
    let upstream = ill(Ill::NotUtf8).await;
    assert!(String::from_utf8(call(&upstream).await.bytes().await.unwrap().to_vec()).is_err());
    let upstream = ill(Ill::WrongContentType).await;
    assert_eq!(call(&upstream).await.headers()["content-type"], "text/html");
    let upstream = ill(Ill::Bomb).await;
    let response = call(&upstream).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let (length, is_broken) = drain(response, 10_000).await;
    assert!(length >= 10_000 && !is_broken);
}

#[tokio::test]
async fn statuses_come_instead_of_answers() {
    let to = "http://127.0.0.1:1/mcp".to_owned();
    for (illness, status, header) in [
        (Ill::Redirect { status: 307, to }, 307, Some("location")),
        (
            Ill::Status {
                status: 503,
                retry_after: Some(7),
            },
            503,
            Some("retry-after"),
        ),
        (
            Ill::Status {
                status: 500,
                retry_after: None,
            },
            500,
            None,
        ),
        (Ill::Unauthorized, 401, Some("www-authenticate")),
    ] {
        let upstream = ill(illness).await;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let request = modern(&upstream, "tools/list", json!({})).build().unwrap();
        let response = client.build().unwrap().execute(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(header.is_none_or(|header| response.headers().contains_key(header)));
        assert_eq!(upstream.calls_of("tools/list"), 1);
    }
}

#[tokio::test]
async fn an_illness_strikes_where_and_as_often_as_told() {
    let upstream = start(Behaviour::sessions()).await;
    let refuses = Ill::Status {
        status: 502,
        retry_after: None,
    };
    upstream.fall_ill(Some(Illness::new(refuses).on("initialize").times(2)));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let response = post(&upstream, initialize("2025-11-25"))
            .send()
            .await
            .unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [502, 502, 200]);
}

#[tokio::test]
async fn streams_close_after_each_answer() {
    let upstream = start(Behaviour::sessions()).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    upstream.fall_ill(Some(Illness::new(Ill::ClosesIdle).on("tools/call")));
    let mut events = session.listen().await;
    session.call("tools/call", json!({ "name": "echo" })).await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn bad_tools_stand_between_good_ones() {
    let upstream = ill(Ill::BadTools).await;
    let tools = list(&upstream).await["tools"].as_array().unwrap().clone();
    assert_eq!(tools[0]["name"], "good_first");
    assert_eq!(tools[tools.len() - 1]["name"], "good_last");
    assert!(tools.iter().any(|tool| tool["name"] == ""));
}

#[tokio::test]
async fn the_model_is_asked_without_end() {
    let upstream = start(Behaviour::sessions().ill(Ill::ServerRequestsFlood)).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    let response = session.call("tools/call", json!({ "name": "echo" })).await;
    let (length, is_broken) = drain(response, 1 << 20).await;
    assert!(length >= 1 << 20 && !is_broken);
}
