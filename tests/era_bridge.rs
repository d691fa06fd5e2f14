//! Clients and upstreams of different eras, on every transport: what an upstream asks reaches the client, and
//! what it announces does too.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Era, Upstream};

use crate::harness::{Live, Mcp, Reply, SOON, Stage, eventually};

fn behaviours() -> Vec<(&'static str, Behaviour)> {
    vec![
        ("stateless", Behaviour::stateless()),
        ("sessions", Behaviour::sessions()),
        ("sse", Behaviour::sse()),
        (
            "sse_modern",
            Behaviour {
                era: Era::Modern,
                ..Behaviour::sse()
            },
        ),
        ("websocket", Behaviour::websocket()),
        ("websocket_modern", Behaviour::websocket_modern()),
    ]
}

fn abilities() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

/// What our client says to each question.
fn reply_to(method: &str) -> Value {
    match method {
        "elicitation/create" => json!({ "action": "accept", "content": { "name": "Ada" } }),
        "sampling/createMessage" => {
            json!({ "role": "assistant", "content": { "type": "text", "text": "42" }, "model": "m" })
        }
        "roots/list" => json!({ "roots": [{ "uri": "file:///home" }] }),
        other => panic!("asked {other}"),
    }
}

/// Calls a tool as a stateless client does: answers what is asked and sends the call again.
async fn call_modern(client: &Mcp, tool: &str, arguments: &Value) -> (Value, usize) {
    let mut params = json!({ "name": tool, "arguments": arguments });
    for rounds in 0..10 {
        let reply = client.request("tools/call", params.clone()).await;
        let result = reply.result();
        if result["resultType"] != "input_required" {
            return (result.clone(), rounds);
        }
        let questions = result["inputRequests"].as_object().unwrap();
        let answers = questions
            .iter()
            .map(|(key, question)| (key.clone(), reply_to(question["method"].as_str().unwrap())));
        params["inputResponses"] = answers.collect::<serde_json::Map<_, _>>().into();
        params["requestState"] = result["requestState"].clone();
    }
    panic!("asked for ever");
}

