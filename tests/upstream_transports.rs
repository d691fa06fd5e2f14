//! The same scenarios through every transport and both eras of upstreams, for clients of both eras.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{Mcp, SOON, Stage, names, send};

/// An answer that is hard to carry whole; what the fixture's tool `big_numbers` answers.
const BIG_NUMBERS: &str = include_str!("../upstream-fixtures/src/tools/big_numbers.json");

pub fn every_upstream() -> Vec<(&'static str, Behaviour)> {
    vec![
        ("stateless", Behaviour::stateless()),
        ("stateless-streaming", Behaviour::stateless().streaming()),
        ("sessions", Behaviour::sessions()),
        ("sessions-streaming", Behaviour::sessions().streaming()),
        ("sessions-mute", Behaviour::sessions().without_get_stream()),
        ("dual", Behaviour::dual()),
        ("sse", Behaviour::sse()),
        ("websocket", Behaviour::websocket()),
        ("websocket-modern", Behaviour::websocket_modern()),
    ]
}

/// A mentor with one upstream of each kind, and a client of each era.
struct World {
    stage: Stage,
    upstreams: Vec<(&'static str, Upstream)>,
    modern: Mcp,
    legacy: Mcp,
}

/// One kind of upstream and one kind of client.
struct Cell<'a> {
    label: String,
    slug: &'static str,
    upstream: &'a Upstream,
    client: &'a Mcp,
    is_modern_client: bool,
}

impl World {
    async fn start() -> Self {
        let behaviours = every_upstream();
        let slugs: Vec<_> = behaviours.iter().map(|(slug, _)| *slug).collect();
        let (stage, upstreams) = Stage::with(behaviours).await;
        let (modern, legacy) = (stage.modern(), stage.legacy().await);
        // From here on no call waits for the first look at a server.
        modern.tool_names().await;
        Self {
            stage,
            upstreams: slugs.into_iter().zip(upstreams).collect(),
            modern,
            legacy,
        }
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let clients = [("stateless", &self.modern), ("session", &self.legacy)];
        let mut cells = Vec::new();
        for (slug, upstream) in &self.upstreams {
            for (era, client) in clients {
                cells.push(Cell {
                    label: format!("{era} client, {slug} upstream"),
                    slug,
                    upstream,
                    client,
                    is_modern_client: era == "stateless",
                });
            }
        }
        cells
    }
}

impl Cell<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}__{name}", self.slug)
    }

    async fn call(&self, tool: &str, arguments: Value) -> crate::harness::Reply {
        self.client.call(&self.name(tool), arguments).await
    }

    fn is_modern_upstream(&self) -> bool {
        matches!(
            self.slug,
            "stateless" | "stateless-streaming" | "websocket-modern"
        ) || self.slug == "dual" && self.is_modern_client
    }

    /// A result in the words of the client's era.
    fn in_era(&self, mut result: Value) -> Value {
        if self.is_modern_client {
            result["resultType"] = "complete".into();
        }
        result
    }
}

/// A result without what an upstream says about itself and about caching.
pub fn bare(result: &Value) -> Value {
    let mut bare = result.clone();
    let members = bare.as_object_mut().unwrap();
    members.remove("ttlMs");
    members.remove("cacheScope");
    if let Some(metadata) = members.get_mut("_meta").and_then(Value::as_object_mut) {
        metadata.remove("io.modelcontextprotocol/serverInfo");
        if metadata.is_empty() {
            members.remove("_meta");
        }
    }
    bare
}

#[tokio::test]
async fn every_tool_of_every_upstream_is_listed_as_it_was_written() {
    let world = World::start().await;
    for client in [&world.modern, &world.legacy] {
        let reply = client.request("tools/list", json!({})).await;
        let mut expected: Vec<Value> = Vec::new();
        for (slug, upstream) in &world.upstreams {
            expected.extend(upstream.tools().into_iter().map(|mut tool| {
                tool["name"] = format!("{slug}__{}", tool["name"].as_str().unwrap()).into();
                tool
            }));
        }
        let listed = reply.result()["tools"].as_array().unwrap();
        assert_eq!(names(&json!(listed)), names(&json!(expected)));
        assert_eq!(*listed, expected);
        assert_eq!(reply.result()["nextCursor"], Value::Null);
    }
}

