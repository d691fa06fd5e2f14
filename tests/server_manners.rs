//! Servers that speak MCP in manners of their own. What two of the four official clients take we take; where something
//! is refused, the error names the rule (docs/inside/decisions.md#lenient-with-servers). `.ci/run peers` meets the same
//! table with those clients.

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use upstream_fixtures::manners::{Manner, Manners, Must, SDKS};

use crate::harness::{Client, Mcp, Reply, Stage, eventually, names, register, server_path};

/// Rows that are tried at once.
const AT_ONCE: usize = 12;

/// A gateway with one server for each row.
async fn every_manner(rows: &[Manner]) -> (Stage, Manners, Vec<i64>) {
    let stage = Stage::start().await;
    let manners = Manners::start(0).await.unwrap();
    let mut ids = Vec::new();
    for row in rows {
        ids.push(register_row(&stage, &manners, row).await);
    }
    (stage, manners, ids)
}

async fn register_row(stage: &Stage, manners: &Manners, row: &Manner) -> i64 {
    // An image of the name that fits into a prefix.
    register(&stage.admin, row.name, &manners.url(row), json!({})).await
}

/// What became of a request: the text of a call, the names of a list, or the rule that was broken.
fn outcome(reply: &Reply) -> Result<String, String> {
    let answer = reply.answer();
    if let Some(text) = answer["result"]["content"][0]["text"].as_str()
        && answer["result"]["isError"] != true
    {
        return Ok(text.to_owned());
    }
    if answer["result"]["tools"].is_array() {
        return Ok(names(&answer["result"]["tools"]).join(","));
    }
    let data = match &answer["error"] {
        Value::Null => &answer["result"]["_meta"]["mentor-gateway/error"],
        error => &error["data"],
    };
    let named = data["rule"].as_str().or(data["kind"].as_str());
    Err(named.map_or_else(|| answer.to_string(), str::to_owned))
}

