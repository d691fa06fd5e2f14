//! How the lists of a server are read: none takes another with it, nothing is asked twice, and an empty one says why.

use serde_json::{Value, json};

use super::{
    LISTS, SERVERS, discovered, everything, good, list_result, tool, upstream, whole_list,
};
use crate::harness::{Stage, eventually, register};

#[tokio::test]
async fn one_bad_list_takes_no_other_with_it() {
    let bad: [(&str, Value); 7] = [
        ("ok", json!({ "tools": null })),
        ("protocol", json!({})),
        ("protocol", json!({ "tools": {} })),
        ("protocol", json!({ "tools": "none" })),
        ("protocol", json!({ "code": -32603, "message": "broken" })),
        (
            "protocol",
            json!({ "code": -32601, "message": "no such method" }),
        ),
        ("ok", json!({ "tools": [], "nextCursor": 5 })),
    ];
    for (state, answer) in bad {
        let stage = Stage::start().await;
        let label = answer.to_string();
        let url = upstream(move |method, _| match method {
            "server/discover" => discovered(&everything()),
            "tools/list" => {
                let mut answer = answer.clone();
                if answer.get("code").is_none() {
                    answer["resultType"] = "complete".into();
                }
                answer
            }
            "resources/list" => list_result("resources", &json!([good("resources", "r")])),
            "prompts/list" => list_result("prompts", &json!([good("prompts", "p")])),
            // It has none, which is nothing to speak of.
            _ => json!({ "code": -32601, "message": "no such method" }),
        })
        .await;
        let server = register(&stage.admin, "Up", &url, json!({})).await;
        stage.attach(&[server]).await;
        let list = whole_list(&stage.modern(), "resources/list").await;
        let mut resource = good("resources", "r");
        resource["uri"] = "test://r#:~:mentor-gateway=1".into();
        assert_eq!(list["resources"], json!([resource]), "{label}");
        let seen = &list["_meta"][SERVERS][0];
        assert_eq!(seen["state"], state, "{label}");
        let left_out = match (state, label.contains("nextCursor")) {
            ("ok", false) => Value::Null,
            ("ok", true) => json!(["tools/list names its next page by no string"]),
            _ => json!(["tools/list cannot be read"]),
        };
        assert_eq!(seen["leftOut"], left_out, "{label}");
        let list = whole_list(&stage.modern(), "prompts/list").await;
        assert_eq!(list["prompts"].as_array().unwrap().len(), 1, "{label}");
    }
}

#[tokio::test]
async fn a_server_that_declares_nothing_is_asked_for_tools() {
    for capabilities in [
        json!({}),
        json!({ "logging": {} }),
        json!({ "experimental": {} }),
    ] {
        for has_tools in [true, false] {
            let stage = Stage::start().await;
            let declared = capabilities.clone();
            let url = upstream(move |method, _| match method {
                "server/discover" => discovered(&declared),
                "tools/list" if has_tools => list_result("tools", &json!([tool(json!({}))])),
                _ => json!({ "code": -32601, "message": "no such method" }),
            })
            .await;
            let server = register(&stage.admin, "Up", &url, json!({})).await;
            stage.attach(&[server]).await;
            let list = whole_list(&stage.modern(), "tools/list").await;
            let count = list["tools"].as_array().unwrap().len();
            assert_eq!(count, usize::from(has_tools), "{capabilities}");
            let state = json!([{ "id": server, "name": "Up", "state": "ok" }]);
            assert_eq!(list["_meta"][SERVERS], state, "{capabilities}");
        }
    }
}

/// Some servers list a tool only to clients that could answer its questions. The catalog is everybody's; whether a caller
/// can answer is found out at the call.
#[tokio::test]
async fn a_tool_for_clients_that_can_answer_is_listed_to_everybody() {
    const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    let stage = Stage::start().await;
    let url = upstream(|method, params| match method {
        "server/discover" => discovered(&json!({ "tools": {} })),
        _ => {
            let able = &params["_meta"][CAPABILITIES];
            let names = ["roots", "sampling", "elicitation"];
            let names = names.iter().filter(|name| able[name].is_object());
            let tools: Vec<Value> = names.map(|name| tool(json!({ "name": name }))).collect();
            list_result("tools", &json!(tools))
        }
    })
    .await;
    let sessions = upstream_fixtures::Upstream::start(upstream_fixtures::Behaviour::sessions())
        .await
        .unwrap();
    let servers = [
        register(&stage.admin, "Up", &url, json!({})).await,
        stage.register("Sessions", &sessions, json!({})).await,
    ];
    stage.attach(&servers).await;
    let list = whole_list(&stage.modern(), "tools/list").await;
    let listed = crate::harness::names(&list["tools"]);
    assert_eq!(
        listed[..3],
        ["up__roots", "up__sampling", "up__elicitation"]
    );
    let seen = sessions.seen();
    let opened = seen
        .iter()
        .find(|seen| seen.message["method"] == "initialize");
    let declared = &opened.unwrap().message["params"]["capabilities"];
    let expected = json!({
        "roots": { "listChanged": true }, "sampling": { "context": {}, "tools": {} },
        "elicitation": { "form": {}, "url": {} },
    });
    assert_eq!(*declared, expected);
}

