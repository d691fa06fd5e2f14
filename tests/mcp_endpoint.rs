//! The MCP endpoints themselves: who gets in, by which verb, and whose session it is.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{
    Client, Gateway, LEGACY, Live, MODERN, Mcp, Reply, Stage, VERSIONS, eventually,
    rpc_error as error, send, server_path,
};

fn echo_only() -> Behaviour {
    Behaviour::stateless().with_tools(vec![plain_tool("echo", "Says it again.")])
}

#[tokio::test]
async fn a_stateless_client_discovers_the_mentor() {
    let (stage, _upstream) = Stage::of(echo_only()).await;
    let client = stage.modern();
    client.tool_names().await;
    let reply = client.request("server/discover", json!({})).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        *reply.result(),
        json!({
            "resultType": "complete",
            "supportedVersions": VERSIONS,
            "capabilities": {
                "tools": { "listChanged": true }, "prompts": { "listChanged": true },
                "resources": { "listChanged": true, "subscribe": true }, "completions": {}, "logging": {},
            },
            "instructions": "Up: A test upstream. Call `echo` to see whether it is there.",
            "ttlMs": 10_000,
            "cacheScope": "private",
            "_meta": {
                "mentor-gateway/servers": [{ "id": 1, "name": "Up", "state": "ok" }],
                "io.modelcontextprotocol/serverInfo": {
                    "name": "mentor-gateway", "title": "Finance Mentor", "version": env!("CARGO_PKG_VERSION"),
                },
            },
        })
    );
}

#[tokio::test]
async fn a_session_client_gets_the_revision_it_asks_for_or_the_newest() {
    let stage = Stage::start().await;
    for version in &VERSIONS[1..] {
        let client = Mcp::legacy_as(&stage.learner, stage.mentor_path(), version, json!({})).await;
        assert_eq!(client.handshake["protocolVersion"], *version);
        assert_eq!(*client.request("ping", json!({})).await.result(), json!({}));
    }
    for unknown in ["2026-07-28", "2023-01-01", "latest", "2027-01-01"] {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "protocolVersion": unknown, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } },
        });
        let client = Mcp::modern(&stage.learner, stage.mentor_path());
        for header in [None, Some(unknown), Some("2025-06-18")] {
            let mut request = client
                .bare(Method::POST)
                .header("accept", "application/json, text/event-stream")
                .json(&message);
            if let Some(header) = header {
                request = request.header("mcp-protocol-version", header);
            }
            let reply = Reply::of(request).await;
            let agreed = &reply.result()["protocolVersion"];
            assert_eq!(agreed, LEGACY, "{unknown}, {header:?}");
        }
    }
}

#[tokio::test]
async fn a_session_exists_for_its_caller_at_its_endpoint_alone() {
    let (stage, upstream) = Stage::of(echo_only()).await;
    let session = stage.legacy().await;
    let server = stage.register("Other", &upstream, json!({})).await;
    let carol = stage.gateway.client("acme", "carol").await;
    let stranger = stage.gateway.stranger().await;
    let bobs_second_key = stage.gateway.learner().await;
    let list = session.message(Some(7.into()), "tools/list", json!({}));

    let never_was = error(7.into(), -32600, "Session not found");
    for thief in [
        session.used_by(&carol),
        session.used_by(&stage.admin),
        session.used_by(&stranger),
        session.used_by(&stage.admin).at(server_path(server)),
    ] {
        let refused = Reply::of(thief.post(&list)).await;
        assert_eq!(refused.brief(), (404, never_was.clone()));
        assert_eq!(thief.close().await.status, 404);
        let stream = thief
            .bare(Method::GET)
            .header("accept", "text/event-stream")
            .header("mcp-session-id", session.session_id());
        assert_eq!(send(stream).await.status, 404);
    }
    let made_up = session
        .bare(Method::POST)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-session-id", "0".repeat(64))
        .json(&list);
    assert_eq!(Reply::of(made_up).await.brief(), (404, never_was));

    let own = Reply::of(session.used_by(&bobs_second_key).post(&list)).await;
    assert_eq!(own.result()["tools"][0]["name"], "up__echo");
}

