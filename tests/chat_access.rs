//! Who may talk in a chat, and what ends a turn before its time.

use futures_util::{SinkExt, StreamExt};
use mentor_gateway::app::App;
use mentor_gateway::secret::Secret;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};
use upstream_fixtures::Behaviour;

use crate::harness::{
    Chat, Client, Gateway, SOON, Stage, connect_socket, eventually, refusal, send, session,
};

#[tokio::test]
async fn a_frame_that_may_not_talk_is_refused_and_the_socket_closed() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let stranger = gateway.stranger().await;
    let chat = Chat::open(&learner, &gateway.mentor).await;
    let good = chat.frame.clone();
    let with = |path: &str, value: Value| {
        let mut frame = good.clone();
        *frame.pointer_mut(path).unwrap() = value;
        frame.to_string()
    };
    let wrong = "invalid input: flow: This field is required.; session_id: This field is required.";
    for (text, expected) in [
        (
            with("/token", json!("0".repeat(64))),
            refusal("Invalid token.", 401),
        ),
        (
            with("/token", json!(stranger.key)),
            refusal("Invalid token.", 401),
        ),
        (
            with("/token", json!(null)),
            refusal("Authentication credentials were not provided.", 401),
        ),
        (
            with("/flow/tenant", json!("globex")),
            refusal("Invalid token.", 401),
        ),
        (
            with("/flow/username", json!("carol")),
            refusal("You do not have permission to perform this action.", 403),
        ),
        (
            with("/flow/name", json!("nobody")),
            refusal("Not found.", 404),
        ),
        (
            with("/session_id", json!("0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11")),
            refusal("Not found.", 404),
        ),
        (
            "{}".into(),
            refusal(wrong.trim_start_matches("invalid input: "), 400),
        ),
        ("[]".into(), refusal("A frame must be a JSON object.", 400)),
    ] {
        let mut chat = Chat::in_session(&learner, &gateway.mentor, &chat.session()).await;
        chat.send_text(&text).await;
        assert_eq!(chat.turn().await, [expected], "{text}");
        assert_eq!(chat.next().await, None, "{text}");
    }
    let mut link = good.clone();
    link["token_type"] = "link".into();
    let mut chat = Chat::in_session(&learner, &gateway.mentor, &chat.session()).await;
    chat.send(&link).await;
    assert_eq!(chat.turn().await, [refusal("Invalid token.", 401)]);
}

#[tokio::test]
async fn a_key_with_the_right_to_talks_for_a_learner() {
    let (stage, _upstream) = Stage::of(Behaviour::stateless()).await;
    let runtime = stage
        .gateway
        .platform_key(&["act-as"])
        .await
        .on_path_of("acme", "bob");
    let mut chat = Chat::open(&runtime, &stage.gateway.mentor).await;
    chat.ask("/tool up__echo {}").await;
    let calls = stage.calls_in_audit(1).await;
    assert_eq!(
        (&calls[0]["user"], &calls[0]["actor"]),
        (&json!("bob"), &json!("alice"))
    );
}

