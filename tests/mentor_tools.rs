//! What a mentor has: the union of its servers' tools, under stable names, whatever state a server is in.

use std::time::Duration;

use mentor_gateway::upstream::uri;
use serde_json::{Value, json};
use tokio::time::Instant;
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream, plain_tool};

use crate::harness::{Live, Mcp, SOON, Stage, closed_address, eventually, names, register};

const SERVERS: &str = "mentor-gateway/servers";
const CLASHES: &str = "mentor-gateway/clashes";

fn offering(tools: &[&str]) -> Behaviour {
    let tools = tools
        .iter()
        .map(|name| plain_tool(name, "A tool."))
        .collect();
    Behaviour::stateless().with_tools(tools)
}

async fn listed(client: &Mcp) -> Value {
    client
        .request("tools/list", json!({}))
        .await
        .result()
        .clone()
}

#[tokio::test]
async fn a_mentor_has_the_tools_of_all_its_servers_under_their_slugs() {
    let (stage, _upstreams) = Stage::with(vec![
        ("Google Drive", offering(&["search", "read"])),
        ("Wiki", offering(&["search"])),
        ("Calendar (Team)", offering(&["add-event"])),
    ])
    .await;
    let expected = [
        "google-drive__search",
        "google-drive__read",
        "wiki__search",
        "calendar-team__add-event",
    ];
    let legacy = stage.legacy().await;
    for client in [stage.modern(), legacy] {
        assert_eq!(client.tool_names().await, expected);
        let found = client.call("wiki__search", json!({ "text": "x" })).await;
        assert_eq!(*found.structured(), json!({ "text": "x" }));
    }
    let list = listed(&stage.modern()).await;
    assert_eq!(
        list["_meta"],
        json!({
            SERVERS: [
                { "id": 1, "name": "Google Drive", "state": "ok" },
                { "id": 2, "name": "Wiki", "state": "ok" },
                { "id": 3, "name": "Calendar (Team)", "state": "ok" },
            ],
            CLASHES: [],
        })
    );
}

#[tokio::test]
async fn an_admin_sets_the_prefix_or_takes_it_away() {
    let (stage, _upstream) = Stage::of(offering(&["search"])).await;
    let client = stage.modern();
    assert_eq!(client.tool_names().await, ["up__search"]);
    for (prefix, name) in [("files", "files__search"), ("", "search")] {
        stage
            .change_server(1, json!({ "tool_prefix": prefix }))
            .await;
        eventually("the new name", async || {
            (client.tool_names().await == [name]).then_some(())
        })
        .await;
        let found = client.call(name, json!({ "text": "x" })).await;
        assert_eq!(found.text(), "x");
    }
}

