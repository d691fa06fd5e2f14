//! Streamable HTTP with sessions, 2025-03-26 to 2025-11-25.

use serde_json::json;
use upstream_fixtures::{Behaviour, plain_tool};

use crate::client::{Events, SOON, Session, initialize, messages, modern, post, start};

#[tokio::test]
async fn the_asked_revision_is_spoken_if_it_is_known() {
    let upstream = start(Behaviour::sessions()).await;
    for (asked, spoken) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let response = post(&upstream, initialize(asked)).send().await.unwrap();
        let result = &messages(response).await[0]["result"];
        assert_eq!(result["protocolVersion"], spoken);
        assert_eq!(result.get("resultType"), None);
        assert_eq!(
            result["serverInfo"].get("title").is_some(),
            spoken > "2025-03-26"
        );
    }
}

#[tokio::test]
async fn an_old_revision_hears_only_words_it_knows() {
    let upstream = start(Behaviour::sessions()).await;
    let old = Session::open(&upstream, "2025-03-26").await;
    let tools =
        messages(old.call("tools/list", json!({})).await).await[0]["result"]["tools"].clone();
    let mut members: Vec<_> = tools[0].as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(
        members,
        [
            "annotations",
            "description",
            "inputSchema",
            "name",
            "vendorMember"
        ]
    );
    let rich = old.call("tools/call", json!({ "name": "rich" })).await;
    let result = &messages(rich).await[0]["result"];
    assert_eq!(result.get("structuredContent"), None);
    assert_eq!(result["content"][2]["type"], "audio");
    assert_eq!(result["content"][5]["type"], "text");
}

#[tokio::test]
async fn a_modern_request_gets_no_modern_answer() {
    let upstream = start(Behaviour::sessions()).await;
    let response = modern(&upstream, "server/discover", json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.text().await.unwrap(),
        "Bad Request: Missing session ID"
    );
}

#[tokio::test]
async fn a_session_ends_by_delete_or_by_being_forgotten() {
    let upstream = start(Behaviour::sessions()).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    let delete = reqwest::Client::new().delete(upstream.url());
    let deleted = delete
        .header("mcp-session-id", &session.id)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 200);
    assert_eq!(session.call("ping", json!({})).await.status(), 404);
    let session = Session::open(&upstream, "2025-11-25").await;
    upstream.forget_sessions();
    assert_eq!(session.call("ping", json!({})).await.status(), 404);
    assert_eq!(upstream.session_count(), 0);
}

#[tokio::test]
async fn each_session_counts_for_itself() {
    let upstream = start(Behaviour::sessions()).await;
    let one = Session::open(&upstream, "2025-11-25").await;
    let other = Session::open(&upstream, "2025-11-25").await;
    let mut counts = Vec::new();
    for session in [&one, &one, &other, &one] {
        let response = session
            .call("tools/call", json!({ "name": "counter" }))
            .await;
        counts.push(messages(response).await[0]["result"]["structuredContent"]["count"].clone());
    }
    assert_eq!(counts, [1, 2, 1, 3]);
}

#[tokio::test]
async fn a_changed_list_is_told_on_the_get_stream() {
    let upstream = start(Behaviour::sessions()).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    let mut events = session.listen().await;
    upstream
        .wait_for(|seen| seen.verb == "GET", SOON)
        .await
        .unwrap();
    upstream.add_tool(plain_tool("more", "More."));
    assert_eq!(
        events.next_message().await["method"],
        "notifications/tools/list_changed"
    );
    session
        .call("resources/subscribe", json!({ "uri": "fixture://item/1" }))
        .await;
    upstream.touch_resource("fixture://item/2");
    upstream.touch_resource("fixture://item/1");
    assert_eq!(
        events.next_message().await["params"]["uri"],
        "fixture://item/1"
    );
    drop(events);
    upstream
        .wait_for(|seen| seen.is("closed"), SOON)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_user_is_asked_on_the_stream_of_the_call() {
    for behaviour in [Behaviour::sessions(), Behaviour::sessions().streaming()] {
        let upstream = start(behaviour).await;
        let session = Session::open(&upstream, "2025-11-25").await;
        let call = session
            .call("tools/call", json!({ "name": "ask_all" }))
            .await;
        let mut events = Events::new(call);
        for method in ["elicitation/create", "sampling/createMessage", "roots/list"] {
            let request = events.next_message().await;
            assert_eq!(request["method"], method);
            let answer =
                json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "said": method } });
            assert_eq!(session.post(answer).await.status(), 202);
        }
        let answers = events.next_message().await["result"]["structuredContent"]["answers"].clone();
        assert_eq!(answers["roots"], json!({ "said": "roots/list" }));
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn a_call_ends_without_an_answer_when_it_is_cancelled() {
    let upstream = start(Behaviour::sessions()).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    let cancel = async {
        upstream
            .wait_for(|seen| seen.is("tools/call"), SOON)
            .await
            .unwrap();
        let params = json!({ "requestId": 2 });
        let message =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        session.post(message).await
    };
    let params = json!({ "name": "slow", "arguments": { "ms": 600_000 } });
    let (response, _) = tokio::join!(session.call("tools/call", params), cancel);
    assert_eq!(response.text().await.unwrap(), "");
    assert_eq!(upstream.calls_of("cancelled"), 1);
}

#[tokio::test]
async fn only_the_right_credentials_are_let_in() {
    let upstream = start(Behaviour::sessions()).await;
    upstream.require_authorization(Some("Bearer right".to_owned()));
    upstream.name_authorization_servers(vec!["http://127.0.0.1:1".to_owned()]);
    let refused = post(&upstream, initialize("2025-11-25"))
        .bearer_auth("wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let metadata = challenge
        .split('"')
        .find(|part| part.starts_with("http"))
        .unwrap();
    let metadata: serde_json::Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert_eq!(metadata["resource"], upstream.url());
    let let_in = post(&upstream, initialize("2025-11-25"))
        .bearer_auth("right")
        .send()
        .await
        .unwrap();
    assert_eq!(let_in.status(), 200);
    let seen: Vec<_> = upstream
        .seen()
        .iter()
        .map(|seen| seen.header("Authorization").map(str::to_owned))
        .collect();
    assert_eq!(
        seen,
        [
            Some("Bearer wrong".to_owned()),
            Some("Bearer right".to_owned())
        ]
    );
}
