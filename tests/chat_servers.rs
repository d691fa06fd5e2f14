//! What a chat is told of its mentor's servers: that one is away or back, and that its learner must sign in to one.

use std::time::Duration;

use mentor_gateway::gateway::chats::{ChatEvent, ChatKey};
use mentor_gateway::secret::Secret;
use serde_json::{Value, json};
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{Chat, SOON, SignIn, Stage, closed_address, refusal, register, text_of};

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
            refusal("Sign in.", 400),
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
    // Sooner than the next look, which is 10 s after the one before.
    let turn = tokio::time::timeout(Duration::from_secs(8), chat.turn()).await;
    let frames = turn.expect("the sign-in wakes the call");
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

#[tokio::test]
async fn a_sign_in_that_nobody_has_set_up_ends_the_turn() {
    let sign_in = SignIn::start(Switches::default()).await;
    let path = "/api/ai-account/orgs/acme/integration-credential/";
    let credential = json!({ "name": "auth_fixture", "platform": "acme" });
    let deleted = sign_in.stage.admin.delete_with(path, credential).await;
    assert_eq!(deleted.status, 204);
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let (mut chat, _, told) = asked_to_sign_in(&sign_in, &upstream).await;
    let text = "Could not build OAuth URL for MCP server 'Files'.";
    assert_eq!(told, refusal(text, 400));
    assert_eq!(chat.next().await, None, "closed");
    assert_eq!(upstream.calls_of("tools/call"), 0);
}

#[tokio::test]
async fn a_turn_goes_on_when_its_learner_signs_in_through_another_replica() {
    let sign_in = SignIn::start(Switches::default()).await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let (mut chat, server, _) = asked_to_sign_in(&sign_in, &upstream).await;
    let replica = sign_in.gateway().replica().await;
    let there = sign_in.stage.learner.at(&replica.base);
    let begun = sign_in
        .begin_with(&there, &format!("?server={server}"))
        .await;
    let back = sign_in.consent(&begun).await;
    sign_in.bring(&there, &back).await.expect(200);
    let frames = chat.turn().await;
    assert_eq!(frames[0]["type"], "oauth_connection_resolved");
    assert!(text_of(&frames).contains("authorization"), "{frames:?}");
}

#[tokio::test]
async fn a_refused_credential_is_not_tried_again_and_the_warning_names_its_server() {
    for behaviour in [
        Behaviour::stateless(),
        Behaviour::sessions(),
        Behaviour::sse(),
        Behaviour::websocket(),
    ] {
        let kind = behaviour.name.clone();
        let (stage, upstreams) =
            Stage::with(vec![("Up", Behaviour::stateless()), ("Shut", behaviour)]).await;
        upstreams[1].require_authorization(Some("Bearer of-nobody".into()));
        let begun = tokio::time::Instant::now();
        let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
        chat.say("/tool up__echo {\"text\": \"hi\"}").await;
        let frames = chat.turn().await;
        assert!(
            begun.elapsed() < Duration::from_secs(6),
            "{kind}: {:?}",
            begun.elapsed()
        );
        let warnings: Vec<_> = frames
            .iter()
            .filter(|frame| frame["type"] == "warning")
            .collect();
        let text = "MCP tools of Shut unavailable for this session. Continuing without them.";
        assert_eq!(warnings.len(), 1, "{kind}: {frames:?}");
        assert_eq!(warnings[0]["message"], text, "{kind}");
        assert_eq!(text_of(&frames), "hi", "{kind}");
    }
}
