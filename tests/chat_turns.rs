//! Turns of a chat over WebSocket and SSE, frame by frame (contract.md section 14), with the built-in engine.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mentor_gateway::app::App;
use mentor_gateway::gateway::chats::{ChatEvent, ChatKey};
use mentor_gateway::secret::Secret;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{
    Chat, Client, Gateway, SOON, SignIn, Stage, closed_address, connect_socket, eventually,
    register, send, session, text_of,
};

/// A frame with what differs from run to run replaced.
fn plain(frame: &Value) -> Value {
    let mut frame = frame.clone();
    for name in ["generation_id", "session_id", "id"] {
        if frame[name].is_string() {
            frame[name] = "…".into();
        }
    }
    frame
}

fn connected() -> Value {
    json!({"detail": "Connected.", "status_code": 200, "session_id": "…"})
}

fn begun() -> Value {
    json!({"generation_id": "…"})
}

fn error(text: &str, status: u16) -> Value {
    json!({"error": text, "status_code": status})
}

#[tokio::test]
async fn a_tool_is_run_and_every_frame_comes_in_its_order() {
    let (stage, _upstream) = Stage::of(Behaviour::stateless()).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say(r#"/tool up__echo {"text": "hi"}"#).await;
    let frames: Vec<Value> = chat.turn().await.iter().map(plain).collect();
    assert_eq!(
        frames,
        [
            connected(),
            begun(),
            json!({"type": "tool_call", "id": "…", "name": "up__echo", "value": {"text": "hi"}}),
            json!({"type": "tool_call.end", "id": "…", "name": "up__echo", "value": "hi"}),
            json!({"data": "hi"}),
            json!({"eos": true}),
        ]
    );
    chat.say("/tool up__nothing").await;
    let frames: Vec<Value> = chat.turn().await.iter().map(plain).collect();
    assert_eq!(frames[0], begun(), "connected once");
    assert_eq!(
        text_of(&frames),
        "`up__nothing` failed: Unknown tool: up__nothing"
    );
    let calls = stage.calls_in_audit(1).await;
    assert_eq!(
        (&calls[0]["user"], &calls[0]["tool"]),
        (&json!("bob"), &json!("up__echo"))
    );
}

#[tokio::test]
async fn without_a_command_the_tools_are_listed() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    upstream.set_tools(vec![upstream_fixtures::plain_tool(
        "echo",
        "Says it again.",
    )]);
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    let text = chat.ask("What can you do?").await;
    assert!(
        text.starts_with("Finance Mentor has no language model"),
        "{text}"
    );
    assert!(text.contains("\n- `up__echo`: "), "{text}");
    let broken = chat.ask("/tool up__echo [1]").await;
    assert!(broken.contains("not a JSON object"), "{broken}");
}

#[tokio::test]
async fn a_mentor_without_tools_says_why() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let mut chat = Chat::open(&learner, &gateway.mentor).await;
    let text = chat.ask("hello").await;
    assert!(
        text.contains("The MCP tool is switched off for Finance Mentor"),
        "{text}"
    );
}

#[tokio::test]
async fn a_session_without_tools_runs_none() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let mentor = &stage.gateway.mentor;
    let id = session(&stage.learner, mentor, json!({"tools": []})).await;
    let mut chat = Chat::in_session(&stage.learner, mentor, &id).await;
    let text = chat.ask("/tool up__echo {}").await;
    assert_eq!(
        text,
        "`up__echo` failed: This chat was opened without tools."
    );
    assert!(chat.ask("hello").await.contains("opened without tools"));
    assert_eq!(upstream.calls_of("tools/call"), 0);
}