/// The answer to a request for a page.
type Page = fn(&Value) -> Value;

/// To some servers an empty cursor is one like another; others mean that there is no next page.
#[tokio::test]
async fn an_empty_cursor_is_followed_once() {
    let pages: [(Page, &[&str]); 3] = [
        (
            |params| match params.get("cursor") {
                None => json!({ "tools": [tool(json!({ "name": "a" }))], "nextCursor": "" }),
                Some(_) => json!({ "tools": [tool(json!({ "name": "b" }))] }),
            },
            &["up__a", "up__b"],
        ),
        (
            |_| json!({ "tools": [tool(json!({ "name": "a" }))], "nextCursor": "" }),
            &["up__a"],
        ),
        (
            |params| match params.get("cursor") {
                None => json!({ "tools": [tool(json!({ "name": "a" }))], "nextCursor": "" }),
                Some(_) => json!({ "code": -32602, "message": "invalid cursor" }),
            },
            &["up__a"],
        ),
    ];
    for (page, expected) in pages {
        let stage = Stage::start().await;
        let url = upstream(move |method, params| match method {
            "server/discover" => discovered(&json!({ "tools": {} })),
            _ => page(params),
        })
        .await;
        let server = register(&stage.admin, "Up", &url, json!({})).await;
        stage.attach(&[server]).await;
        let list = whole_list(&stage.modern(), "tools/list").await;
        assert_eq!(crate::harness::names(&list["tools"]), expected);
        assert_eq!(list["_meta"][SERVERS][0].get("leftOut"), None);
    }
}

#[tokio::test]
async fn a_cursor_that_is_none_is_none() {
    let (stage, _upstream) = Stage::of(upstream_fixtures::Behaviour::stateless()).await;
    let clients = [stage.modern(), stage.legacy().await, stage.at_server(1)];
    for client in clients {
        for (method, member, ..) in LISTS {
            let reply = client.request(method, json!({ "cursor": null })).await;
            assert!(reply.result()[member].is_array(), "{}", reply.answer());
            let reply = client.request(method, json!({ "cursor": 5 })).await;
            assert_eq!(reply.error()["code"], -32602, "{}", reply.answer());
        }
    }
}

#[tokio::test]
async fn a_completion_is_one_that_every_client_takes() {
    let values: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    for (given, expected) in [
        (
            json!({ "values": ["a", 5, null], "total": null, "hasMore": "no" }),
            json!({ "values": ["a"] }),
        ),
        (
            json!({ "values": values, "total": 150 }),
            json!({ "values": values[..100], "total": 150, "hasMore": true }),
        ),
        (json!({ "values": null }), json!({ "values": [] })),
        (json!([]), json!({ "values": [] })),
        (
            json!({ "values": ["a"], "total": 1, "x": 1.0 }),
            json!({ "values": ["a"], "total": 1, "x": 1.0 }),
        ),
    ] {
        let stage = Stage::start().await;
        let answer = json!({ "resultType": "complete", "completion": given });
        let url = upstream(move |method, _| match method {
            "server/discover" => discovered(&everything()),
            "prompts/list" => list_result("prompts", &json!([good("prompts", "p")])),
            "completion/complete" => answer.clone(),
            _ => json!({ "code": -32601, "message": "no such method" }),
        })
        .await;
        let server = register(&stage.admin, "Up", &url, json!({ "tool_prefix": "" })).await;
        stage.attach(&[server]).await;
        whole_list(&stage.modern(), "prompts/list").await;
        let params = json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } });
        for client in [stage.modern(), stage.at_server(server)] {
            let reply = client.request("completion/complete", params.clone()).await;
            assert_eq!(reply.result()["completion"], expected, "{given}");
        }
    }
}

#[tokio::test]
async fn an_empty_list_says_why() {
    const NOTE: &str = "mentor-gateway/note";
    let (stage, _upstream) =
        Stage::of(upstream_fixtures::Behaviour::stateless().with_tools(vec![])).await;
    let client = stage.modern();
    let note = async || {
        let list = whole_list(&client, "tools/list").await;
        assert_eq!(list["tools"], json!([]));
        list["_meta"][NOTE].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(note().await, "Up has no tools.");
    let settings = format!("mentors/{}/settings/", stage.gateway.mentor);
    let cases = [
        (
            "mcp-servers/1/",
            json!({ "is_enabled": false }),
            "Up is switched off by an administrator.",
        ),
        (
            &*settings,
            json!({ "mcp_servers": [] }),
            "No MCP server is attached to Finance Mentor; an administrator can attach one in its settings.",
        ),
        (
            &*settings,
            json!({ "tools": [] }),
            "The MCP tool is switched off for Finance Mentor; an administrator can enable `mcp-tool` in its settings.",
        ),
        (
            &*settings,
            json!({ "can_use_tools": false }),
            "Finance Mentor may not use tools; an administrator can enable `can_use_tools` in its settings.",
        ),
    ];
    for (path, change, expected) in cases {
        stage.admin.patch(path, change).await.expect(200);
        eventually(expected, async || (note().await == expected).then_some(())).await;
    }
}
