//! The right answer to the right caller: equal ids, shared servers, sessions that keep state.

use futures_util::future::join_all;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{LEGACY, Live, Mcp, Stage};

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

/// Upstreams that keep state for each session.
fn stateful() -> Vec<(&'static str, Behaviour)> {
    let is_stateful = |(label, _): &(&str, Behaviour)| !label.starts_with("stateless");
    every_upstream().into_iter().filter(is_stateful).collect()
}

async fn of(behaviour: Behaviour) -> (Stage, Upstream, Mcp) {
    let (stage, upstream) = Stage::of(behaviour).await;
    stage.modern().tool_names().await;
    let carol = stage.gateway.client("acme", "carol").await;
    let carol = Mcp::modern(&carol, stage.mentor_path());
    (stage, upstream, carol)
}

#[tokio::test]
async fn two_hundred_callers_with_one_id_each_get_their_own_answer() {
    const CALLERS: usize = 200;
    for (label, behaviour) in every_upstream() {
        let (stage, _upstream, carol) = of(behaviour).await;
        let mut clients = vec![stage.modern(), carol];
        for _ in 0..4 {
            clients.push(stage.legacy().await);
        }
        let calls = (0..CALLERS).map(async |nonce| {
            let client = &clients[nonce % clients.len()];
            // In one session an id is unique; the others all use the same.
            let id = if nonce % clients.len() < 2 { 1 } else { nonce };
            let params =
                json!({ "name": "up__echo", "arguments": { "text": format!("nonce-{nonce}") } });
            let reply = client.request_as(id.into(), "tools/call", params).await;
            assert_eq!(reply.answer()["id"], id, "{label}");
            assert_eq!(reply.text(), format!("nonce-{nonce}"), "{label}");
        });
        join_all(calls).await;
    }
}

#[tokio::test]
async fn answers_do_not_move_up_when_other_calls_are_cancelled() {
    for (label, behaviour) in every_upstream() {
        let (stage, _upstream, carol) = of(behaviour).await;
        let bob = stage.modern();
        let calls = (1..=60_u64).map(async |nonce| {
            let client = if nonce % 2 == 0 { &bob } else { &carol };
            let params = json!({
                "name": "up__progress", "arguments": { "steps": nonce % 7 + 1, "pause_ms": 1, "nonce": nonce },
                "_meta": { "progressToken": 1 },
            });
            if nonce % 5 == 0 {
                let mut left = client.open_as(1.into(), "tools/call", params).await;
                left.message().await;
                return;
            }
            let reply = client.request_as(1.into(), "tools/call", params).await;
            let progress = |message: &Value| message["params"]["progress"].as_u64().unwrap();
            let steps: Vec<u64> = reply.before().iter().map(progress).collect();
            assert_eq!(steps, (1..=nonce % 7 + 1).collect::<Vec<_>>(), "{label}");
            assert_eq!(reply.structured()["steps"], nonce % 7 + 1, "{label}");
        });
        join_all(calls).await;
    }
}

async fn count(client: &Mcp) -> u64 {
    let reply = client.call("up__counter", json!({})).await;
    reply.structured()["count"].as_u64().unwrap()
}

#[tokio::test]
async fn what_an_upstream_remembers_of_one_is_not_shown_to_another() {
    for (label, behaviour) in stateful() {
        let (stage, _upstream, carol) = of(behaviour).await;
        let bob = stage.modern();
        for n in 1..=3 {
            assert_eq!(count(&bob).await, n, "{label}: bob's own session goes on");
        }
        assert_eq!(count(&carol).await, 1, "{label}: another person");
        assert_eq!(count(&carol).await, 2, "{label}");

        let (one, two) = (stage.legacy().await, stage.legacy().await);
        assert_eq!(count(&one).await, 1, "{label}: a session of its own");
        assert_eq!(
            count(&two).await,
            1,
            "{label}: another session of the same person"
        );
        assert_eq!(count(&one).await, 2, "{label}");

        let other = stage
            .admin
            .post("", json!({ "name": "Other" }))
            .await
            .expect(201);
        let other = other["unique_id"].as_str().unwrap();
        let settings = json!({ "tools": ["mcp"], "mcp_servers": [1] });
        let path = format!("mentors/{other}/settings/");
        stage.admin.patch(&path, settings).await.expect(200);
        let elsewhere = bob.at(format!("/mcp/mentors/{other}/"));
        assert_eq!(count(&elsewhere).await, 1, "{label}: another mentor");
        assert_eq!(count(&bob).await, 4, "{label}");
        assert_eq!(count(&carol).await, 3, "{label}");
    }
}

