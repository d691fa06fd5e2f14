//! Text that deceives, and more text than anybody reads, does not get through.

use serde_json::{Value, json};

use super::{
    SERVERS, as_admin, assert_tool, assert_valid, list_result, shown, tool, upstream, validator,
    whole_list,
};
use crate::harness::{Stage, VERSIONS, register, server_path};

#[tokio::test]
async fn hostile_text_is_cleaned_and_flagged_wherever_somebody_reads_it() {
    let hostile = "Safe\u{202e}\u{200b} text\u{e0041}\u{7f}\u{1b}[31m";
    let seen = "Safe text[31m";
    let removed = |what: &str| format!("{what} had invisible characters, which were removed");
    assert_tool(
        json!({
            "title": hostile, "description": hostile, "annotations": { "title": hostile },
            "icons": [{ "src": "javascript:alert(1)" }, { "src": "data:image/svg+xml;base64,AA==" },
                { "src": "https://example.com/a.png" }],
            "inputSchema": { "type": "object", "title": hostile, "properties": {
                "a": { "description": hostile, "enum": ["x\u{200b}"] } } },
            "_meta": { "mentor-gateway/sign-in": 1, "other": 1 },
        }),
        json!({
            "title": seen, "description": seen, "annotations": { "title": seen },
            "icons": [{ "src": "https://example.com/a.png" }],
            "inputSchema": { "type": "object", "title": seen, "properties": {
                "a": { "description": seen, "enum": ["x\u{200b}"] } } },
            "_meta": { "other": 1 },
        }),
        &[],
        &[
            &removed("tools \"t\": inputSchema.title"),
            &removed("tools \"t\": inputSchema.properties.a.description"),
            "tools \"t\": inputSchema has invisible characters in names or values, which stay as they are",
            &removed("tools \"t\": title"),
            &removed("tools \"t\": description"),
            &removed("tools \"t\": annotations.title"),
            "tools \"t\": icons[0] is no harmless picture over https: and was dropped",
            "tools \"t\": icons[1] is no harmless picture over https: and was dropped",
            "tools \"t\": _meta.\"mentor-gateway/sign-in\" is the gateway's to say and was dropped",
        ]
        .map(|text| text as &str),
    )
    .await;
    let (prompts, state) = shown(
        "prompts",
        json!([{ "name": "p", "arguments": [{ "name": "a", "description": hostile }] }]),
    )
    .await;
    assert_eq!(
        prompts,
        json!([{ "name": "p", "arguments": [{ "name": "a", "description": seen }] }])
    );
    assert_eq!(
        state["flagged"],
        json!([removed("prompts \"p\": arguments[0].description")])
    );
    // Persian, Hindi and an emoji are written with joiners.
    let legit = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645} \u{915}\u{94d}\u{200d}\u{937} \u{1f469}\u{200d}\u{1f4bb}";
    assert_tool(
        json!({ "description": legit }),
        json!({ "description": legit }),
        &[],
        &[],
    )
    .await;
}

#[tokio::test]
async fn a_server_introduces_itself_in_clean_words_at_every_endpoint() {
    let stage = Stage::start().await;
    let long = "word ".repeat(10_000);
    let instructions = format!("Do\u{202e} this.\u{e0041} {long}");
    let url = upstream(move |method, _| match method {
        "server/discover" => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": "soon", "cacheScope": 5,
            "capabilities": { "tools": { "listChanged": "yes" }, "prompts": null, "logging": true, "completions": 0 },
            "serverInfo": { "name": "Evil\u{200b}", "version": 2 }, "instructions": instructions,
        }),
        _ => list_result("tools", &json!([])),
    })
    .await;
    let server = register(&stage.admin, "Up", &url, json!({})).await;
    stage.attach(&[server]).await;
    whole_list(&stage.modern(), "tools/list").await;
    for version in VERSIONS {
        for path in [stage.mentor_path(), server_path(server)] {
            let client = as_admin(&stage, version, path.clone()).await;
            let (said, definition) = if version == VERSIONS[0] {
                let said = client.request("server/discover", json!({})).await;
                (said.result().clone(), "DiscoverResult")
            } else {
                (client.handshake.clone(), "InitializeResult")
            };
            assert_valid(
                &validator(version, definition),
                &said,
                &format!("{version} {path}"),
            );
            let instructions = said["instructions"].as_str().unwrap();
            assert!(instructions.contains("Do this. word word"), "{path}");
            assert!(
                instructions.len() < 20_000 && instructions.ends_with('…'),
                "{path}"
            );
        }
    }
    let state = whole_list(&stage.modern(), "tools/list").await["_meta"][SERVERS][0].clone();
    let flagged = "handshake: instructions had invisible characters, which were removed";
    assert!(
        state["flagged"]
            .as_array()
            .unwrap()
            .contains(&flagged.into()),
        "{state}"
    );
}

#[tokio::test]
async fn an_item_and_a_list_are_only_so_large() {
    let alternatives = vec![json!({ "type": "string" }); 20_000];
    let large = tool(
        json!({ "name": "large", "inputSchema": { "type": "object", "anyOf": alternatives } }),
    );
    let mut deep = json!({});
    for _ in 0..120 {
        deep = json!({ "not": deep });
    }
    let deep = tool(json!({ "name": "deep", "inputSchema": { "type": "object", "not": deep } }));
    let wordy = tool(
        json!({ "name": "wordy", "description": "word ".repeat(10_000), "title": "word ".repeat(1_000) }),
    );
    let (tools, state) = shown("tools", json!([large, deep, wordy, tool(json!({}))])).await;
    assert_eq!(tools.as_array().unwrap().len(), 2);
    assert_eq!(
        state["leftOut"],
        json!([
            "tools \"large\" is larger than 262144 bytes",
            "tools \"deep\" is nested in more than 100 levels",
            "tools \"wordy\": description is longer than 32768 bytes and was cut",
            "tools \"wordy\": title is longer than 1024 bytes and was cut",
        ])
    );
    let many: Vec<Value> = (0..40)
        .map(|n| tool(json!({ "name": format!("t{n}"), "_meta": { "x": "y".repeat(200 * 1024) } })))
        .collect();
    let (tools, state) = shown("tools", json!(many)).await;
    assert_eq!(tools.as_array().unwrap().len(), 20);
    let left_out =
        ["tools/list is longer than 4194304 bytes: 20 items and whatever comes after them"];
    assert_eq!(state["leftOut"], json!(left_out));
}
