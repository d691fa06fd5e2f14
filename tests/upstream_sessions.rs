//! How sessions with upstreams begin, are lost and end, on every transport.

use futures_util::future::join_all;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Ill, Illness, Seen, Upstream};

use crate::harness::{LEGACY, Mcp, SOON, Stage, eventually};
use crate::upstream_transports::{bare, every_upstream};

#[tokio::test]
async fn the_credential_travels_with_every_message_of_every_transport() {
    for (slug, behaviour) in every_upstream() {
        let stage = Stage::start().await;
        let upstream = Upstream::start(behaviour).await.unwrap();
        let fields = json!({ "auth_type": "token", "extra_headers": { "x-tenant": "acme" } });
        let server = stage.register("Up", &upstream, fields).await;
        let connection = json!({
            "scope": "platform", "auth_type": "token", "authorization_scheme": "Bearer",
            "credentials": "the-secret", "extra_headers": { "x-who": "mentor" },
        });
        stage.connect(server, connection).await;
        stage.attach(&[server]).await;
        upstream.require_authorization(Some("Bearer the-secret".into()));
        for client in [stage.modern(), stage.legacy().await] {
            let reply = client.call("up__whoami", json!({})).await;
            let who = reply.structured();
            let headers = [&who["headers"], &who["postHeaders"]];
            for headers in headers.into_iter().filter(|headers| !headers.is_null()) {
                assert_eq!(headers["authorization"], "Bearer the-secret", "{slug}");
                assert_eq!(headers["x-tenant"], "acme", "{slug}");
                assert_eq!(headers["x-who"], "mentor", "{slug}");
            }
        }
        let bare = |seen: &&Seen| !seen.verb.is_empty() && seen.header("authorization").is_none();
        let seen = upstream.seen();
        assert_eq!(seen.iter().find(bare), None, "{slug}");
    }
}

#[tokio::test]
async fn a_lost_session_is_opened_once_more_and_the_call_is_made() {
    for behaviour in [
        Behaviour::sessions(),
        Behaviour::sessions().streaming(),
        Behaviour::sessions().without_get_stream(),
    ] {
        let (stage, upstream) = Stage::of(behaviour).await;
        let legacy = stage.legacy().await;
        for client in [stage.modern(), legacy] {
            let text = client.call("up__echo", json!({ "text": "before" })).await;
            assert_eq!(text.text(), "before");
            upstream.forget_sessions();
            upstream.forget_seen();
            let after = client.call("up__counter", json!({})).await;
            assert_eq!(*after.structured(), json!({ "count": 1 }));
            let calls: Vec<_> = upstream
                .seen()
                .into_iter()
                .filter(|seen| seen.is("tools/call"))
                .collect();
            let sessions: Vec<_> = calls
                .iter()
                .map(|call| call.header("mcp-session-id"))
                .collect();
            assert!(calls.len() <= 2, "{sessions:?}");
            let again = client.call("up__counter", json!({})).await;
            assert_eq!(*again.structured(), json!({ "count": 2 }));
        }
    }
}

#[tokio::test]
async fn an_upstream_that_forgets_at_once_is_not_asked_for_ever() {
    let (stage, upstream) = Stage::of(Behaviour::sessions().without_get_stream()).await;
    let client = stage.modern();
    client
        .call("up__echo", json!({ "text": "x" }))
        .await
        .result();
    upstream.forget_seen();
    let not_found = Ill::Status {
        status: 404,
        retry_after: None,
    };
    upstream.fall_ill(Some(Illness::new(not_found).on("tools/call")));
    let refused = client
        .request_as(
            1.into(),
            "tools/call",
            json!({ "name": "up__echo", "arguments": {} }),
        )
        .await;
    assert_eq!(refused.error()["data"]["kind"], "http");
    assert_eq!(refused.error()["data"]["mayHaveExecuted"], false);
    assert_eq!(upstream.calls_of("tools/call"), 2);
}

#[tokio::test]
async fn an_ended_session_is_ended_upstream() {
    let (stage, upstream) = Stage::of(Behaviour::sessions()).await;
    let session = stage.legacy().await;
    session.call("up__counter", json!({})).await.result();
    let call = upstream
        .wait_for(|seen| seen.is("tools/call"), SOON)
        .await
        .unwrap();
    assert_eq!(session.close().await.status, 204);
    let ended = |seen: &Seen| {
        seen.verb == "DELETE" && seen.header("mcp-session-id") == call.header("mcp-session-id")
    };
    upstream.wait_for(ended, SOON).await.unwrap();
}