#[tokio::test]
async fn a_deleted_session_is_gone_and_its_stream_ends() {
    let (stage, _upstream) = Stage::of(echo_only()).await;
    let session = stage.legacy().await;
    let mut stream = session.listen().await;
    let deleted = session.close().await;
    assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
    assert_eq!(stream.rest().await, Vec::<Value>::new());
    let refused = session.request_as(3.into(), "ping", json!({})).await;
    let gone = error(3.into(), -32600, "Session not found");
    assert_eq!(refused.brief(), (404, gone));
    assert_eq!(session.close().await.status, 404);
}

#[tokio::test]
async fn the_newest_stream_of_a_session_takes_over() {
    let (stage, upstream) = Stage::of(Behaviour::sessions()).await;
    let session = stage.legacy().await;
    session.tool_names().await;
    let taken_up = || async {
        let request = session
            .bare(Method::GET)
            .header("accept", "text/event-stream")
            .header("mcp-session-id", session.session_id());
        Live::of(request.header("last-event-id", "0-0")).await
    };
    // The client's side of the first is broken, and nobody has told the gateway.
    let mut first = session.listen().await;
    let mut second = session.listen().await;
    assert_eq!(first.next().await, None, "it ends in good order");
    let mut third = taken_up().await;
    assert_eq!(second.next().await, None);
    upstream.add_tool(plain_tool("new", "Was not there."));
    let heard = third.message().await;
    assert_eq!(heard["method"], "notifications/tools/list_changed");
    // What was sent into a stream that nobody read is sent again.
    assert_eq!(taken_up().await.message().await, heard);
}

/// Longer than a session may be idle.
const LONG: Duration = Duration::from_secs(31 * 60);