#[tokio::test]
async fn interleaved_callers_keep_their_own_count() {
    for (label, behaviour) in stateful() {
        let (stage, _upstream, carol) = of(behaviour).await;
        let mut clients = vec![stage.modern(), carol];
        for _ in 0..4 {
            clients.push(stage.legacy().await);
        }
        let counters = clients.iter().map(async |client| {
            for n in 1..=25 {
                assert_eq!(count(client).await, n, "{label}");
            }
        });
        join_all(counters).await;
    }
}

/// A call of `ask` in a session that can be asked, and the question that it led to.
async fn asked(client: &Mcp, question: &str) -> (Live, Value) {
    let params = json!({ "name": "up__ask", "arguments": { "question": question } });
    let mut stream = client.open("tools/call", params).await;
    let asked = stream
        .until(|message| message["method"] == "elicitation/create")
        .await;
    (stream, asked)
}

#[tokio::test]
async fn a_question_goes_to_whose_call_it_is_and_so_does_the_answer() {
    for (label, behaviour) in every_upstream() {
        let (stage, _upstream, _) = of(behaviour).await;
        let able = json!({ "elicitation": {} });
        let carol = stage.gateway.client("acme", "carol").await;
        let bob = Mcp::legacy_as(&stage.learner, stage.mentor_path(), LEGACY, able.clone()).await;
        let carol = Mcp::legacy_as(&carol, stage.mentor_path(), LEGACY, able).await;
        let (mut bobs, bobs_question) = asked(&bob, "for bob").await;
        let (mut carols, carols_question) = asked(&carol, "for carol").await;
        assert_eq!(bobs_question["params"]["message"], "for bob", "{label}");
        assert_eq!(carols_question["params"]["message"], "for carol", "{label}");

        let answer = |name: &str| json!({ "action": "accept", "content": { "name": name } });
        // Her question has the same number as his; his answer is only his.
        assert_eq!(bobs_question["id"], carols_question["id"], "{label}");
        assert_eq!(
            bob.respond(&bobs_question["id"], answer("Bob"))
                .await
                .status,
            202
        );
        assert_eq!(
            bob.respond(&bobs_question["id"], answer("again"))
                .await
                .status,
            202,
            "taken, and dropped"
        );
        let bobs = bobs.until(|message| message.get("result").is_some()).await;
        assert_eq!(
            bobs["result"]["structuredContent"]["answers"]["answer-1"],
            answer("Bob"),
            "{label}"
        );
        assert_eq!(
            carol
                .respond(&carols_question["id"], answer("Carol"))
                .await
                .status,
            202
        );
        let carols = carols
            .until(|message| message.get("result").is_some())
            .await;
        let answers = &carols["result"]["structuredContent"]["answers"];
        assert_eq!(answers["answer-1"], answer("Carol"), "{label}");
    }
}

#[tokio::test]
async fn one_persons_credential_never_rides_on_anothers_connection() {
    for (label, behaviour) in every_upstream() {
        let stage = Stage::start().await;
        let upstream = Upstream::start(behaviour).await.unwrap();
        let fields = json!({ "auth_type": "token", "auth_scope": "user" });
        let server = stage.register("Up", &upstream, fields).await;
        stage.attach(&[server]).await;
        let mut clients = Vec::new();
        for user in ["alice", "bob", "carol"] {
            let connection = json!({
                "scope": "user", "user": user, "auth_type": "token",
                "credentials": format!("of-{user}"), "authorization_scheme": "Bearer",
            });
            stage.connect(server, connection).await;
            let client = stage.gateway.client("acme", user).await;
            clients.push((user, Mcp::modern(&client, stage.mentor_path())));
            clients.push((user, Mcp::legacy(&client, stage.mentor_path()).await));
        }
        let calls = (0..60).map(async |n| {
            let (user, client) = &clients[n % clients.len()];
            let reply = client.call("up__whoami", json!({})).await;
            let seen = &reply.structured()["headers"]["authorization"];
            assert_eq!(*seen, format!("Bearer of-{user}"), "{label}");
            let seen = &reply.structured()["postHeaders"]["authorization"];
            assert!(
                seen.is_null() || *seen == format!("Bearer of-{user}"),
                "{label}"
            );
        });
        join_all(calls).await;
    }
}
