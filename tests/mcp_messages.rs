//! What a client may send to an MCP endpoint, and how everything else is refused.

use reqwest::Method;
use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream, plain_tool};

use crate::harness::{
    MODERN, Mcp, Reply, Stage, VERSIONS, rpc_error as error, send, send_bytes, server_path,
};

fn echo_only() -> Behaviour {
    Behaviour::stateless().with_tools(vec![plain_tool("echo", "Says it again.")])
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
    let message = client.message(Some(1.into()), "tools/list", json!({}));
    for (coding, status) in [
        ("identity", 200),
        ("Identity, identity", 200),
        ("gzip", 415),
        ("identity, br", 415),
    ] {
        let packed = client.post(&message).header("content-encoding", coding);
        assert_eq!(send(packed).await.status, status, "{coding}");
    }
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

const INVALID: &str = "Invalid Request";
const BATCHES: &str = "Invalid Request: batches are not supported";

/// A body, and the code and words of its refusal.
const NO_MESSAGES: &[(&str, i64, &str)] = &[
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
    ("[]", -32600, BATCHES),
    (
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
        -32600,
        BATCHES,
    ),
    ("7", -32600, INVALID),
    ("{}", -32600, INVALID),
    ("{\"id\":1,\"method\":\"ping\"}", -32600, INVALID),
    (
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1e3,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"method\":\"b\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u0069d\":2,\"method\":\"ping\"}",
        -32600,
        INVALID,
    ),
    (
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}",
        -32600,
        INVALID,
    ),
];

#[tokio::test]
async fn what_is_not_one_message_is_refused_with_its_code() {
    let stage = Stage::start().await;
    let client = stage.modern();
    for (text, code, message) in NO_MESSAGES {
        let refused = post_text(&client, *text).await;
        assert_eq!(
            refused.brief(),
            (400, error(Value::Null, *code, message)),
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
        (&[V, V, M, N], "MCP-Protocol-Version is repeated"),
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
async fn a_response_that_comes_late_or_twice_is_taken_and_dropped() {
    let stage = Stage::start().await;
    let legacy = stage.legacy().await;
    for id in [json!(77), json!("x")] {
        for _ in 0..2 {
            let taken = legacy.respond(&id, json!({})).await;
            assert_eq!(taken.brief(), (202, String::new()));
        }
    }
    let refused = stage.modern().respond(&json!(1), json!({})).await;
    let text = "a stateless client sends no responses";
    assert_eq!(
        refused.brief(),
        (400, error(1.into(), -32600, text).to_string())
    );
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
async fn a_batch_is_answered_message_by_message_in_the_one_revision_that_has_them() {
    let (stage, upstream) = Stage::of(Behaviour::sessions()).await;
    let at = async |version| {
        Mcp::legacy_as(&stage.learner, stage.mentor_path(), version, json!({})).await
    };
    let session = at("2025-03-26").await;
    let call = json!({ "name": "up__echo", "arguments": { "text": "hi" } });
    let ping = json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let late = json!({ "jsonrpc": "2.0", "id": 9, "result": {} });
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call },
        initialized,
        ping,
        late,
        { "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {} },
        ["nested"],
    ]);
    let answers = Reply::of(session.post(&batch)).await;
    assert_eq!(answers.status, 200);
    let answer = |id: Value| {
        answers
            .messages
            .iter()
            .find(|m| m["id"] == id)
            .unwrap()
            .clone()
    };
    assert_eq!(answers.messages.len(), 4);
    assert_eq!(answer(1.into())["result"]["content"][0]["text"], "hi");
    assert_eq!(answer("p".into())["result"], json!({}));
    let text = "initialize must not be part of a batch";
    assert_eq!(answer(2.into()), error(2.into(), -32600, text));
    let text = "Invalid Request: batches are not supported";
    assert_eq!(answer(Value::Null), error(Value::Null, -32600, text));
    assert_eq!(upstream.calls_of("tools/call"), 1);

    let silent = Reply::of(session.post(&json!([initialized, late]))).await;
    assert_eq!((silent.status, silent.messages.len()), (202, 0));
    let text = "Invalid Request";
    let empty = Reply::of(session.post(&json!([]))).await;
    assert_eq!(empty.brief(), (400, error(Value::Null, -32600, text)));
    let text = "Invalid Request: a batch has at most 100 messages";
    let large = Reply::of(session.post(&vec![ping.clone(); 101].into())).await;
    assert_eq!(large.brief(), (400, error(Value::Null, -32600, text)));

    let text = "Invalid Request: batches are not supported";
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let refused = Reply::of(at(version).await.post(&json!([ping]))).await;
        let expected = error(Value::Null, -32600, text);
        assert_eq!(refused.brief(), (400, expected), "{version}");
    }
    let refused = Reply::of(stage.modern().post(&json!([ping]))).await;
    assert_eq!(refused.brief(), (400, error(Value::Null, -32600, text)));
}

#[tokio::test]
async fn a_resource_that_is_not_there_has_the_code_of_the_revision() {
    let (stage, _upstream) = Stage::of(echo_only()).await;
    let uri = json!({ "uri": "nowhere://x" });
    for version in &VERSIONS[1..] {
        let client = Mcp::legacy_as(&stage.learner, stage.mentor_path(), version, json!({})).await;
        let refused = client.request("resources/read", uri.clone()).await;
        let expected =
            json!({ "code": -32002, "message": "Unknown resource: nowhere://x", "data": uri });
        assert_eq!(*refused.error(), expected, "{version}");
    }
    let refused = stage.modern().request("resources/read", uri).await;
    assert_eq!(refused.error()["code"], -32602);
}