#[tokio::test]
async fn an_upstream_that_was_replaced_by_one_of_another_era_is_called_again() {
    for (before, after) in [
        (Behaviour::stateless(), Behaviour::sessions()),
        (Behaviour::sessions(), Behaviour::dual()),
        (Behaviour::websocket(), Behaviour::websocket_modern()),
        (Behaviour::websocket_modern(), Behaviour::websocket()),
    ] {
        let (stage, upstream) = Stage::of(before).await;
        let client = stage.modern();
        client
            .call("up__echo", json!({ "text": "before" }))
            .await
            .result();
        let address = upstream.addr();
        upstream.stop().await;
        let _replaced = Upstream::start_on(address, after).await.unwrap();
        let text = eventually("an answer of the new upstream", async || {
            let reply = client.call("up__echo", json!({ "text": "after" })).await;
            reply.answer()["result"]["structuredContent"]["text"]
                .as_str()
                .map(str::to_owned)
        })
        .await;
        assert_eq!(text, "after");
    }
}

#[tokio::test]
async fn a_person_may_take_longer_to_answer_than_an_upstream_may() {
    let upstreams = [
        ("sessions", Behaviour::sessions()),
        ("sse", Behaviour::sse()),
        ("websocket", Behaviour::websocket()),
        ("stateless", Behaviour::stateless()),
    ];
    let asked = upstreams.map(async |(label, behaviour)| {
        let stage = Stage::start_with(|settings| settings.upstream_timeout_ms = Some(500)).await;
        let upstream = Upstream::start(behaviour).await.unwrap();
        let server = stage.register("Up", &upstream, json!({})).await;
        stage.attach(&[server]).await;
        stage.modern().tool_names().await;
        let able = json!({ "elicitation": {} });
        let client = Mcp::legacy_as(&stage.learner, stage.mentor_path(), LEGACY, able).await;
        let params = json!({ "name": "up__ask", "arguments": { "question": "Who?" } });
        let mut stream = client.open("tools/call", params).await;
        let question = stream.message().await;
        assert_eq!(question["method"], "elicitation/create", "{label}");
        // The person thinks.
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let answer = json!({ "action": "accept", "content": { "name": "Bob" } });
        assert_eq!(
            client.respond(&question["id"], answer.clone()).await.status,
            202
        );
        let answered = stream.message().await;
        let expected = json!({ "answers": { "answer-1": answer } });
        assert_eq!(
            answered["result"]["structuredContent"], expected,
            "{label}: {answered}"
        );
    });
    futures_util::future::join_all(asked).await;
}
#[tokio::test]
async fn one_upstreams_resources_are_read_by_their_plain_uris_too() {
    for (slug, behaviour) in every_upstream() {
        let (stage, upstream) = Stage::of(behaviour).await;
        let legacy = stage.legacy().await;
        for (client, is_modern) in [(stage.modern(), true), (legacy, false)] {
            let label = format!("{slug}, modern client: {is_modern}");
            let complete = |mut result: Value| {
                if is_modern {
                    result["resultType"] = "complete".into();
                }
                result
            };
            let read = async |uri: &str| {
                client
                    .request("resources/read", json!({ "uri": uri }))
                    .await
            };
            client.tool_names().await;
            let listed = client.request("resources/list", json!({})).await;
            let text = &listed.result()["resources"][0];
            let uri = "fixture://static/text";
            // What is listed says whose it is, so that it stays when another server comes.
            assert_eq!(
                (&text["uri"], &text["_meta"]),
                (
                    &json!(format!("{uri}#:~:mentor-gateway=1")),
                    &json!({ "com.example/kept": null })
                )
            );
            let contents =
                json!([{ "uri": uri, "mimeType": "text/plain", "text": "the text of a fixture" }]);
            assert_eq!(
                bare(read(uri).await.result()),
                complete(json!({ "contents": contents })),
                "{label}"
            );

            let templates = client.request("resources/templates/list", json!({})).await;
            let template = &templates.result()["resourceTemplates"][0];
            let template = &template["uriTemplate"];
            let marked = "fixture://item/{id}#:~:mentor-gateway=1";
            assert_eq!(*template, marked, "{label}");
            let item = read("fixture://item/seven").await;
            assert_eq!(
                item.result()["contents"][0]["text"],
                "{\"id\":\"seven\"}",
                "{label}"
            );

            let unknown = read("fixture://item/").await;
            let code = if is_modern { -32602 } else { -32002 };
            let codes = [json!(code), json!(-32602)];
            assert!(
                codes.contains(&unknown.error()["code"]),
                "{label}: {}",
                unknown.error()
            );
            assert_eq!(
                unknown.error()["data"],
                json!({ "uri": "fixture://item/" }),
                "{label}"
            );
        }
        drop(upstream);
    }
}

