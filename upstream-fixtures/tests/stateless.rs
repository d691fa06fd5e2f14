//! Streamable HTTP of 2026-07-28.

use serde_json::json;
use tokio::task::JoinSet;
use upstream_fixtures::{Behaviour, plain_tool};

use crate::client::{Events, SOON, messages, modern, modern_meta, post, start};

#[tokio::test]
async fn discovery_names_versions_capabilities_and_itself() {
    let upstream = start(Behaviour::stateless().cached(60_000, "public")).await;
    let response = modern(&upstream, "server/discover", json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let result = &messages(response).await[0]["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(60_000), &json!("public"))
    );
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "fixture-stateless"
    );
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
}

#[tokio::test]
async fn headers_that_lie_are_refused() {
    let upstream = start(Behaviour::stateless()).await;
    let echo = || json!({ "name": "echo", "arguments": { "text": "a" } });
    let lies = [
        ("mcp-name", "other", -32020),
        ("mcp-method", "tools/list", -32020),
        ("mcp-protocol-version", "2025-11-25", -32020),
        ("mcp-name", "=?base64?%%%?=", -32020),
    ];
    for (header, value, code) in lies {
        let mut request = modern(&upstream, "tools/call", echo()).build().unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        let response = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(response.status(), 400, "{header}: {value}");
        assert_eq!(
            messages(response).await[0]["error"]["code"],
            code,
            "{header}: {value}"
        );
    }
    for header in ["mcp-name", "mcp-method", "mcp-protocol-version"] {
        let mut request = modern(&upstream, "tools/call", echo()).build().unwrap();
        request.headers_mut().remove(header);
        let response = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(response.status(), 400, "without {header}");
        assert_eq!(
            messages(response).await[0]["error"]["code"],
            -32020,
            "without {header}"
        );
    }
}

#[tokio::test]
async fn another_version_and_an_unknown_method_have_errors_of_their_own() {
    let upstream = start(Behaviour::stateless()).await;
    let mut meta = modern_meta();
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let message =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta } });
    let request = post(&upstream, message).header("mcp-protocol-version", "2099-01-01");
    let response = request
        .header("mcp-method", "tools/list")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        messages(response).await[0]["error"],
        json!({
            "code": -32022,
            "message": "Unsupported protocol version",
            "data": { "supported": ["2026-07-28"], "requested": "2099-01-01" },
        })
    );
    let response = modern(&upstream, "initialize", json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(messages(response).await[0]["error"]["code"], -32601);
}

#[tokio::test]
async fn echo_gives_numbers_back_digit_by_digit() {
    let upstream = start(Behaviour::stateless()).await;
    let params = r#"{"text":"a","n":123456789012345678901234567890,"f":1.0,"nothing":null}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{{"name":"echo","arguments":{params},"_meta":{}}}}}"#,
        modern_meta()
    );
    let request = modern(&upstream, "tools/call", json!({ "name": "echo" })).body(body);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(
        text,
        format!(
            r#"{{"jsonrpc":"2.0","id":"7","result":{{"resultType":"complete","content":[{{"type":"text","text":"a"}}],"structuredContent":{params}}}}}"#
        )
    );
}