#[tokio::test]
async fn a_session_lives_as_long_as_its_stream_and_not_longer_than_its_client() {
    let (stage, _upstream) = Stage::of(Behaviour::sessions()).await;
    let (reading, silent) = (stage.legacy().await, stage.legacy().await);
    let counted = async || {
        let counter = reading.call("up__counter", json!({})).await;
        counter.structured()["count"].clone()
    };
    assert_eq!(counted().await, 1);
    let mut stream = reading.listen().await;
    for calls in 2..4 {
        stage.gateway.advance(LONG);
        assert_eq!(
            counted().await,
            calls,
            "with all that the server keeps in it"
        );
    }
    let gone = silent.request_as(3.into(), "ping", json!({})).await;
    let never_was = error(3.into(), -32600, "Session not found");
    assert_eq!(gone.brief(), (404, never_was.clone()));

    let newer = reading.listen().await;
    assert_eq!(stream.next().await, None);
    drop(newer);
    eventually("the end of the session", async || {
        stage.gateway.advance(LONG);
        let gone = reading.request_as(3.into(), "ping", json!({})).await;
        (gone.brief() == (404, never_was.clone())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_before_the_key_is_looked_at() {
    let gateway = Gateway::start_with(|settings| {
        settings.public_url = Some("https://gateway.example".into());
        settings.allow_origin = vec!["https://app.example".into()];
    })
    .await;
    let nobody = Mcp::modern(
        &gateway.anonymous(),
        format!("/mcp/mentors/{}/", gateway.mentor),
    );
    let methods = [Method::POST, Method::GET, Method::DELETE, Method::OPTIONS];
    for method in methods {
        let ask = |name: &'static str, value: &'static str| {
            send(nobody.bare(method.clone()).header(name, value))
        };
        for host in [
            "evil.example",
            "gateway.example.evil.example",
            "10.1.1.1:8600",
        ] {
            assert_eq!(ask("host", host).await.status, 421, "{method} {host}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "http://gateway.example",
            "https://gateway.example.evil.example",
        ] {
            let refused = ask("origin", origin).await;
            assert_eq!(refused.status, 403, "{method} {origin}");
            assert_eq!(refused.header("access-control-allow-origin"), None);
        }
        for (host, origin) in [
            ("gateway.example", "https://gateway.example"),
            ("gateway.example", "https://app.example"),
        ] {
            let passed = nobody.bare(method.clone()).header("host", host);
            let passed = send(passed.header("origin", origin)).await;
            assert_eq!(passed.status, 401, "{method} {origin}");
        }
        assert_eq!(send(nobody.bare(method.clone())).await.status, 401);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_key_that_works() {
    let stage = Stage::start().await;
    let list = stage
        .modern()
        .message(Some(1.into()), "tools/list", json!({}));
    let anonymous = Mcp::modern(&stage.gateway.anonymous(), stage.mentor_path());
    let refused = Reply::of(anonymous.post(&list)).await;
    let text = "authentication credentials were not provided";
    assert_eq!(refused.brief(), (401, error(Value::Null, -32600, text)));
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert_eq!(challenge, "Bearer realm=\"mentor-gateway\"");

    for value in ["Token nonsense", "Basic YTpi", "Bearer", "Bearer a b"] {
        let request = anonymous.post(&list).header("authorization", value);
        let refused = Reply::of(request).await;
        let invalid = error(Value::Null, -32600, "invalid token");
        assert_eq!(refused.brief(), (401, invalid), "{value}");
    }

    let key = stage.learner.key.as_deref().unwrap();
    for scheme in ["Token", "Api-Token", "Api-Key", "Bearer", "bearer"] {
        let request = anonymous
            .post(&list)
            .header("authorization", format!("{scheme} {key}"));
        assert_eq!(Reply::of(request).await.status, 200, "{scheme}");
    }
    let twice = stage
        .modern()
        .post(&list)
        .header("authorization", "Token x");
    let refused = Reply::of(twice).await;
    assert_eq!(refused.status, 400, "{:?}", refused.messages);
}

#[tokio::test]
async fn a_mentor_of_another_tenant_answers_as_one_that_never_was() {
    let stage = Stage::start().await;
    let stranger = stage.gateway.stranger().await;
    let foreign = Mcp::modern(&stranger, stage.mentor_path());
    let missing = Mcp::modern(
        &stranger,
        "/mcp/mentors/00000000-0000-4000-8000-000000000000/",
    );
    for (method, params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "up__echo", "arguments": {} })),
        ("subscriptions/listen", json!({ "notifications": {} })),
    ] {
        let unknown = (404, error(1.into(), -32602, "Unknown mentor"));
        let refused = foreign.request_as(1.into(), method, params.clone()).await;
        assert_eq!(refused.brief(), unknown, "{method}");
        let refused = missing.request_as(1.into(), method, params).await;
        assert_eq!(refused.brief(), unknown, "{method}");
    }
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } },
    });
    for client in [&foreign, &missing] {
        let request = client
            .bare(Method::POST)
            .header("accept", "application/json, text/event-stream")
            .json(&initialize);
        let refused = Reply::of(request).await;
        assert_eq!(
            refused.brief(),
            (404, error(1.into(), -32602, "Unknown mentor"))
        );
        assert!(!refused.headers.contains_key("mcp-session-id"));
    }
}

#[tokio::test]
async fn one_servers_endpoint_is_for_the_admins_of_its_tenant() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(echo_only()).await.unwrap();
    let server = stage.register("Drive", &upstream, json!({})).await;
    let list =
        |client: Mcp| async move { client.request_as(1.into(), "tools/list", json!({})).await };

    let admin = stage.at_server(server);
    assert_eq!(admin.tool_names().await, ["echo"]);
    let learner = list(Mcp::modern(&stage.learner, server_path(server))).await;
    assert_eq!(
        learner.brief(),
        (403, error(1.into(), -32600, "permission denied"))
    );
    let stranger = stage.gateway.stranger().await;
    for path in [
        server_path(server),
        server_path(999),
        "/mcp/servers/x/".into(),
    ] {
        let refused = list(Mcp::modern(&stranger, path)).await;
        assert_eq!(
            refused.brief(),
            (404, error(1.into(), -32602, "Unknown server"))
        );
    }
}

#[tokio::test]
async fn a_path_without_its_slash_is_the_same_endpoint() {
    let (stage, _upstream) = Stage::of(echo_only()).await;
    let path = stage.mentor_path();
    let client = stage.modern().at(path.trim_end_matches('/'));
    assert_eq!(client.tool_names().await, ["up__echo"]);
}