#[tokio::test]
async fn a_greeting_client_connects_first_and_then_lets_the_mentor_begin() {
    let gateway = Gateway::start().await;
    let (admin, learner) = (gateway.admin().await, gateway.learner().await);
    let settings = format!("mentors/{}/settings/", gateway.mentor);
    admin
        .patch(&settings, json!({"proactive_response": "Welcome!"}))
        .await
        .expect(200);
    let mut chat = Chat::open(&learner, &gateway.mentor).await;
    let mut frame = chat.frame.clone();
    chat.send(&frame).await;
    assert_eq!(plain(&chat.frame().await), connected());
    frame["is_proactive"] = true.into();
    chat.send(&frame).await;
    let frames: Vec<Value> = chat.turn().await.iter().map(plain).collect();
    assert_eq!(
        frames,
        [begun(), json!({"data": "Welcome!"}), json!({"eos": true})]
    );
    // A frame that only connects is answered however often it comes.
    chat.send(&chat.frame.clone()).await;
    assert_eq!(plain(&chat.frame().await), connected());
}

#[tokio::test]
async fn a_doubled_first_frame_is_run_once_if_the_client_leaves_after_the_first_turn() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    // As the published Python client does: once, and once more after the first answer.
    chat.say("/tool up__echo {}").await;
    assert_eq!(plain(&chat.frame().await), connected());
    chat.say("/tool up__echo {}").await;
    assert_eq!(chat.turn().await.last(), Some(&json!({"eos": true})));
    chat.close().await;
    let mut other = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    other.ask("/tool up__whoami").await;
    assert_eq!(upstream.calls_of("tools/call"), 2);
}

#[tokio::test]
async fn turns_of_one_client_run_one_after_another() {
    let (stage, _upstream) = Stage::of(Behaviour::stateless()).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("/tool up__echo {\"text\": \"same\"}").await;
    chat.say("/tool up__echo {\"text\": \"same\"}").await;
    chat.say("/tool up__echo {\"text\": \"third\"}").await;
    for expected in ["same", "same", "third"] {
        assert_eq!(text_of(&chat.turn().await), expected);
    }
}

#[tokio::test]
async fn a_client_is_never_left_without_a_frame_for_long() {
    let stage = Stage::start_with(|settings| settings.upstream_timeout_ms = Some(60_000)).await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = stage.register("Up", &upstream, json!({})).await;
    stage.attach(&[server]).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say(r#"/tool up__slow {"ms": 20000}"#).await;
    let typing = json!({"type": "typing", "isTyping": true});
    for _ in 0..2 {
        let heard = async { while chat.next().await.unwrap() != typing {} };
        let heard = tokio::time::timeout(Duration::from_secs(9), heard).await;
        heard.expect("clients give up after 10 s");
    }
}

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
            error("Invalid token.", 401),
        ),
        (
            with("/token", json!(stranger.key)),
            error("Invalid token.", 401),
        ),
        (
            with("/token", json!(null)),
            error("Authentication credentials were not provided.", 401),
        ),
        (
            with("/flow/tenant", json!("globex")),
            error("Invalid token.", 401),
        ),
        (
            with("/flow/username", json!("carol")),
            error("You do not have permission to perform this action.", 403),
        ),
        (
            with("/flow/name", json!("nobody")),
            error("Not found.", 404),
        ),
        (
            with("/session_id", json!("0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11")),
            error("Not found.", 404),
        ),
        (
            "{}".into(),
            error(wrong.trim_start_matches("invalid input: "), 400),
        ),
        ("[]".into(), error("A frame is a JSON object.", 400)),
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
    assert_eq!(chat.turn().await, [error("Invalid token.", 401)]);
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
                error("You do not have permission to perform this action.", 403)
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
        Some(&error("Invalid token.", 401))
    );
    assert_eq!(chat.next().await, None);
}

#[tokio::test]
async fn a_server_that_nobody_connected_is_warned_of_once() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let more = json!({"auth_type": "token", "auth_scope": "platform"});
    let server = stage.register("Up", &upstream, more).await;
    stage.attach(&[server]).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("hello").await;
    let frames = chat.turn().await;
    assert_eq!(
        frames[2],
        json!({
            "type": "warning",
            "message": "MCP tools temporarily unavailable for this session. Continuing without them.",
            "developer_error": "MCPError: Nobody has connected an account to Up yet; an administrator can.",
            "code": 503,
        })
    );
    assert_eq!(frames.last(), Some(&json!({"eos": true})));
    chat.say("hello").await;
    let again = chat.turn().await;
    assert!(
        again.iter().all(|frame| frame["type"] != "warning"),
        "{again:?}"
    );
}