#[tokio::test]
async fn names_stay_when_other_servers_come_and_go() {
    let stage = Stage::start().await;
    let one = Upstream::start(offering(&["echo", "a", "b"]))
        .await
        .unwrap();
    let two = Upstream::start(offering(&["echo", "c"])).await.unwrap();
    let one_id = stage.register("One", &one, json!({})).await;
    let two_id = stage.register("Two", &two, json!({})).await;
    let client = stage.modern();
    let own = ["one__a", "one__b", "one__echo"];
    let both = ["one__a", "one__b", "one__echo", "two__c", "two__echo"];
    for (attached, expected) in [
        (vec![one_id], &own[..]),
        (vec![one_id, two_id], &both),
        (vec![two_id, one_id], &both),
        (vec![one_id], &own),
    ] {
        stage.attach(&attached).await;
        eventually("the list", async || {
            let mut names = client.tool_names().await;
            names.sort_unstable();
            (names == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_collision_is_decided_by_nobody_and_shown_to_everybody() {
    let stage = Stage::start().await;
    let one = Upstream::start(offering(&["echo", "only-one"]))
        .await
        .unwrap();
    let two = Upstream::start(offering(&["echo"])).await.unwrap();
    let one_id = stage
        .register("One", &one, json!({ "tool_prefix": "" }))
        .await;
    let two_id = stage
        .register("Two", &two, json!({ "tool_prefix": "" }))
        .await;
    let client = stage.modern();
    for order in [[one_id, two_id], [two_id, one_id]] {
        stage.attach(&order).await;
        let list = eventually("both servers", async || {
            let list = listed(&client).await;
            let first = &list["_meta"][SERVERS][0]["id"];
            (*first == order[0]).then_some(list)
        })
        .await;
        let mut names = names(&list["tools"]);
        names.sort_unstable();
        assert_eq!(names, ["only-one", "server-1__echo", "server-2__echo"]);
        assert_eq!(list["_meta"][CLASHES], json!(["echo"]));
        for (name, upstream) in [("server-1__echo", &one), ("server-2__echo", &two)] {
            upstream.forget_seen();
            client.call(name, json!({ "text": name })).await.result();
            assert_eq!(upstream.calls_of("tools/call"), 1, "{name}");
        }
        let ambiguous = client.call("echo", json!({})).await;
        assert_eq!(ambiguous.error()["message"], "Unknown tool: echo");
    }
}

#[tokio::test]
async fn names_that_look_like_other_names_stay_apart() {
    let stage = Stage::start().await;
    let one = Upstream::start(offering(&["b__c"])).await.unwrap();
    let two = Upstream::start(offering(&["c"])).await.unwrap();
    let one_id = stage
        .register("One", &one, json!({ "tool_prefix": "a" }))
        .await;
    let two_id = stage
        .register("Two", &two, json!({ "tool_prefix": "a__b" }))
        .await;
    stage.attach(&[one_id, two_id]).await;
    let client = stage.modern();
    assert_eq!(client.tool_names().await, ["a-1__b__c", "a__b-2__c"]);
    client
        .call("a-1__b__c", json!({ "text": "x" }))
        .await
        .result();
    client
        .call("a__b-2__c", json!({ "text": "x" }))
        .await
        .result();
    assert_eq!(
        (one.calls_of("tools/call"), two.calls_of("tools/call")),
        (1, 1)
    );
}

#[tokio::test]
async fn names_that_no_model_takes_are_fitted_and_still_reach_their_tool() {
    let odd = ["files.list", "files/list", "ünïcode", "with space"];
    let long: Vec<String> = ["a", "b"]
        .iter()
        .map(|end| format!("{}{end}", "x".repeat(100)))
        .collect();
    let mut tools: Vec<&str> = odd.to_vec();
    tools.extend(long.iter().map(String::as_str));
    let (stage, upstream) = Stage::of(offering(&tools)).await;
    let client = stage.modern();
    let shown = client.tool_names().await;
    assert_eq!(shown.len(), tools.len());
    let mut reached = Vec::new();
    for name in &shown {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(name.len() <= 64 && name.chars().all(fits), "{name}");
        upstream.forget_seen();
        client.call(name, json!({ "text": "x" })).await.result();
        let call = upstream
            .wait_for(|seen| seen.is("tools/call"), SOON)
            .await
            .unwrap();
        reached.push(call.params["name"].as_str().unwrap().to_owned());
    }
    reached.sort_unstable();
    tools.sort_unstable();
    assert_eq!(reached, tools);
}

#[tokio::test]
async fn every_page_of_an_upstream_is_read_once() {
    for behaviour in [
        Behaviour::stateless(),
        Behaviour::sessions(),
        Behaviour::sse(),
        Behaviour::websocket(),
    ] {
        let names: Vec<String> = (0..50).map(|i| format!("tool-{i:03}")).collect();
        let tools = names
            .iter()
            .map(|name| plain_tool(name, "A tool."))
            .collect();
        let (stage, upstream) = Stage::of(behaviour.with_tools(tools).paged(7)).await;
        let shown = stage.modern().tool_names().await;
        let expected: Vec<String> = names.iter().map(|name| format!("up__{name}")).collect();
        assert_eq!(shown, expected);
        let cursors: Vec<Value> = upstream
            .seen()
            .into_iter()
            .filter(|seen| seen.is("tools/list"))
            .map(|seen| seen.params["cursor"].clone())
            .collect();
        let pages = (0..8).map(|page| {
            if page == 0 {
                Value::Null
            } else {
                format!("after:{}", page * 7).into()
            }
        });
        assert_eq!(cursors, pages.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn pages_neither_lose_nor_repeat_while_the_list_changes() {
    let names: Vec<String> = (0..2_500).map(|i| format!("tool-{i:04}")).collect();
    let tools = names
        .iter()
        .map(|name| plain_tool(name, "A tool."))
        .collect();
    let (stage, upstream) = Stage::of(Behaviour::sessions().with_tools(tools)).await;
    let session = stage.legacy().await;
    session.tool_names().await;
    let mut changes = session.listen().await;
    let (mut seen, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let params = if cursor.is_null() {
            json!({})
        } else {
            json!({ "cursor": cursor })
        };
        let page = session.request("tools/list", params).await.result().clone();
        seen.extend(crate::harness::names(&page["tools"]));
        cursor = page["nextCursor"].clone();
        pages += 1;
        if cursor.is_null() {
            break;
        }
        if pages == 1 {
            upstream.remove_tool("tool-0000");
            upstream.add_tool(plain_tool("aaa", "Comes before all others."));
            changes
                .until(|message| message["method"] == "notifications/tools/list_changed")
                .await;
        }
    }
    assert_eq!(pages, 3);
    let all: Vec<String> = names.iter().map(|name| format!("up__{name}")).collect();
    assert_eq!(
        seen, all,
        "the ones that were there all the time, and what was shown before it went"
    );
    for cursor in [json!("nonsense"), json!(7), json!("=="), json!("\u{0}")] {
        let refused = session
            .request("tools/list", json!({ "cursor": cursor }))
            .await;
        assert_eq!(
            *refused.error(),
            json!({ "code": -32602, "message": "Invalid cursor" })
        );
    }
}

/// A stage with a healthy server and one that hangs on what is named.
async fn with_hanging(ill: Ill) -> (Stage, Upstream, Upstream) {
    let stage = Stage::start_with(|settings| settings.upstream_timeout_ms = Some(20_000)).await;
    let well = Upstream::start(offering(&["echo"])).await.unwrap();
    let ill = Upstream::start(offering(&["never"]).ill(ill))
        .await
        .unwrap();
    let ids = [
        stage.register("Well", &well, json!({})).await,
        stage.register("Ill", &ill, json!({})).await,
    ];
    stage.attach(&ids).await;
    (stage, well, ill)
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_the_first_list_a_little_and_no_other() {
    let ills = [Ill::HangOnList, Ill::HangOnConnect].map(async |ill| {
        let (stage, _well, _ill) = with_hanging(ill).await;
        let client = stage.modern();
        let list = listed(&client).await;
        assert_eq!(names(&list["tools"]), ["well__echo"]);
        let pending = json!([
            { "id": 1, "name": "Well", "state": "ok" },
            { "id": 2, "name": "Ill", "state": "pending" },
        ]);
        assert_eq!(list["_meta"][SERVERS], pending);

        let begun = Instant::now();
        for _ in 0..5 {
            assert_eq!(client.tool_names().await, ["well__echo"]);
            assert_eq!(
                client
                    .call("well__echo", json!({ "text": "x" }))
                    .await
                    .text(),
                "x"
            );
            let unknown = client.call("well__missing", json!({})).await;
            assert_eq!(unknown.error()["message"], "Unknown tool: well__missing");
        }
        let carol = stage.gateway.client("acme", "carol").await;
        assert_eq!(
            Mcp::modern(&carol, stage.mentor_path()).tool_names().await,
            ["well__echo"]
        );
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    });
    futures_util::future::join_all(ills).await;
}

#[tokio::test]
async fn a_server_that_needs_some_seconds_is_in_the_first_list() {
    let stage = Stage::start_with(|settings| settings.upstream_timeout_ms = Some(20_000)).await;
    let slow = Illness::new(Ill::SlowHeaders { ms: 3_000 }).on("initialize");
    let slow = Behaviour::sessions()
        .with_tools(vec![plain_tool("echo", "A tool.")])
        .with_illness(slow);
    let slow = Upstream::start(slow).await.unwrap();
    let server = stage.register("Slow", &slow, json!({})).await;
    stage.attach(&[server]).await;
    assert_eq!(stage.modern().tool_names().await, ["slow__echo"]);
}

#[tokio::test]
async fn a_dead_server_is_named_with_its_state_and_a_sentence() {
    let stage = Stage::start().await;
    let well = Upstream::start(offering(&["echo"])).await.unwrap();
    let dead = format!("http://{}/mcp", closed_address().await);
    let ids = [
        stage.register("Well", &well, json!({})).await,
        register(&stage.admin, "Dead", &dead, json!({})).await,
    ];
    stage.attach(&ids).await;
    let client = stage.modern();
    let list = listed(&client).await;
    assert_eq!(names(&list["tools"]), ["well__echo"]);
    let message = "server \"Dead\" cannot be reached";
    assert_eq!(
        list["_meta"][SERVERS],
        json!([
            { "id": 1, "name": "Well", "state": "ok" },
            { "id": 2, "name": "Dead", "state": "unreachable", "message": message },
        ])
    );
    let discovered = client.request("server/discover", json!({})).await;
    let instructions = discovered.result()["instructions"].as_str().unwrap();
    assert!(instructions.contains(message), "{instructions}");
    let session = stage.legacy().await;
    let instructions = session.handshake["instructions"].as_str().unwrap();
    assert!(instructions.contains(message), "{instructions}");

    let call = json!({ "name": "dead__anything", "arguments": {} });
    let refused = client.request_as(1.into(), "tools/call", call).await;
    let error = json!({
        "code": -32603, "message": message,
        "data": { "kind": "unreachable", "server": "Dead", "mayHaveExecuted": false },
    });
    assert_eq!(*refused.error(), error);
}

#[tokio::test]
async fn a_mentor_without_tools_says_why() {
    let (stage, _upstream) = Stage::of(offering(&["echo"])).await;
    let settings = format!("mentors/{}/settings/", stage.gateway.mentor);
    let off = "The MCP tool is switched off for Finance Mentor; an administrator can enable `mcp-tool` in its settings.";
    let none = "Finance Mentor may not use tools; an administrator can enable `can_use_tools` in its settings.";
    let empty = "No MCP server is attached to Finance Mentor; an administrator can attach one in its settings.";
    for (fields, sentence) in [
        (json!({ "tools": [] }), off),
        (
            json!({ "tools": ["mcp-tool"], "can_use_tools": false }),
            none,
        ),
        (json!({ "can_use_tools": true, "mcp_servers": [] }), empty),
    ] {
        stage
            .admin
            .patch(&settings, fields.clone())
            .await
            .expect(200);
        let client = stage.modern();
        eventually("the sentence", async || {
            let discovered = client.request("server/discover", json!({})).await;
            (discovered.result()["instructions"] == sentence).then_some(())
        })
        .await;
        assert_eq!(stage.legacy().await.handshake["instructions"], sentence);
        let list = listed(&client).await;
        assert_eq!(list["tools"], json!([]));
        assert_eq!(list["_meta"][SERVERS], json!([]));
        let refused = client.call("up__echo", json!({})).await;
        assert_eq!(refused.error()["message"], "Unknown tool: up__echo");
    }
}

#[tokio::test]
async fn a_disabled_server_has_no_tools_and_its_state_says_so() {
    let (stage, upstream) = Stage::of(offering(&["echo"])).await;
    let client = stage.modern();
    assert_eq!(client.tool_names().await, ["up__echo"]);
    stage.change_server(1, json!({ "is_enabled": false })).await;
    let list = eventually("an empty list", async || {
        let list = listed(&client).await;
        (list["tools"] == json!([])).then_some(list)
    })
    .await;
    let message = "Up is switched off by an administrator.";
    let state = json!([{ "id": 1, "name": "Up", "state": "disabled", "message": message }]);
    assert_eq!(list["_meta"][SERVERS], state);
    upstream.forget_seen();
    let refused = client.call("up__echo", json!({})).await;
    let error = json!({ "code": -32602, "message": "Unknown tool: up__echo" });
    assert_eq!(*refused.error(), error);
    let uri = uri::mark("fixture://a", 1);
    let reference = json!({ "type": "ref/resource", "uri": uri });
    for (method, params) in [
        ("resources/read", json!({ "uri": uri })),
        (
            "completion/complete",
            json!({ "ref": reference, "argument": { "name": "x", "value": "" } }),
        ),
    ] {
        let refused = client.request(method, params).await;
        let error = json!({
            "code": -32602, "message": format!("Unknown resource: {uri}"), "data": { "uri": uri },
        });
        assert_eq!(*refused.error(), error, "{method}");
    }
    assert_eq!(upstream.seen(), vec![]);

    stage.change_server(1, json!({ "is_enabled": true })).await;
    eventually("the tool", async || {
        (client.tool_names().await == ["up__echo"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_bound_to_another_mentor_is_closed_here() {
    let (stage, _upstream) = Stage::of(offering(&["echo"])).await;
    let other = stage
        .admin
        .post("", json!({ "name": "Other" }))
        .await
        .expect(201);
    stage
        .change_server(1, json!({ "mentor": other["unique_id"] }))
        .await;
    let client = stage.modern();
    let list = eventually("an empty list", async || {
        let list = listed(&client).await;
        (list["tools"] == json!([])).then_some(list)
    })
    .await;
    assert_eq!(list["_meta"][SERVERS][0]["state"], "other_mentor");
    let refused = client.call("up__echo", json!({})).await;
    assert_eq!(refused.error()["data"]["kind"], "no_connection");
}

/// The next change of the tools that a stream announces.
async fn next_change(stream: &mut Live) -> Value {
    stream
        .until(|message| message["method"] == "notifications/tools/list_changed")
        .await
}

#[tokio::test]
async fn a_changed_tool_list_is_announced_and_then_shows_the_change() {
    let upstreams = [
        ("stateless", Behaviour::stateless()),
        ("sessions", Behaviour::sessions()),
        ("dual", Behaviour::dual()),
        ("sse", Behaviour::sse()),
        ("websocket", Behaviour::websocket()),
        ("websocket-modern", Behaviour::websocket_modern()),
    ];
    let shown = upstreams.map(|(label, behaviour)| shows_a_change(label, behaviour));
    futures_util::future::join_all(shown).await;
}

async fn shows_a_change(label: &str, behaviour: Behaviour) {
    let (stage, upstream) = Stage::of(behaviour).await;
    let (modern, legacy) = (stage.modern(), stage.legacy().await);
    let before = modern.tool_names().await;
    eventually(label, async || {
        (upstream.listener_count() > 0).then_some(())
    })
    .await;
    let mut session = legacy.listen().await;
    let wanted = json!({ "notifications": { "toolsListChanged": true, "nonsense": true } });
    let mut subscription = modern
        .open_as("sub".into(), "subscriptions/listen", wanted)
        .await;
    let acknowledged = json!({
        "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": {
            "_meta": { "io.modelcontextprotocol/subscriptionId": "sub" },
            "notifications": { "toolsListChanged": true },
        },
    });
    assert_eq!(subscription.message().await, acknowledged, "{label}");

    upstream.add_tool(plain_tool("brand-new", "Was not there."));
    let changed = next_change(&mut subscription).await;
    let id = &changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(id, "sub", "{label}");
    next_change(&mut session).await;
    for client in [&modern, &legacy] {
        let after = client.tool_names().await;
        let new: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
        assert_eq!(new, ["up__brand-new"], "{label}");
    }
}

#[tokio::test]
async fn a_storm_of_announcements_is_one_look_in_five_seconds() {
    let (stage, upstream) = Stage::of(Behaviour::sessions()).await;
    let client = stage.modern();
    client.tool_names().await;
    eventually("a listener", async || {
        (upstream.listener_count() > 0).then_some(())
    })
    .await;
    upstream.forget_seen();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        upstream.announce("notifications/tools/list_changed", &json!({}));
        client
            .call("up__echo", json!({ "text": "x" }))
            .await
            .result();
    }
    // The one look that must come may be put off past the end of the storm.
    let looks = eventually("a look", async || {
        Some(upstream.calls_of("tools/list")).filter(|looks| *looks > 0)
    })
    .await;
    assert!(looks <= 2, "{looks} looks");
}

#[tokio::test]
async fn lists_may_be_kept_no_longer_than_the_shortest_and_by_nobody_else() {
    let (stage, _upstreams) = Stage::with(vec![
        ("Long", offering(&["a"]).cached(600_000, "public")),
        ("Short", offering(&["b"]).cached(30_000, "public")),
    ])
    .await;
    let list = listed(&stage.modern()).await;
    assert_eq!(
        (&list["ttlMs"], &list["cacheScope"]),
        (&json!(30_000), &json!("private"))
    );
    assert_eq!(list["resultType"], "complete");
    let legacy = listed(&stage.legacy().await).await;
    assert_eq!(legacy.get("ttlMs"), None);
    assert_eq!(legacy.get("resultType"), None);
}