/// On threads of their own the two streams of a session race as they do in the field.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_comes_beside_a_call_is_not_lost_at_its_answer() {
    const CALLS: usize = 100;
    const LEVELS: usize = 8;
    let (stage, upstream) = Stage::of(Behaviour::sessions().streaming()).await;
    let client = stage.legacy().await;
    let mut listening = client.listen().await;
    client.call("up__echo", json!({ "text": "x" })).await;
    // The gateway's own session, which reads the lists, has one as well.
    let are_open = async || (upstream.listener_count() == upstream.session_count()).then_some(());
    eventually("every session has a stream of its own", are_open).await;

    let is_log = |message: &&Value| message["method"] == "notifications/message";
    let mut heard = 0;
    for _ in 0..CALLS {
        let reply = client.call("up__log", json!({ "beside": true })).await;
        assert_eq!(*reply.structured(), json!({ "logged": LEVELS }));
        heard += reply.before().iter().filter(is_log).count();
    }
    while heard < CALLS * LEVELS {
        heard += usize::from(is_log(&&listening.message().await));
    }
    assert_eq!(heard, CALLS * LEVELS);
}

#[tokio::test]
async fn sessions_of_a_record_that_lived_for_a_moment_end_with_it() {
    let (stage, lasting) = Stage::of(Behaviour::sessions()).await;
    let brief = Upstream::start(Behaviour::sessions()).await.unwrap();
    stage.modern().call("up__echo", json!({})).await.result();
    // The records have been looked at: those of a server that was switched off are let go of.
    let server = stage.register("Seen", &lasting, json!({})).await;
    stage
        .at_server(server)
        .call("echo", json!({}))
        .await
        .result();
    stage
        .admin
        .delete(&format!("mcp-servers/{server}/"))
        .await
        .expect(204);
    lasting
        .wait_for(|seen| seen.verb == "DELETE", SOON)
        .await
        .unwrap();

    let server = stage.register("Brief", &brief, json!({})).await;
    stage
        .at_server(server)
        .call("echo", json!({}))
        .await
        .result();
    stage
        .admin
        .delete(&format!("mcp-servers/{server}/"))
        .await
        .expect(204);
    brief
        .wait_for(|seen| seen.verb == "DELETE", SOON)
        .await
        .unwrap();
}

#[tokio::test]
async fn servers_that_come_while_others_are_let_go_of_stay() {
    let (stage, lasting) = Stage::of(Behaviour::sessions()).await;
    let call = async |server: &i64| {
        let client = stage.at_server(*server);
        client.call("echo", json!({})).await.result();
    };
    let mut servers: Vec<i64> = Vec::new();
    // What the first look did wrong is seen before the second one is over.
    for look in ["first", "second"] {
        let brief = Upstream::start(Behaviour::sessions()).await.unwrap();
        let going = stage.register(look, &brief, json!({})).await;
        call(&going).await;
        let path = format!("mcp-servers/{going}/");
        stage.admin.delete(&path).await.expect(204);
        while brief.seen().iter().all(|seen| seen.verb != "DELETE") {
            let name = format!("Coming {}", servers.len());
            servers.push(stage.register(&name, &lasting, json!({})).await);
            join_all(servers.iter().map(call)).await;
        }
    }
}

#[tokio::test]
async fn a_client_with_a_session_is_told_that_its_server_has_forgotten_it() {
    for (slug, behaviour) in every_upstream() {
        let (stage, upstream) = Stage::of(behaviour).await;
        let keeps_sessions =
            !["stateless", "stateless-streaming", "websocket-modern"].contains(&slug);
        let (legacy, modern) = (stage.legacy().await, stage.modern());
        let told = async |client: &Mcp| {
            let reply = client.call("up__echo", json!({ "text": "x" })).await;
            reply.result()["_meta"]["mentor-gateway/session"].clone()
        };
        for client in [&legacy, &modern] {
            assert_eq!(told(client).await, Value::Null, "{slug}");
        }
        upstream.forget_sessions();
        let expected = json!({
            "server": "Up", "state": "new",
            "message": "Up has begun a new session; what it kept from earlier calls is gone.",
        });
        let first = told(&legacy).await;
        assert_eq!(
            first,
            if keeps_sessions {
                expected
            } else {
                Value::Null
            },
            "{slug}"
        );
        for client in [&legacy, &modern] {
            assert_eq!(told(client).await, Value::Null, "once: {slug}");
        }
    }
}

/// A load balancer cuts what says nothing for long.
#[tokio::test]
async fn a_client_with_a_session_hears_something_while_an_upstream_thinks() {
    for behaviour in [Behaviour::stateless(), Behaviour::sessions()] {
        let (stage, upstream) = Stage::of(behaviour).await;
        let client = stage.legacy().await;
        client
            .call("up__echo", json!({ "text": "x" }))
            .await
            .result();
        upstream.fall_ill(Some(Illness::new(Ill::HangOnCall)));
        let hangs = client.call("up__echo", json!({ "text": "x" })).await;
        assert_eq!(hangs.headers["content-type"], "text/event-stream");
        assert_eq!(hangs.error()["data"]["kind"], "timeout");
    }
}