#[tokio::test]
async fn tools_that_come_back_while_the_turn_waits_are_announced() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let ill = Ill::Status {
        status: 503,
        retry_after: None,
    };
    upstream.fall_ill(Some(Illness::new(ill)));
    assert_eq!(stage.modern().tool_names().await, [""; 0]);
    upstream.fall_ill(None);
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("/tool up__echo {\"text\": \"back\"}").await;
    chat.frame().await;
    chat.frame().await;
    let frames = chat.turn().await;
    let retrieved = json!({
        "type": "mcp_tools_retrieved", "session_id": chat.session(), "mentor_id": stage.gateway.mentor,
    });
    assert_eq!(frames[0], retrieved, "{frames:?}");
    assert_eq!(text_of(&frames), "back");
}

#[tokio::test]
async fn a_turn_over_server_sent_events_has_the_same_frames() {
    let (stage, _upstream) = Stage::of(Behaviour::stateless()).await;
    let id = session(&stage.learner, &stage.gateway.mentor, json!({})).await;
    let flow = json!({"name": stage.gateway.mentor, "tenant": "acme", "username": "bob"});
    let body = json!({"flow": flow, "prompt": "/tool up__echo {\"text\": \"hi\"}"});
    let path = format!("/api/agent/chat/?platform_key=acme&session_id={id}");
    let answer = stage.learner.post(&path, body.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(answer.bytes).unwrap();
    let events: Vec<Value> = text
        .split_terminator("\n\n")
        .map(|event| plain(&serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()))
        .collect();
    assert_eq!(events[0], connected());
    assert_eq!(events[1], begun());
    assert_eq!(events[4..], [json!({"data": "hi"}), json!({"eos": true})]);

    let stranger = stage.gateway.stranger().await;
    stranger.post(&path, body.clone()).await.expect(404);
    let carol = stage.gateway.client("acme", "carol").await;
    carol.post(&path, body.clone()).await.expect(403);
    let mut silent = body;
    silent["prompt"] = "".into();
    let refused = stage.learner.post(&path, silent).await.expect(400);
    assert_eq!(refused, json!({"prompt": ["This field is required."]}));
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
async fn files_that_cannot_be_read_are_not_passed_over_in_silence() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let mut chat = Chat::open(&learner, &gateway.mentor).await;
    let mut frame = chat.frame.clone();
    frame["prompt"] = "Look at this.".into();
    frame["file_references"] = json!([{"id": 1}]);
    chat.send(&frame).await;
    let frames = chat.turn().await;
    assert_eq!(
        frames[1]["message"],
        "Attached files are not read by this mentor."
    );
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
async fn a_turn_goes_on_without_a_server_that_stays_away() {
    let (stage, _upstream) = Stage::of(Behaviour::stateless()).await;
    let away = format!("http://{}/mcp", closed_address().await);
    let away = register(&stage.admin, "Away", &away, json!({})).await;
    let page = stage.admin.get("mcp-servers/").await.expect(200);
    let ids = page["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["id"].as_i64().unwrap());
    stage.attach(&ids.collect::<Vec<_>>()).await;
    assert!(away > 0);
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("/tool up__echo {\"text\": \"still here\"}").await;
    let frames = chat.turn().await;
    let warning = &frames[2];
    assert_eq!(
        (
            &warning["type"],
            &warning["code"],
            &warning["developer_error"]
        ),
        (
            &json!("warning"),
            &json!(503),
            &json!("ConnectionError: MCP server unreachable (Away)")
        )
    );
    assert_eq!(text_of(&frames), "still here");
}

#[tokio::test]
async fn a_sign_in_is_told_in_the_chat_and_one_that_fails_ends_it() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say(r#"/tool up__slow {"ms": 20000}"#).await;
    upstream
        .wait_for(|seen| seen.is("tools/call"), SOON)
        .await
        .unwrap();
    for _ in 0..3 {
        chat.frame().await;
    }
    let key = Secret::new(stage.learner.key.clone().unwrap());
    let auth = &stage.gateway.app.auth;
    let caller = auth
        .caller(&key, None, [127, 0, 0, 1].into())
        .await
        .unwrap();
    let (server_id, server_name, message) = (7, "Drive".to_owned(), "Sign in.".to_owned());
    let auth_url = "https://gateway.example/connect/x/".to_owned();
    let tell = |event: ChatEvent| {
        let key = ChatKey::of(&caller, &chat.session());
        assert!(stage.gateway.app.gateway.chats.tell(&key, event));
    };
    tell(ChatEvent::OauthRequired {
        server_id,
        server_name: server_name.clone(),
        auth_url,
        message: message.clone(),
    });
    tell(ChatEvent::OauthResolved {
        server_id,
        server_name: server_name.clone(),
        message: message.clone(),
    });
    tell(ChatEvent::OauthFailed {
        server_id,
        server_name,
        message,
    });
    assert_eq!(
        chat.turn().await,
        [
            json!({
                "type": "oauth_required", "server_name": "Drive", "server_id": 7,
                "auth_url": "https://gateway.example/connect/x/", "message": "Sign in.",
            }),
            json!({
                "type": "oauth_connection_resolved", "server_name": "Drive", "server_id": 7, "message": "Sign in.",
            }),
            error("Sign in.", 400),
        ]
    );
    assert_eq!(chat.next().await, None, "closed");
}

/// A learner's chat with a server that they must sign in to, up to where they are asked; the connected socket, and what
/// they were asked.
async fn asked_to_sign_in(sign_in: &SignIn, upstream: &Upstream) -> (Chat, i64, Value) {
    let services = "/api/accounts/orgs/acme/oauth-services/?name=files";
    let services = sign_in.stage.admin.get(services).await.expect(200);
    let fields = json!({
        "auth_type": "oauth2", "auth_scope": "user", "oauth_service": services[0]["id"],
    });
    let server = sign_in.stage.register("Files", upstream, fields).await;
    sign_in.stage.attach(&[server]).await;
    let mut chat = Chat::open(&sign_in.stage.learner, &sign_in.gateway().mentor).await;
    chat.say("/tool files__whoami").await;
    for _ in 0..3 {
        chat.frame().await;
    }
    let asked = chat.frame().await;
    (chat, server, asked)
}

#[tokio::test]
async fn a_learner_is_asked_once_signs_in_and_the_answer_arrives_in_the_same_turn() {
    let sign_in = SignIn::start(Switches::default()).await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let (mut chat, server, asked) = asked_to_sign_in(&sign_in, &upstream).await;
    assert_eq!(asked["type"], "oauth_required", "{asked}");
    assert_eq!(
        (&asked["server_name"], &asked["server_id"]),
        (&json!("Files"), &json!(server))
    );
    assert_eq!(
        asked["message"],
        "Authentication required for MCP server 'Files'. Please complete the OAuth flow to continue."
    );
    assert!(
        asked["auth_url"].as_str().unwrap().starts_with("http"),
        "{asked}"
    );

    let learner = &sign_in.stage.learner;
    let begun = sign_in
        .begin_with(learner, &format!("?server={server}"))
        .await;
    let back = sign_in.consent(&begun).await;
    sign_in.bring(learner, &back).await.expect(200);
    let frames = chat.turn().await;
    let resolved = json!({
        "type": "oauth_connection_resolved", "server_name": "Files", "server_id": server,
        "message": "OAuth connection resolved for MCP server 'Files'. Continuing with chat.",
    });
    assert_eq!(frames[0], resolved);
    assert!(text_of(&frames).contains("authorization"), "{frames:?}");
    assert_eq!(frames.last(), Some(&json!({"eos": true})));
    let again = chat.ask("/tool files__whoami").await;
    assert!(again.contains("authorization"), "not asked again: {again}");
}
