//! The MCP endpoints themselves: who gets in, what is a message, which revision, whose session.

use reqwest::Method;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{Gateway, LEGACY, MODERN, Mcp, Reply, Stage, send, send_bytes, server_path};

const VERSIONS: [&str; 5] = [
    "2026-07-28",
    "2025-11-25",
    "2025-06-18",
    "2025-03-26",
    "2024-11-05",
];

fn echo_only() -> Behaviour {
    Behaviour::stateless().with_tools(vec![plain_tool("echo", "Says it again.")])
}

fn error(id: Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// A POST of this text as a stateless client with a key sends it.
async fn post_text(client: &Mcp, text: impl Into<reqwest::Body>) -> Reply {
    let request = client
        .bare(Method::POST)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "ping")
        .body(text);
    Reply::of(request).await
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
    for unknown in ["2026-07-28", "2023-01-01", "latest"] {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "protocolVersion": unknown, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } },
        });
        let client = Mcp::modern(&stage.learner, stage.mentor_path());
        let request = client
            .bare(Method::POST)
            .header("accept", "application/json, text/event-stream")
            .json(&message);
        let reply = Reply::of(request).await;
        assert_eq!(reply.result()["protocolVersion"], LEGACY, "{unknown}");
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
async fn a_session_has_one_stream_at_a_time() {
    let stage = Stage::start().await;
    let session = stage.legacy().await;
    let second = || {
        let request = session
            .bare(Method::GET)
            .header("accept", "text/event-stream");
        send(request.header("mcp-session-id", session.session_id()))
    };
    let first = session.listen().await;
    assert_eq!(
        second().await.brief(),
        (
            409,
            error(
                Value::Null,
                -32600,
                "Conflict: this session has a stream already"
            )
            .to_string()
        )
    );
    drop(first);
    crate::harness::eventually("the stream's release", async || {
        let request = session
            .bare(Method::GET)
            .header("accept", "text/event-stream");
        let request = request.header("mcp-session-id", session.session_id());
        let response = request.send().await.unwrap();
        (response.status() == 200).then_some(())
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
async fn the_client_must_take_both_kinds_of_answer_and_send_json() {
    let stage = Stage::start().await;
    let client = stage.modern();
    let list = client
        .message(Some(1.into()), "tools/list", json!({}))
        .to_string();
    let post = |accept: &'static str, kind: &'static str| {
        let request = client.bare(Method::POST).header("accept", accept);
        let request = request
            .header("content-type", kind)
            .header("mcp-method", "tools/list");
        Reply::of(
            request
                .header("mcp-protocol-version", MODERN)
                .body(list.clone()),
        )
    };
    let text = "Not Acceptable: the client must accept both application/json and text/event-stream";
    let not_acceptable = error(Value::Null, -32600, text);
    for accept in ["application/json", "text/event-stream", "text/html", ""] {
        let refused = post(accept, "application/json").await;
        assert_eq!(refused.brief(), (406, not_acceptable.clone()), "{accept}");
    }
    for accept in [
        "*/*",
        "application/*, text/*",
        "application/json;q=0.9,text/event-stream",
    ] {
        assert_eq!(
            post(accept, "application/json").await.status,
            200,
            "{accept}"
        );
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
    ] {
        assert_eq!(post("*/*", kind).await.status, 415, "{kind}");
    }
    assert_eq!(
        post("*/*", "Application/JSON; charset=utf-8").await.status,
        200
    );
    let packed = client.post(&json!({})).header("content-encoding", "gzip");
    assert_eq!(send(packed).await.status, 415);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_without_being_read() {
    use futures_util::StreamExt as _;
    let stage = Stage::start().await;
    let client = stage.modern();
    let too_large = error(
        Value::Null,
        -32600,
        "the request body is larger than 4194304 bytes",
    );
    let whole = post_text(&client, vec![b' '; 4 * 1024 * 1024 + 1]).await;
    assert_eq!(whole.brief(), (413, too_large.clone()));

    let endless =
        futures_util::stream::repeat(()).map(|()| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
    let endless = post_text(&client, reqwest::Body::wrap_stream(endless)).await;
    assert_eq!(endless.brief(), (413, too_large));

    let exactly = post_text(&client, vec![b' '; 4 * 1024 * 1024]).await;
    assert_eq!(
        exactly.brief(),
        (400, error(Value::Null, -32700, "Parse error"))
    );
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_at_once() {
    let stage = Stage::start().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token {}\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n",
        stage.mentor_path(),
        stage.learner.key.as_deref().unwrap()
    );
    let answer = send_bytes(&stage.gateway.base, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn what_is_not_one_message_is_refused_with_its_code() {
    let stage = Stage::start().await;
    let client = stage.modern();
    let invalid = "Invalid Request";
    let batches = "Invalid Request: batches are not supported";
    for (text, code, message) in [
        ("", -32700, "Parse error"),
        ("{", -32700, "Parse error"),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x",
            -32700,
            "Parse error",
        ),
        (
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
            -32700,
            "Parse error",
        ),
        ("[]", -32600, batches),
        (
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            -32600,
            batches,
        ),
        ("7", -32600, invalid),
        ("{}", -32600, invalid),
        ("{\"id\":1,\"method\":\"ping\"}", -32600, invalid),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1e3,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"method\":\"b\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u0069d\":2,\"method\":\"ping\"}",
            -32600,
            invalid,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}",
            -32600,
            invalid,
        ),
    ] {
        let refused = post_text(&client, text).await;
        assert_eq!(
            refused.brief(),
            (400, error(Value::Null, code, message)),
            "{text}"
        );
    }
    let not_utf8 = post_text(
        &client,
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(),
    )
    .await;
    assert_eq!(
        not_utf8.brief(),
        (400, error(Value::Null, -32700, "Parse error"))
    );
}

#[tokio::test]
async fn an_id_comes_back_to_the_letter() {
    let (stage, _upstream) = Stage::of(echo_only()).await;
    let client = stage.modern();
    for id in [
        "0",
        "-7",
        "18446744073709551616",
        "9007199254740993",
        "\"\"",
        "\"a \\\"b\\\" \\u00e9 \\n\"",
        "\"1\"",
    ] {
        for (method, params) in [
            ("tools/list", json!({})),
            (
                "tools/call",
                json!({ "name": "up__echo", "arguments": { "text": "x" } }),
            ),
        ] {
            let message = client.message(None, method, params);
            let text = message
                .to_string()
                .replacen('{', &format!("{{\"id\":{id},"), 1);
            let answer = send(client.post(&message).body(text)).await;
            let (status, text) = answer.brief();
            assert_eq!(status, 200, "{text}");
            assert!(
                text.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},")),
                "{text}"
            );
        }
    }
    let long = format!("\"{}\"", "x".repeat(300));
    let message = client.message(None, "tools/list", json!({}));
    let text = message
        .to_string()
        .replacen('{', &format!("{{\"id\":{long},"), 1);
    assert_eq!(send(client.post(&message).body(text)).await.status, 400);
}

#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let (stage, upstream) = Stage::of(echo_only()).await;
    let client = stage.modern();
    client.tool_names().await;
    upstream.forget_seen();
    let call = json!({ "name": "up__echo", "arguments": {} });
    let message = client.message(Some(5.into()), "tools/call", call);
    let ask = |headers: &'static [(&'static str, &'static str)]| {
        let mut request = client
            .bare(Method::POST)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(message.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request)
    };
    const V: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
    const M: (&str, &str) = ("mcp-method", "tools/call");
    const N: (&str, &str) = ("mcp-name", "up__echo");
    let cases: [(&'static [(&str, &str)], &str); 9] = [
        (&[M, N], "Header mismatch: MCP-Protocol-Version is missing"),
        (
            &[("mcp-protocol-version", "2025-11-25"), M, N],
            "Header mismatch: MCP-Protocol-Version header value '2025-11-25' does not match body value '2026-07-28'",
        ),
        (&[V, V, M, N], "MCP-Protocol-Version stands twice"),
        (&[V, N], "Header mismatch: mcp-method is missing"),
        (
            &[V, ("mcp-method", "tools/list"), N],
            "Header mismatch: mcp-method header value 'tools/list' does not match body value 'tools/call'",
        ),
        (&[V, M, M, N], "Header mismatch: mcp-method is malformed"),
        (&[V, M], "Header mismatch: mcp-name is missing"),
        (
            &[V, M, ("mcp-name", "other")],
            "Header mismatch: mcp-name header value 'other' does not match body value 'up__echo'",
        ),
        (
            &[V, M, ("mcp-name", "=?base64?%%?=")],
            "Header mismatch: mcp-name is malformed",
        ),
    ];
    for (headers, text) in cases {
        assert_eq!(
            ask(headers).await.brief(),
            (400, error(5.into(), -32020, text)),
            "{headers:?}"
        );
    }
    assert_eq!(upstream.seen(), vec![]);

    assert_eq!(ask(&[V, M, N]).await.status, 200);
    assert_eq!(
        ask(&[V, M, ("MCP-NAME", "=?base64?dXBfX2VjaG8=?=")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_revision_that_we_do_not_speak_is_refused_with_those_that_we_do() {
    let stage = Stage::start().await;
    let client = stage.modern();
    for version in ["2099-01-01", "latest", "2025-11-25"] {
        let mut message = client.message(Some(5.into()), "tools/list", json!({}));
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = version.into();
        let request = client
            .bare(Method::POST)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", version)
            .header("mcp-method", "tools/list")
            .json(&message);
        let mut expected = error(5.into(), -32022, "Unsupported protocol version");
        expected["error"]["data"] = json!({ "supported": VERSIONS, "requested": version });
        assert_eq!(
            Reply::of(request).await.brief(),
            (400, expected),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_stateless_request_carries_its_metadata_or_is_refused() {
    let stage = Stage::start().await;
    let client = stage.modern();
    for key in ["protocolVersion", "clientCapabilities"] {
        let key = format!("io.modelcontextprotocol/{key}");
        let mut message = client.message(Some(5.into()), "tools/list", json!({}));
        message["params"]["_meta"]
            .as_object_mut()
            .unwrap()
            .remove(&key);
        let refused = Reply::of(client.post(&message)).await;
        let text = format!("Invalid params: _meta[\"{key}\"] is missing or malformed");
        assert_eq!(refused.brief(), (400, error(5.into(), -32602, &text)));
    }
    let mut anonymous = client.message(Some(5.into()), "tools/list", json!({}));
    anonymous["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientInfo");
    assert_eq!(Reply::of(client.post(&anonymous)).await.status, 200);
}

#[tokio::test]
async fn an_unknown_method_is_named_in_the_words_of_the_era() {
    let stage = Stage::start().await;
    let mut expected = error(5.into(), -32601, "Method not found");
    for method in ["tools/destroy", "constructor", ""] {
        expected["error"]["data"] = json!({ "method": method });
        let modern = stage.modern().request_as(5.into(), method, json!({})).await;
        assert_eq!(modern.brief(), (404, expected.clone()), "{method}");
        let legacy = stage
            .legacy()
            .await
            .request_as(5.into(), method, json!({}))
            .await;
        assert_eq!(legacy.brief(), (200, expected.clone()), "{method}");
    }
}

#[tokio::test]
async fn methods_of_the_other_era_are_unknown_at_both_endpoints() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::dual()).await.unwrap();
    let server = stage.register("Dual", &upstream, json!({})).await;
    stage.attach(&[server]).await;
    for path in [stage.mentor_path(), server_path(server)] {
        let modern = Mcp::modern(&stage.admin, path.clone());
        modern.tool_names().await;
        upstream.forget_seen();
        for method in [
            "initialize",
            "ping",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            let refused = modern.request(method, json!({ "level": "info" })).await;
            assert_eq!(refused.error()["code"], -32601, "{method} at {path}");
        }
        assert_eq!(upstream.seen(), vec![], "at {path}");
        let legacy = Mcp::legacy(&stage.admin, path.clone()).await;
        for method in ["server/discover", "subscriptions/listen"] {
            let refused = legacy.request(method, json!({ "notifications": {} })).await;
            assert_eq!(refused.error()["code"], -32601, "{method} at {path}");
            assert_eq!(upstream.calls_of(method), 0, "{method} at {path}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_does_not_exist_is_unknown() {
    let (stage, upstream) = Stage::of(echo_only()).await;
    let legacy = stage.legacy().await;
    for client in [stage.modern(), legacy] {
        client.tool_names().await;
        for name in ["up__missing", "echo", "other__echo", "", "up__", "__echo"] {
            let params = json!({ "name": name, "arguments": {} });
            let refused = client.request_as(5.into(), "tools/call", params).await;
            let unknown = error(5.into(), -32602, &format!("Unknown tool: {name}"));
            assert_eq!(refused.brief(), (200, unknown));
        }
        let nameless = client.message(Some(5.into()), "tools/call", json!({ "name": 7 }));
        let refused = Reply::of(client.post(&nameless).header("mcp-name", "7")).await;
        assert_eq!(refused.error()["code"], -32602);
    }
    assert_eq!(upstream.calls_of("tools/call"), 0);
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused() {
    let (stage, upstream) = Stage::of(echo_only()).await;
    let client = stage.modern();
    client.tool_names().await;
    let message = client.message(
        Some(5.into()),
        "tools/call",
        json!({ "name": "up__echo", "arguments": {} }),
    );
    let text = message.to_string().replace(
        "\"arguments\":{}",
        "\"arguments\":{},\"name\":\"up__other\"",
    );
    let refused = Reply::of(client.post(&message).body(text)).await;
    assert_eq!(refused.error()["code"], -32602);
    assert_eq!(upstream.calls_of("tools/call"), 0);
}

#[tokio::test]
async fn a_notification_is_accepted_without_a_word() {
    let stage = Stage::start().await;
    let legacy = stage.legacy().await;
    for client in [stage.modern(), legacy] {
        for method in [
            "notifications/cancelled",
            "notifications/initialized",
            "notifications/unheard_of",
        ] {
            let answer = client.notify(method, json!({ "requestId": 99 })).await;
            assert_eq!(answer.brief(), (202, String::new()), "{method}");
        }
    }
}

#[tokio::test]
async fn a_response_that_nobody_waits_for_is_refused() {
    let stage = Stage::start().await;
    let legacy = stage.legacy().await;
    let refused = legacy.respond(&json!(1), json!({})).await;
    let text = "nothing waits for this response";
    assert_eq!(
        refused.brief(),
        (400, error(1.into(), -32600, text).to_string())
    );
    let refused = stage.modern().respond(&json!(1), json!({})).await;
    let text = "a stateless client sends no responses";
    assert_eq!(
        refused.brief(),
        (400, error(1.into(), -32600, text).to_string())
    );
}

#[tokio::test]
async fn a_session_client_shows_its_session_and_keeps_to_its_revision() {
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
    let refused = ask(vec![id(), version("2025-06-18")]).await;
    let text = "MCP-Protocol-Version does not match the session's 2025-11-25";
    assert_eq!(refused.brief(), (400, error(5.into(), -32600, text)));
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
async fn only_a_severity_is_a_log_level() {
    let stage = Stage::start().await;
    let session = stage.legacy().await;
    let set =
        |level: Value| session.request_as(5.into(), "logging/setLevel", json!({ "level": level }));
    assert_eq!(*set("notice".into()).await.result(), json!({}));
    for wrong in [json!("loud"), json!(7), Value::Null] {
        let text = "level must be one of the RFC 5424 severities";
        assert_eq!(
            set(wrong).await.brief(),
            (200, error(5.into(), -32602, text))
        );
    }
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
    let as_user = |client: &crate::harness::Client, user: &str| {
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