#[tokio::test]
async fn asking_takes_as_many_rounds_as_wanted() {
    let upstream = start(Behaviour::stateless()).await;
    let mut params = json!({ "name": "ask", "arguments": { "rounds": 2 } });
    for round in ["answer-1", "answer-2"] {
        let response = modern(&upstream, "tools/call", params.clone())
            .send()
            .await
            .unwrap();
        let result = messages(response).await[0]["result"].clone();
        assert_eq!(result["resultType"], "input_required");
        assert_eq!(
            result["inputRequests"][round]["method"],
            "elicitation/create"
        );
        params["requestState"] = result["requestState"].clone();
        params["inputResponses"] =
            json!({ round: { "action": "accept", "content": { "name": round } } });
    }
    let response = modern(&upstream, "tools/call", params.clone())
        .send()
        .await
        .unwrap();
    let result = &messages(response).await[0]["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["structuredContent"]["answers"]["answer-2"]["content"]["name"],
        "answer-2"
    );
    let again = modern(&upstream, "tools/call", params)
        .send()
        .await
        .unwrap();
    assert_eq!(messages(again).await[0]["error"]["code"], -32602);
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_what_it_lacks() {
    let upstream = start(Behaviour::stateless()).await;
    let params = json!({
        "name": "sample",
        "_meta": { "io.modelcontextprotocol/clientCapabilities": {} },
    });
    let response = modern(&upstream, "tools/call", params)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    let error = &messages(response).await[0]["error"];
    assert_eq!(error["code"], -32021);
    assert_eq!(
        error["data"],
        json!({ "requiredCapabilities": { "sampling": {} } })
    );
}

#[tokio::test]
async fn a_subscription_hears_only_what_it_asked_for_and_ends_in_good_order() {
    let upstream = start(Behaviour::stateless()).await;
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": ["fixture://item/1"] });
    let request = modern(
        &upstream,
        "subscriptions/listen",
        json!({ "notifications": filter }),
    );
    let mut events = Events::new(request.send().await.unwrap());
    let subscription = json!({ "io.modelcontextprotocol/subscriptionId": 1 });
    let acknowledged = events.next_message().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(acknowledged["params"]["notifications"], filter);
    upstream.touch_resource("fixture://item/2");
    upstream.touch_resource("fixture://item/1");
    let updated = events.next_message().await;
    assert_eq!(
        updated["params"],
        json!({ "uri": "fixture://item/1", "_meta": subscription })
    );
    upstream.add_tool(plain_tool("more", "More."));
    let changed = events.next_message().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"], subscription);
    upstream.end_subscriptions();
    assert_eq!(
        events.next_message().await["result"]["resultType"],
        "complete"
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn leaving_a_call_cancels_it_whether_it_streams_or_not() {
    for behaviour in [Behaviour::stateless(), Behaviour::stateless().streaming()] {
        let upstream = start(behaviour).await;
        let params = json!({ "name": "slow", "arguments": { "ms": 600_000 } });
        let mut call = JoinSet::new();
        call.spawn(modern(&upstream, "tools/call", params).send());
        upstream
            .wait_for(|seen| seen.is("tools/call"), SOON)
            .await
            .unwrap();
        call.shutdown().await;
        let cancelled = upstream
            .wait_for(|seen| seen.is("cancelled"), SOON)
            .await
            .unwrap();
        assert_eq!(cancelled.id, Some(json!(1)));
    }
}

#[tokio::test]
async fn progress_and_logs_come_before_the_answer_if_asked_for() {
    let upstream = start(Behaviour::stateless()).await;
    let params = json!({ "name": "progress", "_meta": { "progressToken": "t" } });
    let response = modern(&upstream, "tools/call", params)
        .send()
        .await
        .unwrap();
    let all = messages(response).await;
    assert_eq!(all.len(), 4);
    assert_eq!(
        all[0]["params"],
        json!({ "progressToken": "t", "progress": 1, "total": 3, "message": "step 1 of 3" })
    );
    let quiet = modern(&upstream, "tools/call", json!({ "name": "log" }))
        .send()
        .await
        .unwrap();
    assert_eq!(messages(quiet).await.len(), 1);
    let meta = json!({ "io.modelcontextprotocol/logLevel": "alert" });
    let loud = modern(
        &upstream,
        "tools/call",
        json!({ "name": "log", "_meta": meta }),
    );
    assert_eq!(messages(loud.send().await.unwrap()).await.len(), 3);
}

#[tokio::test]
async fn parameters_in_headers_must_say_what_the_body_says() {
    let upstream = start(Behaviour::stateless()).await;
    let params = json!({
        "name": "header_params",
        "arguments": { "region": "Zürich", "placement": { "shard": 42 }, "query": "q" },
    });
    let call = || modern(&upstream, "tools/call", params.clone()).header("mcp-param-shard", "42.0");
    let good = call()
        .header("mcp-param-region", "=?base64?WsO8cmljaA==?=")
        .send()
        .await
        .unwrap();
    assert_eq!(good.status(), 200);
    let structure = messages(good).await[0]["result"]["structuredContent"].clone();
    assert_eq!(structure["headers"]["mcp-param-shard"], "42.0");
    let bad = call()
        .header("mcp-param-region", "Bern")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            bad.status().as_u16(),
            &messages(bad).await[0]["error"]["code"]
        ),
        (400, &json!(-32020))
    );
    assert_eq!(call().send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn pages_add_up_to_the_whole_list() {
    let upstream = start(Behaviour::stateless().paged(5)).await;
    let mut names = Vec::new();
    let mut params = json!({});
    loop {
        let response = modern(&upstream, "tools/list", params.clone())
            .send()
            .await
            .unwrap();
        let result = messages(response).await[0]["result"].clone();
        let page = result["tools"].as_array().unwrap();
        assert!(page.len() <= 5);
        names.extend(page.iter().map(|tool| tool["name"].clone()));
        if result["nextCursor"].is_null() {
            break;
        }
        params["cursor"] = result["nextCursor"].clone();
    }
    let listed: Vec<_> = upstream
        .tools()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, listed);
}