#[tokio::test]
async fn a_call_brings_back_what_the_tool_answered() {
    let world = World::start().await;
    for cell in world.cells() {
        let reply = cell
            .call("echo", json!({ "text": "grüße", "n": [1, null] }))
            .await;
        let expected = cell.in_era(json!({
            "content": [{ "type": "text", "text": "grüße" }],
            "structuredContent": { "text": "grüße", "n": [1, null] },
        }));
        assert_eq!(*reply.result(), expected, "{}", cell.label);
        assert_eq!(reply.before(), [] as [Value; 0], "{}", cell.label);
        let rich = cell.call("rich", json!({})).await;
        assert_eq!(
            rich.result()["content"][5]["size"],
            9_007_199_254_740_993_u64
        );
        assert_eq!(
            rich.result()["_meta"]["com.example/kept"],
            json!({ "deep": [1, null, "x"] })
        );
    }
}

#[tokio::test]
async fn numbers_and_nulls_come_back_digit_by_digit() {
    let world = World::start().await;
    let members = BIG_NUMBERS
        .trim_end()
        .strip_prefix('{')
        .unwrap()
        .strip_suffix('}')
        .unwrap();
    for cell in world.cells() {
        let params = json!({ "name": cell.name("big_numbers"), "arguments": {} });
        let message = cell.client.message(Some(1.into()), "tools/call", params);
        let (status, text) = send(cell.client.post(&message)).await.brief();
        assert_eq!(status, 200, "{}", cell.label);
        assert!(text.contains(members), "{}: {text}", cell.label);

        let params = json!({ "name": cell.name("echo"), "arguments": {} });
        let message = cell.client.message(Some(1.into()), "tools/call", params);
        let arguments = r#"{"text":"x","n":123456789012345678901234567890,"f":0.70,"z":null}"#;
        let text = message
            .to_string()
            .replace(r#""arguments":{}"#, &format!("\"arguments\":{arguments}"));
        let (_, text) = send(cell.client.post(&message).body(text)).await.brief();
        let structured = format!("\"structuredContent\":{arguments}");
        assert!(text.contains(&structured), "{}: {text}", cell.label);
    }
}

#[tokio::test]
async fn progress_comes_under_the_callers_own_token() {
    let world = World::start().await;
    for cell in world.cells() {
        for token in [json!("tok-α"), json!(7), json!(9_007_199_254_740_993_u64)] {
            let params = json!({
                "name": cell.name("progress"), "arguments": { "steps": 3, "pause_ms": 1 },
                "_meta": { "progressToken": token },
            });
            let reply = cell.client.request("tools/call", params).await;
            let expected: Vec<Value> = (1..=3)
                .map(|step| {
                    json!({
                        "jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {
                            "progressToken": token, "progress": step, "total": 3,
                            "message": format!("step {step} of 3"),
                        },
                    })
                })
                .collect();
            assert_eq!(reply.before(), expected, "{}", cell.label);
            assert_eq!(*reply.structured(), json!({ "steps": 3, "reported": true }));
        }
        let silent = cell.call("progress", json!({ "steps": 2 })).await;
        assert_eq!(
            *silent.structured(),
            json!({ "steps": 2, "reported": false }),
            "{}",
            cell.label
        );
        assert_eq!(silent.before(), [] as [Value; 0], "{}", cell.label);
    }
}

#[tokio::test]
async fn log_messages_come_from_the_level_that_the_caller_asked_for() {
    let world = World::start().await;
    let level = |message: &Value| message["params"]["level"].as_str().unwrap().to_owned();
    let wanted = ["error", "critical", "alert", "emergency"];
    world
        .legacy
        .request("logging/setLevel", json!({ "level": "error" }))
        .await
        .result();
    for cell in world.cells() {
        let client = if cell.is_modern_client {
            let silent = cell.call("log", json!({})).await;
            assert_eq!(silent.before(), [] as [Value; 0], "{}", cell.label);
            cell.client.hearing("error")
        } else {
            cell.client.clone()
        };
        let reply = client.call(&cell.name("log"), json!({})).await;
        let levels: Vec<_> = reply.before().iter().map(level).collect();
        assert_eq!(levels, wanted, "{}", cell.label);
        assert_eq!(
            reply.before()[0],
            json!({
                "jsonrpc": "2.0", "method": "notifications/message",
                "params": {
                    "level": "error", "logger": "fixture",
                    "data": { "message": "a error message", "at": 9_007_199_254_740_993_u64 },
                },
            }),
            "{}",
            cell.label
        );
    }
}