/// Lists and calls as a client does, and says where it went otherwise than it must.
async fn complaints_of(client: &Mcp, row: &Manner) -> Vec<String> {
    let mut complaints = Vec::new();
    let listed = outcome(&client.request("tools/list", json!({})).await);
    let mut called = Vec::new();
    for text in ["one", "two"] {
        called.push(outcome(&client.call("echo", json!({ "text": text })).await));
    }
    let expected = match row.must {
        Must::Accept => vec![Ok("one".to_owned()), Ok("two".to_owned())],
        Must::Refuse(rule) => vec![Err(rule.to_owned()); 2],
    };
    if called != expected {
        complaints.push(format!("{}: calls {called:?}, not {expected:?}", row.name));
    }
    if row.must == Must::Accept && listed.as_deref() != Ok("echo") {
        complaints.push(format!("{}: the list is {listed:?}", row.name));
    }
    complaints
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_manner_is_taken_or_refused_by_its_rule() {
    let rows = Manner::table();
    let (stage, _manners, ids) = every_manner(&rows).await;
    let tried = stream::iter(rows.iter().zip(ids)).map(async |(row, id)| {
        let mut complaints = complaints_of(&stage.at_server(id), row).await;
        match row.must {
            Must::Accept => {
                let legacy = Mcp::legacy(&stage.admin, server_path(id)).await;
                complaints.extend(complaints_of(&legacy, row).await);
            }
            // Many of these refuse the handshake already.
            Must::Refuse(_) => {}
        }
        complaints
    });
    let complaints: Vec<Vec<String>> = tried.buffer_unordered(AT_ONCE).collect().await;
    let complaints = complaints.concat();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_table_of_manners_keeps_to_the_yardstick() {
    for row in Manner::table() {
        let known = row.taken_by.iter().all(|sdk| SDKS.contains(sdk));
        assert!(known, "{row:?}: {:?}", row.taken_by);
        match row.must {
            Must::Accept => assert_eq!(row.reason, "", "{row:?}"),
            Must::Refuse(_) if row.taken_by.is_empty() => {}
            Must::Refuse(_) => assert!(
                !row.reason.is_empty(),
                "{row:?} is taken by {:?}",
                row.taken_by
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_forgotten_session_is_begun_anew_whatever_the_server_says() {
    let mut rows = Manner::table();
    rows.retain(|row| row.name.starts_with("stale_"));
    assert!(rows.len() > 20, "{rows:?}");
    let (stage, manners, ids) = every_manner(&rows).await;
    let tried = stream::iter(rows.iter().zip(ids)).map(async |(row, id)| {
        let legacy = Mcp::legacy(&stage.admin, server_path(id)).await;
        for client in [stage.at_server(id), legacy] {
            let before = client.call("echo", json!({ "text": "before" })).await;
            assert_eq!(before.text(), "before", "{row:?}");
            manners.forget(row);
            let handshakes = manners.count_of(row, "initialize");
            let calls = (0..10).map(async |n| {
                let text = n.to_string();
                let reply = client.call("echo", json!({ "text": text })).await;
                assert_eq!(outcome(&reply), Ok(text), "{row:?}");
            });
            join_all(calls).await;
            // One for the calls, and one for the gateway's own lists.
            let anew = manners.count_of(row, "initialize") - handshakes;
            assert!((1..=2).contains(&anew), "{row:?}: {anew}");
        }
    });
    tried.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn an_error_of_a_call_is_no_word_about_its_session() {
    // The fixtures answer `fail_rpc` in a session that lives on; the call's own refusal must not end it.
    let (stage, upstream) = Stage::of(upstream_fixtures::Behaviour::sessions()).await;
    let client = stage.legacy().await;
    for n in 1..=3 {
        let counted = client.call("up__counter", json!({})).await;
        assert_eq!(*counted.structured(), json!({ "count": n }));
        let wrong = json!({ "uri": "fixture://item/" });
        client.request("resources/read", wrong).await.error();
        client.call("up__fail_rpc", json!({})).await.error();
    }
    let handshakes = upstream.calls_of("initialize");
    assert!(handshakes <= 2, "{handshakes}");
}

/// Two people at one bridge that has one child for all its connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_reaches_anybody_but_its_caller() {
    const CALLS: usize = 15;
    let stage = Stage::start().await;
    let manners = Manners::start(0).await.unwrap();
    let bridge = Manner::bridge();
    let server = register(&stage.admin, "Up", &manners.url(&bridge), json!({})).await;
    stage.attach(&[server]).await;
    let carol = stage.gateway.client("acme", "carol").await;
    let people: [&Client; 2] = [&stage.learner, &carol];
    let calls = people.iter().enumerate().flat_map(|(at, person)| {
        let client = Mcp::modern(person, stage.mentor_path());
        (0..CALLS).map(move |n| {
            let client = client.clone();
            async move {
                let text = format!("{at}-{n}");
                let reply = client.call("up__echo", json!({ "text": text })).await;
                assert_eq!(outcome(&reply), Ok(text));
            }
        })
    });
    join_all(calls).await;
}

#[tokio::test]
async fn a_server_is_told_apart_by_its_state_and_the_rule_that_it_breaks() {
    let rows: Vec<Manner> = Manner::table()
        .into_iter()
        .filter(|row| ["version_1_0", "redirect_307", "type_html"].contains(&row.name))
        .collect();
    let (stage, _manners, ids) = every_manner(&rows).await;
    stage.attach(&ids).await;
    let client = stage.modern();
    let messages = eventually("the states", async || {
        let list = client.request("tools/list", json!({})).await;
        let servers = list.result()["_meta"]["mentor-gateway/servers"].clone();
        let servers = servers.as_array().unwrap();
        let known = servers.iter().all(|server| server["state"] != "pending");
        let messages = servers.iter().map(|server| {
            let name = server["name"].as_str().unwrap().to_owned();
            (
                name,
                server["message"].as_str().unwrap_or_default().to_owned(),
            )
        });
        known.then(|| messages.collect::<Vec<_>>())
    })
    .await;
    for (name, words) in [
        ("version_1_0", "its protocolVersion \"1.0\" is none"),
        ("redirect_307", "register the address that it leads to"),
        ("type_html", "of the type \"text/html; charset=utf-8\""),
    ] {
        let (_, message) = messages.iter().find(|(known, _)| known == name).unwrap();
        assert!(message.contains(words), "{name}: {message}");
        assert!(!message.contains("may have executed"), "{name}: {message}");
    }
}