#[tokio::test]
async fn other_verbs_are_not_allowed() {
    let stage = Stage::start().await;
    let client = stage.modern();
    for method in [Method::PUT, Method::PATCH, Method::OPTIONS] {
        let refused = send(client.bare(method.clone())).await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), Some("GET, POST, DELETE"));
    }
    let stateless = client
        .bare(Method::GET)
        .header("accept", "text/event-stream")
        .header("mcp-protocol-version", MODERN);
    assert_eq!(send(stateless).await.status, 405);
    let no_session = client
        .bare(Method::GET)
        .header("accept", "text/event-stream");
    assert_eq!(send(no_session).await.status, 405);
}

#[tokio::test]
async fn a_session_client_shows_its_session_and_a_revision_that_we_know() {
    let stage = Stage::start().await;
    let session = stage.legacy().await;
    let ping = session.message(Some(5.into()), "ping", json!({}));
    let ask = |headers: Vec<(&'static str, String)>| {
        let mut request = session
            .bare(Method::POST)
            .header("accept", "application/json, text/event-stream")
            .json(&ping);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Reply::of(request)
    };
    let id = || ("mcp-session-id", session.session_id().to_owned());
    let version = |version: &str| ("mcp-protocol-version", version.to_owned());

    let refused = ask(vec![version(LEGACY)]).await;
    let text = "Bad Request: Mcp-Session-Id header is required";
    assert_eq!(refused.brief(), (400, error(5.into(), -32600, text)));
    let refused = ask(vec![id(), id()]).await;
    assert_eq!(refused.brief(), (400, error(5.into(), -32600, text)));
    // The revision of a session was agreed; a header that names another one changes nothing.
    for known in &VERSIONS[1..] {
        assert_eq!(ask(vec![id(), version(known)]).await.status, 200, "{known}");
    }
    let refused = ask(vec![id(), version("1999-01-01")]).await;
    assert_eq!(
        (refused.status, &refused.error()["code"]),
        (400, &json!(-32022))
    );
    assert_eq!(ask(vec![id()]).await.status, 200);
    assert_eq!(ask(vec![id(), version(LEGACY)]).await.status, 200);
}

#[tokio::test]
async fn a_stateless_client_gets_no_session_even_if_it_shows_one() {
    let stage = Stage::start().await;
    let session = stage.legacy().await;
    let client = stage.modern();
    let list = client.message(Some(1.into()), "tools/list", json!({}));
    let request = client
        .post(&list)
        .header("mcp-session-id", session.session_id());
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let stage = Stage::start().await;
    let client = stage.modern();
    let list = client.message(Some(1.into()), "tools/list", json!({}));
    let own = Reply::of(client.post(&list).header("x-request-id", "trace-7")).await;
    assert_eq!(own.headers["x-request-id"], "trace-7");
    let given = Reply::of(client.post(&list)).await;
    assert_eq!(given.headers["x-request-id"].len(), 36);
}

#[tokio::test]
async fn a_key_acts_for_another_person_only_with_that_right() {
    let (stage, _upstream) = Stage::of(echo_only()).await;
    let list = stage
        .modern()
        .message(Some(1.into()), "tools/list", json!({}));
    let runtime = stage.gateway.platform_key(&["act-as"]).await;
    let as_user = |client: &Client, user: &str| {
        let client = client.with_header("x-act-as-user", user);
        Mcp::modern(&client, stage.mentor_path())
    };
    let bob = Reply::of(as_user(&runtime, "bob").post(&list)).await;
    assert_eq!(bob.status, 200);
    let refused = Reply::of(as_user(&stage.admin, "bob").post(&list)).await;
    assert_eq!(
        refused.brief(),
        (403, error(Value::Null, -32600, "permission denied"))
    );
    for nobody in ["gil", "mallory"] {
        let refused = Reply::of(as_user(&runtime, nobody).post(&list)).await;
        assert_eq!(
            refused.brief(),
            (404, error(Value::Null, -32602, "Unknown user"))
        );
    }
    // Rights are those of the person acted for.
    let server = Mcp::modern(&runtime.with_header("x-act-as-user", "bob"), server_path(1));
    assert_eq!(server.request("tools/list", json!({})).await.status, 403);
}