/// Calls a tool as a client with a session does: answers what is asked on the call's stream.
async fn call_legacy(client: &Mcp, tool: &str, arguments: &Value) -> (Value, usize) {
    let mut live = client
        .open(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await;
    let mut rounds = 0;
    loop {
        let message = live.message().await;
        match (message["method"].as_str(), message.get("id")) {
            (Some(method), Some(id)) => {
                client.respond(id, reply_to(method)).await.expect(202);
                rounds += 1;
            }
            (None, Some(_)) => return (message["result"].clone(), rounds),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_upstreams_questions_reach_clients_of_either_era_on_every_transport() {
    for (name, behaviour) in behaviours() {
        let (stage, _upstream) = Stage::of(behaviour).await;
        let modern = stage.modern().able(abilities());
        let legacy = Mcp::legacy_as(
            &stage.learner,
            stage.mentor_path(),
            "2025-11-25",
            abilities(),
        )
        .await;
        for (tool, arguments) in [
            ("up__ask", json!({ "rounds": 2 })),
            ("up__sample", json!({})),
            ("up__roots", json!({})),
            ("up__ask_all", json!({})),
        ] {
            let (by_modern, _) = call_modern(&modern, tool, &arguments).await;
            let (by_legacy, _) = call_legacy(&legacy, tool, &arguments).await;
            let answers = &by_modern["structuredContent"]["answers"];
            assert!(
                answers.as_object().is_some_and(|a| !a.is_empty()),
                "{name} {tool}: {by_modern}"
            );
            assert_eq!(
                answers, &by_legacy["structuredContent"]["answers"],
                "{name} {tool}"
            );
            assert_eq!(by_modern["resultType"], "complete", "{name} {tool}");
            assert_eq!(by_legacy.get("resultType"), None, "{name} {tool}");
        }
    }
}

/// Clients of both eras at the mentor's endpoint.
async fn clients(stage: &Stage) -> [(&'static str, Mcp); 2] {
    [("modern", stage.modern()), ("legacy", stage.legacy().await)]
}

#[tokio::test]
async fn calls_and_their_progress_cross_the_eras_on_every_transport() {
    for (name, behaviour) in behaviours() {
        let (stage, _upstream) = Stage::of(behaviour.streaming()).await;
        for (era, client) in clients(&stage).await {
            let reply = client.call("up__echo", json!({ "text": "hi" })).await;
            assert_eq!(reply.structured()["text"], "hi", "{name} {era}");

            let params = json!({ "name": "up__progress", "arguments": { "steps": 2 }, "_meta": { "progressToken": "mine" } });
            let reply = client.request("tools/call", params).await;
            let tokens: Vec<&Value> = reply
                .before()
                .iter()
                .map(|m| &m["params"]["progressToken"])
                .collect();
            assert_eq!(
                tokens,
                [&json!("mine"), &json!("mine")],
                "{name} {era}: {:?}",
                reply.messages
            );
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_upstream_across_the_eras() {
    for (name, behaviour) in behaviours() {
        let (stage, upstream) = Stage::of(behaviour.streaming()).await;
        for (era, client) in clients(&stage).await {
            upstream.forget_seen();
            let params = json!({ "name": "up__slow", "arguments": { "ms": 60_000 }, "_meta": { "progressToken": 1 } });
            let id = json!(77);
            let calling = client.post(&client.message(Some(id.clone()), "tools/call", params));
            let mut answering = Box::pin(calling.send());
            tokio::select! {
                _ = &mut answering => {}
                seen = upstream.wait_for(|seen| seen.is("tools/call"), SOON) => drop(seen.unwrap()),
            }
            if era == "legacy" {
                client
                    .notify("notifications/cancelled", json!({ "requestId": id }))
                    .await;
            }
            // A stateless client over HTTP cancels by hanging up.
            let _kept = (era == "legacy").then_some(answering);
            let is_end = |seen: &upstream_fixtures::Seen| {
                seen.is("cancelled") || seen.is("notifications/cancelled") || seen.is("closed")
            };
            let ended = upstream.wait_for(is_end, SOON).await;
            assert!(ended.is_ok(), "{name} {era}: the upstream works on");
        }
    }
}

#[tokio::test]
async fn a_client_that_declared_nothing_is_asked_nothing() {
    for (name, behaviour) in behaviours() {
        let (stage, _upstream) = Stage::of(behaviour).await;
        let reply = stage.modern().call("up__ask", json!({})).await;
        let message = reply.answer().clone();
        let refused = message.get("error").is_some() || message["result"]["isError"] == true;
        assert!(refused, "{name}: {message}");
    }
}

async fn parked(stage: &Stage) -> (Mcp, Value, Value) {
    let client = stage.modern().able(abilities());
    let params = json!({ "name": "up__ask", "arguments": { "rounds": 1 } });
    let first = client.request("tools/call", params.clone()).await;
    let result = first.result().clone();
    assert_eq!(result["resultType"], "input_required", "{result}");
    let mut retry = params;
    retry["requestState"] = result["requestState"].clone();
    retry["inputResponses"] = json!({ "upstream": reply_to("elicitation/create") });
    (client, result, retry)
}

fn is_refused(reply: &Reply) -> bool {
    reply.answer()["error"]["code"] == -32602
}

#[tokio::test]
async fn a_parked_call_opens_for_its_own_client_and_request_alone() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions()).await;
    let (client, _, retry) = parked(&stage).await;

    let other = Mcp::modern(&stage.admin, stage.mentor_path()).able(abilities());
    assert!(
        is_refused(&other.request("tools/call", retry.clone()).await),
        "another person"
    );

    let mut altered = retry.clone();
    altered["arguments"]["rounds"] = json!(2);
    assert!(
        is_refused(&client.request("tools/call", altered).await),
        "other arguments"
    );

    let mut tampered = retry.clone();
    let state = retry["requestState"].as_str().unwrap();
    let (head, tail) = state.split_at(state.len() / 2);
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    tampered["requestState"] = format!("{head}{other}{}", &tail[1..]).into();
    assert!(
        is_refused(&client.request("tools/call", tampered).await),
        "an altered state"
    );

    let done = client.request("tools/call", retry.clone()).await;
    assert_eq!(done.result()["resultType"], "complete");
    assert!(
        is_refused(&client.request("tools/call", retry).await),
        "a second time"
    );
}

#[tokio::test]
async fn a_retry_without_the_answer_is_asked_again() {
    let (stage, _upstream) = Stage::of(Behaviour::sse()).await;
    let (client, first, mut retry) = parked(&stage).await;
    let answers = retry["inputResponses"].take();
    let again = client.request("tools/call", retry.clone()).await;
    assert_eq!(again.result()["inputRequests"], first["inputRequests"]);
    retry["requestState"] = again.result()["requestState"].clone();
    retry["inputResponses"] = answers;
    let done = client.request("tools/call", retry).await;
    assert_eq!(done.result()["resultType"], "complete");
}

/// A session client's own stream, once the gateway reads the other end for it.
async fn own_stream(client: &Mcp) -> Live {
    client.listen().await
}

#[tokio::test]
async fn a_changed_list_is_announced_across_the_eras() {
    for (name, behaviour) in behaviours() {
        let (stage, upstream) = Stage::of(behaviour).await;
        let legacy = stage.legacy().await;
        legacy.tool_names().await;
        let mut stream = own_stream(&legacy).await;
        let filter = json!({ "notifications": { "toolsListChanged": true } });
        let modern = stage.modern();
        let mut subscription = modern.open("subscriptions/listen", filter).await;
        let acknowledged = subscription.message().await;
        assert_eq!(
            acknowledged["method"], "notifications/subscriptions/acknowledged",
            "{name}"
        );
        listened_to(&upstream).await;

        upstream.add_tool(upstream_fixtures::plain_tool("brand_new", "Is new."));
        let wanted = |message: &Value| message["method"] == "notifications/tools/list_changed";
        stream.until(wanted).await;
        let told = subscription.until(wanted).await;
        let id = &acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
        assert_eq!(
            &told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id,
            "{name}"
        );
        assert!(
            stage
                .modern()
                .tool_names()
                .await
                .contains(&"up__brand_new".to_owned()),
            "{name}"
        );
    }
}

/// Waits until somebody listens to the upstream's announcements.
async fn listened_to(upstream: &Upstream) {
    eventually("the upstream is listened to", async || {
        (upstream.listener_count() > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_watched_resource_is_watched_across_the_eras() {
    const URI: &str = "fixture://static/text";
    for (name, behaviour) in behaviours() {
        let (stage, upstream) = Stage::of(behaviour).await;
        let wanted = |message: &Value| message["method"] == "notifications/resources/updated";

        let legacy = stage.legacy().await;
        let mut stream = own_stream(&legacy).await;
        let subscribed = legacy
            .request("resources/subscribe", json!({ "uri": URI }))
            .await;
        assert_eq!(subscribed.result(), &json!({}), "{name}");
        let filter = json!({ "notifications": { "resourceSubscriptions": [URI] } });
        let mut subscription = stage.modern().open("subscriptions/listen", filter).await;
        let acknowledged = subscription.message().await;
        assert_eq!(
            acknowledged["params"]["notifications"]["resourceSubscriptions"],
            json!([URI]),
            "{name}"
        );
        eventually("both watch", async || {
            (upstream.listener_count() > 1).then_some(())
        })
        .await;

        upstream.touch_resource(URI);
        assert_eq!(stream.until(wanted).await["params"]["uri"], URI, "{name}");
        assert_eq!(
            subscription.until(wanted).await["params"]["uri"],
            URI,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_where_it_broke() {
    let (stage, _upstream) = Stage::of(Behaviour::sse()).await;
    let client = stage.legacy().await;
    let params = json!({ "name": "up__slow", "arguments": { "ms": 300 } });
    let message = client.message(Some(json!(7)), "tools/call", params);
    let first = client.post(&message).send().await.unwrap();
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let mut first = first;
    let chunk = first.chunk().await.unwrap().unwrap();
    let priming = String::from_utf8(chunk.to_vec()).unwrap();
    let id = priming
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .to_owned();
    assert!(priming.contains("retry: "), "{priming}");
    drop(first);

    let again = client
        .bare(reqwest::Method::GET)
        .header("accept", "text/event-stream");
    let again = again
        .header("mcp-session-id", client.session_id())
        .header("last-event-id", &id);
    let mut again = Live::of(again).await;
    let answer = again.message().await;
    assert_eq!(answer["id"], 7);
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(again.rest().await, Vec::<Value>::new());
}
