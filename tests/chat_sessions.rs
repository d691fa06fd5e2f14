//! Chat sessions over REST (docs/inside/contract.md#chat-sessions): made without a key, read and changed only by their
//! person.

use serde_json::{Value, json};

use crate::harness::{Chat, Client, Gateway, session};

/// The same person without a key.
fn keyless(person: &Client) -> Client {
    let mut keyless = person.clone();
    keyless.key = None;
    keyless
}

fn messages(view: &Value) -> Vec<(&str, &str)> {
    let results = view["results"].as_array().unwrap().iter();
    results
        .map(|message| {
            (
                message["type"].as_str().unwrap(),
                message["content"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_session_is_made_without_a_key_and_says_which_tools_it_has() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let settings = format!("mentors/{}/settings/", gateway.mentor);
    admin
        .patch(&settings, json!({"tools": ["mcp-tool", "web-search"]}))
        .await
        .expect(200);
    let learner = keyless(&gateway.learner().await);
    let slugs = |answer: &Value| -> Vec<String> {
        let tools = answer["tools"].as_array().unwrap().iter();
        tools
            .map(|tool| tool["slug"].as_str().unwrap().to_owned())
            .collect()
    };
    for (mentor, tools, expected) in [
        (
            gateway.mentor.as_str(),
            json!(null),
            vec!["mcp-tool", "web-search"],
        ),
        ("Finance Mentor", json!([]), vec![]),
        ("finance-mentor", json!(["web-search"]), vec!["web-search"]),
    ] {
        let body = json!({"mentor": mentor, "tools": tools});
        let made = learner.post("sessions/", body).await.expect(200);
        assert_eq!(slugs(&made), expected, "{made}");
        assert_eq!(
            (&made["enable_artifacts"], &made["artifacts"]),
            (&json!(false), &json!([]))
        );
        assert_eq!(made.as_object().unwrap().len(), 4);
        made["session_id"]
            .as_str()
            .unwrap()
            .parse::<uuid::Uuid>()
            .unwrap();
    }
    let twin = "/api/ai-agent/orgs/acme/users/bob/sessions/";
    let by_agent = learner.post(
        twin,
        json!({"agent": gateway.mentor, "enable_artifacts": true}),
    );
    assert_eq!(by_agent.await.expect(200)["enable_artifacts"], true);
    let of_org = learner.post(
        "/api/ai-mentor/orgs/acme/sessions/",
        json!({"mentor": gateway.mentor}),
    );
    of_org.await.expect(200);
}

#[tokio::test]
async fn a_session_of_nothing_that_exists_is_refused() {
    let gateway = Gateway::start().await;
    let learner = keyless(&gateway.learner().await);
    let mentor = gateway.mentor.as_str();
    for (path, body, status, answer) in [
        (
            "sessions/",
            json!({"mentor": "nobody"}),
            404,
            json!({"detail": "Not found."}),
        ),
        (
            "sessions/",
            json!({}),
            400,
            json!({"mentor": ["This field is required."]}),
        ),
        (
            "sessions/",
            json!({"mentor": mentor, "tools": ["no-such"]}),
            400,
            json!({"tools": ["Invalid tool slug \"no-such\"."]}),
        ),
        (
            "/api/ai-mentor/orgs/acme/users/not%20a%20name/sessions/",
            json!({"mentor": mentor}),
            400,
            json!({"username": ["Enter a valid username."]}),
        ),
        (
            "/api/ai-mentor/orgs/globex/users/gil/sessions/",
            json!({"mentor": mentor}),
            404,
            json!({"detail": "Not found."}),
        ),
        (
            "/api/ai-mentor/orgs/nowhere/users/gil/sessions/",
            json!({"mentor": mentor}),
            404,
            json!({"detail": "Not found."}),
        ),
    ] {
        assert_eq!(
            learner.post(path, body).await.expect(status),
            answer,
            "{path}"
        );
    }
    let collection = learner.get("sessions/").await;
    assert_eq!(
        collection.brief(),
        (405, r#"{"detail":"Method \"GET\" not allowed."}"#.into())
    );
    assert_eq!(collection.header("allow"), Some("POST, OPTIONS"));
}

#[tokio::test]
async fn what_was_said_is_read_newest_first_in_pages() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let mut chat = Chat::open(&learner, &gateway.mentor).await;
    for prompt in ["one", "two"] {
        chat.ask(prompt).await;
    }
    let path = format!("sessions/{}/", chat.session());
    let view = learner.get(&path).await.expect(200);
    let results = messages(&view);
    assert_eq!(
        results.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        ["ai", "human", "ai", "human"]
    );
    assert_eq!((results[1].1, results[3].1), ("two", "one"));
    let mut rest = view.clone();
    rest.as_object_mut().unwrap().remove("results");
    assert_eq!(
        rest,
        json!({
            "count": 4, "title": "one", "is_shared": false, "proactive_prompt": "",
            "mentor_unique_id": gateway.mentor, "platform_key": "acme", "previous": "", "next": "",
        })
    );
    let second = learner
        .get(&format!("{path}?page=2&page_size=3"))
        .await
        .expect(200);
    assert_eq!(messages(&second), [("human", "one")]);
    assert!(
        second["previous"]
            .as_str()
            .unwrap()
            .ends_with("?page_size=3"),
        "{second}"
    );
    // Clients put the path together without a user.
    let without = format!("/api/ai-mentor/orgs/acme/users/undefined/{path}");
    assert_eq!(learner.get(&without).await.expect(200), view);
}

#[tokio::test]
async fn an_admin_may_switch_the_history_off() {
    let gateway = Gateway::start().await;
    let (admin, learner) = (gateway.admin().await, gateway.learner().await);
    let settings = format!("mentors/{}/settings/", gateway.mentor);
    admin
        .patch(&settings, json!({"disable_chathistory": true}))
        .await
        .expect(200);
    let mut chat = Chat::open(&learner, &gateway.mentor).await;
    chat.ask("a secret").await;
    let view = learner
        .get(&format!("sessions/{}/", chat.session()))
        .await
        .expect(200);
    assert_eq!((&view["count"], &view["title"]), (&json!(0), &json!("")));
}

#[tokio::test]
async fn a_session_is_changed_shared_and_deleted_by_its_person() {
    let gateway = Gateway::start().await;
    let (learner, carol) = (
        gateway.learner().await,
        gateway.client("acme", "carol").await,
    );
    let id = session(&learner, &gateway.mentor, json!({})).await;
    let path = format!("sessions/{id}/");
    let others = format!("/api/ai-mentor/orgs/acme/users/undefined/{path}");
    let change =
        json!({"title": "Money", "tools": [], "enable_artifacts": true, "is_shared": true});
    let changed = learner.put(&path, change.clone()).await.expect(200);
    assert_eq!(changed, json!({"detail": "Chat session updated."}));
    let wrong = learner.put(&path, json!({"tools": ["no-such"]})).await;
    wrong.expect(400);
    let view = learner.get(&path).await.expect(200);
    assert_eq!(
        (&view["title"], &view["is_shared"]),
        (&json!("Money"), &json!(true))
    );

    carol.get(&others).await.expect(404);
    assert_eq!(
        carol.get(&format!("{others}?share=true")).await.expect(200)["title"],
        "Money"
    );
    carol.put(&others, change).await.expect(404);
    carol.delete(&others).await.expect(404);
    learner.delete(&path).await.expect(204);
    learner.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_session_is_the_persons_it_was_made_for() {
    let gateway = Gateway::start().await;
    let (learner, carol) = (
        gateway.learner().await,
        gateway.client("acme", "carol").await,
    );
    let id = session(&learner, &gateway.mentor, json!({})).await;
    let mut thief = Chat::in_session(&carol, &gateway.mentor, &id).await;
    thief.say("hello").await;
    assert_eq!(
        thief.turn().await,
        [json!({"error": "Not found.", "status_code": 404})]
    );
    assert_eq!(thief.next().await, None, "closed");

    // One that was made for nobody is the first one's who connects.
    let made = learner.post(
        "/api/ai-mentor/orgs/acme/sessions/",
        json!({"mentor": gateway.mentor}),
    );
    let id = made.await.expect(200)["session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut first = Chat::in_session(&carol, &gateway.mentor, &id).await;
    first.send(&first.frame.clone()).await;
    assert_eq!(first.frame().await["detail"], "Connected.");
    let mut second = Chat::in_session(&learner, &gateway.mentor, &id).await;
    second.say("hello").await;
    assert_eq!(
        second.turn().await,
        [json!({"error": "Not found.", "status_code": 404})]
    );
}

#[tokio::test]
async fn sessions_that_nobody_connects_to_make_room() {
    let gateway = Gateway::start().await;
    let learner = gateway.learner().await;
    let old = session(&learner, &gateway.mentor, json!({})).await;
    gateway.advance(std::time::Duration::from_secs(25 * 3600));
    let new = session(&learner, &gateway.mentor, json!({})).await;
    learner.get(&format!("sessions/{old}/")).await.expect(404);
    learner.get(&format!("sessions/{new}/")).await.expect(200);
}