#[tokio::test]
async fn a_browser_of_a_foreign_origin_gets_no_socket() {
    let gateway = Gateway::start().await;
    let evil = gateway
        .learner()
        .await
        .with_header("origin", "https://evil.example");
    for path in ["/ws/langflow/", "/ws/chat", "/ws/langflow-stop-generation/"] {
        match connect_socket(&evil, path).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

async fn stop_over_socket(person: &Client, frame: &Value) -> Value {
    let mut socket = connect_socket(person, "/ws/langflow-stop-generation/")
        .await
        .unwrap();
    socket.send(Message::text(frame.to_string())).await.unwrap();
    let answer = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    serde_json::from_str(answer.unwrap().unwrap().to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_turn_is_stopped_by_its_person_and_nobody_else() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let carol = stage.gateway.client("acme", "carol").await;
    for is_rest in [true, false] {
        let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
        chat.say(r#"/tool up__slow {"ms": 20000}"#).await;
        chat.frame().await;
        let id = chat.frame().await["generation_id"].clone();
        upstream
            .wait_for(|seen| seen.is("tools/call"), SOON)
            .await
            .unwrap();
        let body = json!({"generation_id": id});
        carol
            .post("stop-generation/", body.clone())
            .await
            .expect(404);
        if is_rest {
            let stopped = stage
                .learner
                .post("stop-generation/", body)
                .await
                .expect(200);
            assert_eq!(stopped, json!({"detail": "Stopped"}));
        } else {
            let mut frame = json!({
                "generation_id": id, "name": stage.gateway.mentor, "tenant": "acme", "username": "bob",
                "token": carol.key,
            });
            let denied = stop_over_socket(&carol, &frame).await;
            assert_eq!(
                denied,
                refusal("You do not have permission to perform this action.", 403)
            );
            frame["token"] = json!(stage.learner.key);
            let stopped = stop_over_socket(&stage.learner, &frame).await;
            assert_eq!(stopped, json!({"detail": "Stopped"}));
        }
        assert_eq!(chat.turn().await.last(), Some(&json!({"eos": true})));
        upstream.forget_seen();
    }
    let gone = json!({"generation_id": "nothing"});
    stage
        .learner
        .post("stop-generation/", gone)
        .await
        .expect(404);
    stage
        .learner
        .post("stop-generation/", json!({}))
        .await
        .expect(400);
}

#[tokio::test]
async fn a_turn_is_stopped_through_another_replica() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let app = &stage.gateway.app;
    let replica = App::start(app.config.clone(), app.clock.clone())
        .await
        .unwrap();
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say(r#"/tool up__slow {"ms": 20000}"#).await;
    chat.frame().await;
    let id = chat.frame().await["generation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    upstream
        .wait_for(|seen| seen.is("tools/call"), SOON)
        .await
        .unwrap();
    let key = Secret::new(stage.learner.key.clone().unwrap());
    let caller = replica
        .auth
        .caller(&key, None, [127, 0, 0, 1].into())
        .await
        .unwrap();
    replica.chat.stop(&caller, &id).await.unwrap();
    assert_eq!(chat.turn().await.last(), Some(&json!({"eos": true})));
    replica.stop().await;
}

#[tokio::test]
async fn hanging_up_cancels_the_call_that_was_under_way() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say(r#"/tool up__slow {"ms": 20000}"#).await;
    upstream
        .wait_for(|seen| seen.is("tools/call"), SOON)
        .await
        .unwrap();
    chat.close().await;
    upstream
        .wait_for(|seen| seen.is("cancelled"), SOON)
        .await
        .unwrap();
    let calls = stage.calls_in_audit(1).await;
    assert_eq!(calls[0]["outcome"], "cancelled");
}

#[tokio::test]
async fn a_client_that_leaves_an_event_stream_cancels_its_turn() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let id = session(&stage.learner, &stage.gateway.mentor, json!({})).await;
    let flow = json!({"name": stage.gateway.mentor, "tenant": "acme", "username": "bob"});
    let body = json!({"flow": flow, "session_id": id, "prompt": "/tool up__slow {\"ms\": 20000}"});
    let request = stage
        .learner
        .request(reqwest::Method::POST, "/api/agent/chat/");
    let response = request.json(&body).send().await.unwrap();
    upstream
        .wait_for(|seen| seen.is("tools/call"), SOON)
        .await
        .unwrap();
    drop(response);
    upstream
        .wait_for(|seen| seen.is("cancelled"), SOON)
        .await
        .unwrap();
    // Nothing of the turn is left to be stopped.
    eventually("the end of the turn", async || {
        let stored = send(
            stage
                .learner
                .request(reqwest::Method::GET, &format!("sessions/{id}/")),
        )
        .await;
        (stored.body["title"] != "").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_ends_the_turn_that_is_under_way() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say(r#"/tool up__slow {"ms": 20000}"#).await;
    upstream
        .wait_for(|seen| seen.is("tools/call"), SOON)
        .await
        .unwrap();
    stage.gateway.revoke_keys_of("acme", "bob").await;
    assert_eq!(
        chat.turn().await.last(),
        Some(&refusal("Invalid token.", 401))
    );
    assert_eq!(chat.next().await, None);
}
