//! Turns of a chat over WebSocket and SSE, frame by frame (docs/inside/contract.md#chat), with the built-in engine.

use std::time::Duration;

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{Chat, Gateway, Stage, begun, connected, plain, session, text_of};

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