#[tokio::test]
async fn failures_keep_their_kind_code_and_data() {
    let world = World::start().await;
    for cell in world.cells() {
        let failed = cell.call("fail", json!({})).await;
        let expected = cell.in_era(json!({
            "content": [{ "type": "text", "text": "this tool always fails" }], "isError": true,
        }));
        assert_eq!(bare(failed.result()), expected, "{}", cell.label);

        let refused = cell.client.request_as(
            json!("a"),
            "tools/call",
            json!({ "name": cell.name("fail_rpc"), "arguments": {} }),
        );
        let expected = json!({
            "jsonrpc": "2.0", "id": "a",
            "error": {
                "code": 4242, "message": "this tool always refuses",
                "data": { "reason": "asked to fail", "retry": false, "at": 9_007_199_254_740_993_u64 },
            },
        });
        assert_eq!(refused.await.brief(), (200, expected), "{}", cell.label);
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_upstream() {
    let world = World::start().await;
    for cell in world.cells() {
        cell.upstream.forget_seen();
        let params = json!({
            "name": cell.name("progress"), "arguments": { "steps": 1000, "pause_ms": 20 },
            "_meta": { "progressToken": "p" },
        });
        let mut stream = cell
            .client
            .open_as(json!("long"), "tools/call", params)
            .await;
        stream
            .until(|message| message["method"] == "notifications/progress")
            .await;
        if cell.is_modern_client {
            drop(stream);
        } else {
            let cancel = json!({ "requestId": "long", "reason": "bored" });
            cell.client.notify("notifications/cancelled", cancel).await;
            let after = stream.rest().await;
            assert!(
                after.iter().all(|m| m.get("id").is_none()),
                "{}: {after:?}",
                cell.label
            );
        }
        let cancelled = cell
            .upstream
            .wait_for(|seen| seen.is("cancelled"), SOON)
            .await;
        cancelled.unwrap_or_else(|instead| panic!("{}: {instead}", cell.label));
    }
}

#[tokio::test]
async fn a_call_whose_client_leaves_before_any_answer_is_cancelled_upstream() {
    let world = World::start().await;
    for cell in world.cells().iter().filter(|cell| cell.is_modern_client) {
        cell.upstream.forget_seen();
        let params = json!({ "name": cell.name("slow"), "arguments": { "ms": 60_000 } });
        let message = cell.client.message(Some(1.into()), "tools/call", params);
        let asking = cell.client.post(&message).send();
        let arrived = cell.upstream.wait_for(|seen| seen.is("tools/call"), SOON);
        tokio::select! {
            _ = asking => panic!("{}: answered", cell.label),
            arrived = arrived => drop(arrived.unwrap()),
        }
        let cancelled = cell
            .upstream
            .wait_for(|seen| seen.is("cancelled"), SOON)
            .await;
        cancelled.unwrap_or_else(|instead| panic!("{}: {instead}", cell.label));
    }
}

#[tokio::test]
async fn resources_are_listed_and_read() {
    let world = World::start().await;
    for client in [&world.modern, &world.legacy] {
        let reply = client.request("resources/list", json!({})).await;
        let mut uris: Vec<_> = reply.result()["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["uri"].as_str().unwrap().to_owned())
            .collect();
        uris.dedup();
        assert_eq!(
            uris.len(),
            3 * world.upstreams.len(),
            "each under a URI of its own: {uris:?}"
        );
        for uri in uris {
            if uri.contains("asking") {
                continue;
            }
            let read = client
                .request("resources/read", json!({ "uri": uri }))
                .await;
            assert_eq!(read.result()["contents"][0]["uri"], uri);
        }
    }
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    let world = World::start().await;
    for cell in world.cells() {
        let get = async |name: &str, arguments: Value| {
            let params = json!({ "name": cell.name(name), "arguments": arguments });
            cell.client.request("prompts/get", params).await
        };
        let listed = cell.client.request("prompts/list", json!({})).await;
        let listed = names(&listed.result()["prompts"]);
        for name in ["asking", "simple", "with_args"] {
            assert!(
                listed.contains(&cell.name(name)),
                "{}: {listed:?}",
                cell.label
            );
        }
        let filled = get("with_args", json!({ "city": "Bern" })).await;
        let text = "Tell me about Bern in a plain style.";
        let expected = cell.in_era(json!({
            "description": "A prompt of a fixture.",
            "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        }));
        assert_eq!(bare(filled.result()), expected, "{}", cell.label);
        let incomplete = get("with_args", json!({})).await;
        let error = json!({ "code": -32602, "message": "Missing required argument: city" });
        assert_eq!(*incomplete.error(), error, "{}", cell.label);
        let unknown = get("missing", json!({})).await;
        let message = format!("Unknown prompt: {}", cell.name("missing"));
        assert_eq!(
            *unknown.error(),
            json!({ "code": -32602, "message": message }),
            "{}",
            cell.label
        );
    }
}

#[tokio::test]
async fn arguments_are_completed() {
    let world = World::start().await;
    for cell in world.cells() {
        let complete = async |reference: Value, name: &str, value: &str| {
            let argument = json!({ "name": name, "value": value });
            let params = json!({ "ref": reference, "argument": argument });
            cell.client.request("completion/complete", params).await
        };
        let prompt = json!({ "type": "ref/prompt", "name": cell.name("with_args") });
        let cities = complete(prompt, "city", "Ber").await;
        let values =
            json!({ "values": ["Bergen", "Berlin", "Bern"], "total": 3, "hasMore": false });
        assert_eq!(cities.result()["completion"], values, "{}", cell.label);
        let unknown = json!({ "type": "ref/prompt", "name": cell.name("missing") });
        assert_eq!(
            complete(unknown, "city", "").await.error()["code"],
            -32602,
            "{}",
            cell.label
        );
        let neither = json!({ "type": "ref/tool", "name": "x" });
        assert_eq!(
            complete(neither, "city", "").await.error()["code"],
            -32602,
            "{}",
            cell.label
        );
    }
    let (stage, _upstream) = Stage::of(Behaviour::websocket()).await;
    let client = stage.modern();
    client.tool_names().await;
    let params = json!({
        "ref": { "type": "ref/resource", "uri": "fixture://item/{id}" },
        "argument": { "name": "id", "value": "14" },
    });
    let items = client.request("completion/complete", params).await;
    assert_eq!(items.result()["completion"]["total"], 11);
}

#[tokio::test]
async fn declared_parameters_travel_as_headers_to_stateless_http_upstreams() {
    let world = World::start().await;
    let arguments = json!({
        "region": "Zürich", "dry_run": true, "placement": { "shard": 42 }, "query": "SELECT 1",
    });
    for cell in world.cells() {
        let params = json!({ "name": cell.name("header_params"), "arguments": arguments });
        let message = cell.client.message(Some(1.into()), "tools/call", params);
        let mut request = cell.client.post(&message);
        if cell.is_modern_client {
            request = request
                .header("mcp-param-region", "=?base64?WsO8cmljaA==?=")
                .header("mcp-param-dry-run", "true")
                .header("mcp-param-shard", "42");
        }
        let reply = crate::harness::Reply::of(request).await;
        let headers = if cell.is_modern_upstream() && cell.slug != "websocket-modern" {
            json!({
                "mcp-param-region": "=?base64?WsO8cmljaA==?=", "mcp-param-dry-run": "true", "mcp-param-shard": "42",
            })
        } else {
            json!({})
        };
        assert_eq!(reply.structured()["arguments"], arguments, "{}", cell.label);
        assert_eq!(reply.structured()["headers"], headers, "{}", cell.label);
    }
}

#[tokio::test]
async fn every_line_of_a_mirrored_parameter_agrees_with_the_body() {
    let (stage, upstream) = Stage::of(Behaviour::stateless()).await;
    let client = stage.modern();
    client.tool_names().await;
    let arguments = json!({ "region": "eu", "dry_run": true, "placement": { "shard": 42 } });
    let params = json!({ "name": "up__header_params", "arguments": arguments });
    let message = client.message(Some(1.into()), "tools/call", params);
    for (lines, status) in [
        (&["eu"][..], 200),
        (&["eu", "eu"], 200),
        (&["eu", "us"], 400),
        (&["us", "eu"], 400),
        (&["eu", "eu", "\u{fc}"], 400),
        (&[], 400),
    ] {
        let mut request = client
            .post(&message)
            .header("mcp-param-dry-run", "true")
            .header("mcp-param-shard", "42");
        for line in lines {
            request = request.header("mcp-param-region", *line);
        }
        let reply = crate::harness::Reply::of(request).await;
        assert_eq!(reply.status, status, "{lines:?}");
        if status == 400 {
            assert_eq!(reply.error()["code"], -32020, "{lines:?}");
        }
    }
    assert_eq!(upstream.calls_of("tools/call"), 2);
}

#[tokio::test]
async fn an_upstream_hears_what_the_caller_says_and_none_of_its_headers() {
    let world = World::start().await;
    for cell in world.cells() {
        let params = json!({
            "name": cell.name("whoami"), "arguments": {}, "_meta": { "com.example/trace": [1, null] },
        });
        let message = cell.client.message(Some(1.into()), "tools/call", params);
        let request = cell
            .client
            .post(&message)
            .header("cookie", "session=CANARY")
            .header("x-api-key", "CANARY")
            .header("x-upstream-authorization", "CANARY")
            .header("proxy-authorization", "CANARY")
            .header("baggage", "user=CANARY")
            .header("x-forwarded-for", "203.0.113.9");
        let reply = crate::harness::Reply::of(request).await;
        let who = reply.structured();
        let key = world.stage.learner.key.as_deref().unwrap();
        let text = who.to_string();
        assert!(
            !text.contains("CANARY") && !text.contains(key),
            "{}: {text}",
            cell.label
        );
        assert!(
            who["headers"]["authorization"].is_null(),
            "{}: {text}",
            cell.label
        );
        assert_eq!(
            who["meta"]["com.example/trace"],
            json!([1, null]),
            "{}",
            cell.label
        );
        let is_told = who["meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28";
        assert_eq!(is_told, cell.is_modern_upstream(), "{}", cell.label);
    }
}

#[tokio::test]
async fn a_call_under_way_does_not_hold_up_the_next() {
    let world = World::start().await;
    for cell in world.cells() {
        let slow = cell.call("slow", json!({ "ms": 60_000 }));
        let quick = async {
            let arrived = cell.upstream.wait_for(|seen| seen.is("tools/call"), SOON);
            arrived.await.unwrap();
            cell.call("echo", json!({ "text": "quick" })).await
        };
        let quick = tokio::select! {
            _ = slow => panic!("{}: the slow call came first", cell.label),
            quick = quick => quick,
        };
        assert_eq!(quick.text(), "quick", "{}", cell.label);
        cell.upstream.forget_seen();
    }
}

#[tokio::test]
async fn a_large_answer_passes_and_a_giant_one_is_one_clean_error() {
    let world = World::start().await;
    for cell in world.cells().iter().filter(|cell| cell.is_modern_client) {
        let large = cell.call("big", json!({ "bytes": 2_000_000 })).await;
        assert_eq!(large.text().len(), 2_000_000, "{}", cell.label);
        let giant = cell.call("big", json!({ "bytes": 17_000_000 })).await;
        assert_eq!(giant.error()["code"], -32603, "{}", cell.label);
        // A connection with frames ends with one that is too large, and nobody knows whose answer it was.
        let is_framed = matches!(cell.slug, "websocket" | "websocket-modern");
        let kind = if is_framed { "closed" } else { "too_large" };
        assert_eq!(giant.error()["data"]["kind"], kind, "{}", cell.label);
        assert_eq!(
            giant.error()["data"]["mayHaveExecuted"],
            true,
            "{}",
            cell.label
        );
        let after = cell.call("echo", json!({ "text": "still there" })).await;
        assert_eq!(after.text(), "still there", "{}", cell.label);
    }
}

#[tokio::test]
async fn the_transport_of_2024_is_spoken_to_in_its_own_era() {
    let (stage, upstream) = Stage::of(Behaviour::sse()).await;
    let client = stage.modern();
    assert!(!client.tool_names().await.is_empty());
    let asked = ["server/discover", "initialize"].map(|method| upstream.calls_of(method));
    assert_eq!(
        asked[0], 0,
        "a bridge with one child would be bound to an era that it was asked in first"
    );
    assert!(asked[1] > 0);
}
