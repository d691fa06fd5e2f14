//! Turns that a language model answers, and the model's own settings.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Model, Reply, Upstream};

use crate::harness::{Chat, Gateway, Stage, text_of};

const PATH: &str = "/api/ai-mentor/orgs/acme/chat-model/";
const KEY: &str = "sk-CANARY-0123456789abcdef";

/// A stage whose tenant has this model and whose mentor has one upstream.
async fn with(replies: Vec<Reply>) -> (Stage, Upstream, Model) {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let model = Model::start(replies).await.unwrap();
    let body = json!({"base_url": model.base_url(), "model": "m-1", "api_key": KEY});
    stage.admin.put(PATH, body).await.expect(200);
    (stage, upstream, model)
}

/// What the model was sent in the given request: role and content of each message.
fn messages(model: &Model, request: usize) -> Vec<(String, String)> {
    let asked = model.asked();
    let messages = asked[request].1["messages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages
        .map(|message| (text(&message["role"]), text(&message["content"])))
        .collect()
}

#[tokio::test]
async fn a_reply_is_streamed_piece_by_piece() {
    let (stage, _upstream, model) = with(vec![
        Reply::Text(vec!["Good ", "morning."]),
        Reply::Whole("Still here."),
    ])
    .await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("Good morning!").await;
    let frames = chat.turn().await;
    let end = [
        json!({"data": "Good "}),
        json!({"data": "morning."}),
        json!({"eos": true}),
    ];
    assert_eq!(frames[2..], end);
    assert_eq!(chat.ask("And now?").await, "Still here.");

    let (authorization, body) = &model.asked()[0];
    assert_eq!(
        authorization.as_deref(),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(
        (&body["model"], &body["stream"]),
        (&json!("m-1"), &json!(true))
    );
    let names: Vec<&Value> = body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["function"]["name"])
        .collect();
    assert!(names.contains(&&json!("up__echo")), "{names:?}");
    let second = messages(&model, 1);
    let said: Vec<(&str, &str)> = second[1..]
        .iter()
        .map(|(role, text)| (role.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("user", "Good morning!"),
            ("assistant", "Good morning."),
            ("user", "And now?")
        ]
    );
}

#[tokio::test]
async fn tools_are_called_as_the_learner_and_their_results_fed_back() {
    let (stage, upstream, model) = with(vec![
        Reply::Calls(vec![
            ("up__echo", r#"{"text":"from the tool"}"#),
            ("up__nothing", "{}"),
            ("up__echo", "[1]"),
        ]),
        Reply::Text(vec!["It says: from the tool"]),
    ])
    .await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("Ask the tool.").await;
    let frames = chat.turn().await;
    assert_eq!(text_of(&frames), "It says: from the tool");
    let called: Vec<&Value> = frames
        .iter()
        .filter(|f| f["type"] == "tool_call")
        .map(|f| &f["name"])
        .collect();
    assert_eq!(called, ["up__echo", "up__nothing"]);
    assert_eq!(upstream.calls_of("tools/call"), 1);
    let calls = stage.calls_in_audit(1).await;
    assert_eq!(
        (&calls[0]["user"], &calls[0]["tool"]),
        (&json!("bob"), &json!("up__echo"))
    );

    let asked = &model.asked()[1].1["messages"];
    let last: Vec<&Value> = asked.as_array().unwrap().iter().rev().take(4).collect();
    assert_eq!(last[3]["tool_calls"][0]["function"]["name"], "up__echo");
    assert_eq!(
        last[2],
        &json!({"role": "tool", "tool_call_id": "call_0", "content": "from the tool"})
    );
    assert_eq!(
        last[1]["content"],
        "The tool failed: Unknown tool: up__nothing"
    );
    assert_eq!(
        last[0]["content"],
        "The arguments are not a JSON object; the tool was not called."
    );
}

#[tokio::test]
async fn a_model_that_never_stops_calling_is_made_to_answer() {
    let mut replies: Vec<Reply> = (0..8)
        .map(|_| Reply::Calls(vec![("up__echo", "{}")]))
        .collect();
    replies.push(Reply::Text(vec!["Enough."]));
    let (stage, upstream, model) = with(replies).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    assert_eq!(chat.ask("Go on and on.").await, "Enough.");
    assert_eq!(upstream.calls_of("tools/call"), 8);
    assert!(
        model.asked()[8].1.get("tools").is_none(),
        "the last round has no tools"
    );
}

#[tokio::test]
async fn a_model_that_fails_ends_the_turn_with_an_error() {
    let unauthorized = "Server \"language model\" refused the credential.";
    for (reply, text, status) in [
        (Reply::Status(401), unauthorized, 502),
        (
            Reply::Status(500),
            "Server \"language model\" answered HTTP 500.",
            502,
        ),
        (
            Reply::Html,
            "Server \"language model\" broke the protocol.",
            502,
        ),
    ] {
        let (stage, _upstream, _model) = with(vec![reply]).await;
        let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
        chat.say("hello").await;
        let frames = chat.turn().await;
        assert_eq!(
            frames.last(),
            Some(&json!({"error": text, "status_code": status}))
        );
        assert_eq!(chat.next().await, None, "closed");
    }
}

#[tokio::test]
async fn what_was_said_before_a_stop_is_kept() {
    let (stage, _upstream, _model) = with(vec![Reply::Stall("So far")]).await;
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    chat.say("Tell me everything.").await;
    chat.frame().await;
    let id = chat.frame().await["generation_id"].clone();
    assert_eq!(chat.frame().await, json!({"data": "So far"}));
    stage
        .learner
        .post("stop-generation/", json!({"generation_id": id}))
        .await
        .expect(200);
    assert_eq!(chat.turn().await, [json!({"eos": true})]);
    let view = stage
        .learner
        .get(&format!("sessions/{}/", chat.session()))
        .await
        .expect(200);
    assert_eq!(view["results"][0]["content"], "So far");
}

#[tokio::test]
async fn the_mentors_prompt_and_the_page_are_given_to_the_model() {
    let (stage, _upstream, model) = with(vec![
        Reply::Text(vec!["Hi."]),
        Reply::Text(vec!["Hi again."]),
    ])
    .await;
    let settings = format!("mentors/{}/settings/", stage.gateway.mentor);
    let change = json!({
        "system_prompt": "You teach bookkeeping.", "llm_temperature": 0.5,
        "greeting_method": "proactive_prompt", "proactive_prompt": "Ask what I know.",
    });
    stage.admin.patch(&settings, change).await.expect(200);
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    let mut frame = chat.frame.clone();
    frame["is_proactive"] = true.into();
    frame["page_content"] = "Lesson 3".into();
    frame["metadata"] = json!({"course": "B1"});
    chat.send(&frame).await;
    assert_eq!(text_of(&chat.turn().await), "Hi.");
    let first = messages(&model, 0);
    assert!(
        first[0].1.starts_with("You teach bookkeeping."),
        "{first:?}"
    );
    assert!(
        first[0].1.contains("Lesson 3") && first[0].1.contains(r#"{"course":"B1"}"#),
        "{first:?}"
    );
    assert_eq!(first[1], ("user".into(), "Ask what I know.".into()));
    assert_eq!(model.asked()[0].1["temperature"], 0.5);
    chat.ask("Nothing yet.").await;
    assert!(
        messages(&model, 1)[0].1.contains(r#"{"course":"B1"}"#),
        "it holds for the session"
    );
}

#[tokio::test]
async fn a_models_key_is_masked_sealed_and_bound_to_its_address() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    admin.get(PATH).await.expect(404);
    let body = json!({"base_url": "https://models.example.com/v1", "model": "m-1", "api_key": KEY});
    let stored = admin.put(PATH, body.clone()).await.expect(200);
    let shown = json!({
        "base_url": "https://models.example.com/v1", "model": "m-1", "api_key": "sk-****def",
        "updated_at": "2026-11-21T00:00:00Z",
    });
    assert_eq!(stored, shown);
    let mut kept = body.clone();
    kept["api_key"] = "sk-****def".into();
    assert_eq!(admin.put(PATH, kept).await.expect(200), shown);
    let moved = json!({"base_url": "https://other.example.com/v1", "model": "m-1"});
    let refused = admin.put(PATH, moved).await.expect(400);
    assert_eq!(
        refused,
        json!({"api_key": ["Enter the key again: the address changed."]})
    );
    let private = json!({"base_url": "http://169.254.169.254/v1", "model": ""});
    let refused = admin.put(PATH, private).await.expect(400);
    assert_eq!(refused["model"], json!(["This field may not be blank."]));
    let rule = "169.254.169.254 is not on the public internet; the operator of the gateway can open its range with \
                `--egress-allow`";
    assert_eq!(
        refused["base_url"],
        json!([format!("URL is not allowed: {rule}.")])
    );
    let log = admin.get("audit/").await.expect(200).to_string();
    assert!(
        log.contains("chat_model.set") && !log.contains("CANARY"),
        "{log}"
    );
    admin.delete(PATH).await.expect(204);
    admin.get(PATH).await.expect(404);
    admin.delete(PATH).await.expect(404);
}

#[tokio::test]
async fn a_models_key_is_sealed_anew_with_everything_else() {
    let (stage, _upstream, model) = with(vec![Reply::Text(vec!["Hello."])]).await;
    let config = &stage.gateway.app.config;
    let keys = async |verb: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mentor-gateway"));
        command
            .args(["keys", verb, "--data-dir"])
            .arg(&config.data_dir);
        command.env("GATEWAY_DATABASE_URL", &config.database_url);
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    assert!(keys("rotate").await.contains("1 records anew"));
    let mut chat = Chat::open(&stage.learner, &stage.gateway.mentor).await;
    assert_eq!(chat.ask("hello").await, "Hello.");
    let bearer = format!("Bearer {KEY}");
    assert_eq!(model.asked()[0].0.as_deref(), Some(bearer.as_str()));
}
