//! Whatever a member of an item is, our list fits the schema of the client's revision, the items of other servers are
//! there, and `leftOut` says what became of the bad one.

use serde_json::{Value, json};

use super::{
    LISTS, SERVERS, as_admin, assert_tool, assert_valid, good, offering, shown, tool, validator,
    whole_list,
};
use crate::harness::{Mcp, Stage, VERSIONS, register, server_path};

/// Bad items of one upstream; more sentences than twenty are only counted.
const ITEMS_PER_UPSTREAM: usize = 18;

/// The places of a value that may be changed: each member, and each element of an array, however deep.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                found.push(at.clone());
                places(value, &at, found);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                let at = format!("{at}/{index}");
                found.push(at.clone());
                places(value, &at, found);
            }
        }
        _ => {}
    }
}

fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(-5),
        json!(1.5),
        json!("wrong \u{202e}"),
        json!(""),
        json!(true),
        json!([]),
        json!([null]),
        json!(["wrong"]),
        json!({}),
        json!({ "type": "array" }),
        json!({ "wrong": null }),
    ]
}

/// Every good item with one thing wrong: a member of another kind, or missing.
fn bad_items(member: &str, key: &str) -> Vec<(String, Value)> {
    let mut at = Vec::new();
    places(&good(member, "x"), "", &mut at);
    let mut items = Vec::new();
    for place in at {
        for wrong in wrong_values().into_iter().map(Some).chain([None]) {
            let mut item = good(member, &format!("bad{}", items.len()));
            let own = item[key].as_str().unwrap().to_owned();
            match wrong {
                Some(wrong) => *item.pointer_mut(&place).unwrap() = wrong,
                None => {
                    let (parent, last) = place.rsplit_once('/').unwrap();
                    if let Some(parent) = item.pointer_mut(parent).unwrap().as_object_mut() {
                        parent.remove(&last.replace("~1", "/"));
                    }
                }
            }
            items.push((own, item));
        }
    }
    items
}

/// Whether every revision takes an item as it is.
fn is_sound(validators: &[jsonschema::Validator], item: &Value) -> bool {
    validators.iter().all(|validator| validator.is_valid(item))
}

/// An item without what is mended in silence: optional members that are written out as none, and schemas that do not say
/// that they are of objects, or of whose properties some only say yes or no.
fn mended_in_silence(item: &Value) -> Value {
    let mut item = without_nulls(item);
    for name in ["inputSchema", "outputSchema"] {
        let Some(schema) = item.get_mut(name).and_then(Value::as_object_mut) else {
            continue;
        };
        if !schema.contains_key("type") {
            schema.insert("type".into(), "object".into());
        }
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for property in properties.into_iter().flat_map(|p| p.values_mut()) {
            if property.is_boolean() {
                *property = json!({});
            }
        }
    }
    item
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn no_list_is_lost_by_what_a_member_of_an_item_is() {
    for (method, member, definition, result, key) in LISTS {
        let stage = Stage::start().await;
        let of_items: Vec<_> = VERSIONS
            .iter()
            .map(|version| validator(version, definition))
            .collect();
        let bad = bad_items(member, key);
        let well = offering([(member, json!([good(member, "good")]))].into()).await;
        let mut servers = vec![register(&stage.admin, "Well", &well, json!({})).await];
        let chunks: Vec<Vec<(String, Value)>> =
            bad.chunks(ITEMS_PER_UPSTREAM).map(<[_]>::to_vec).collect();
        for (n, chunk) in chunks.iter().enumerate() {
            let items: Vec<&Value> = chunk.iter().map(|(_, item)| item).collect();
            let url = offering([(member, json!(items))].into()).await;
            servers.push(register(&stage.admin, &format!("Bad {n}"), &url, json!({})).await);
        }
        stage.attach(&servers).await;
        let list = whole_list(&stage.modern(), method).await;
        let states = list["_meta"][SERVERS].as_array().unwrap();
        for (chunk, state) in chunks.iter().zip(&states[1..]) {
            let said = format!("{} {}", state["leftOut"], state["flagged"]);
            for (own, item) in chunk {
                let shown = format!("{own:?}").replace('"', "\\\"");
                let is_kept = item[key].as_str() == Some(own);
                let is_sound = is_sound(&of_items, &mended_in_silence(item));
                // What no item is named by cannot be told apart.
                assert!(
                    !is_kept || is_sound || said.contains(&shown),
                    "{item} {said}"
                );
            }
        }
        let sound: Vec<&Value> = chunks
            .iter()
            .flatten()
            .map(|(_, item)| item)
            .filter(|item| !item.to_string().contains("wrong") && is_sound(&of_items, item))
            .collect();
        assert!(sound.len() > 5, "{method}");
        for version in VERSIONS {
            let client = client(&stage, version, stage.mentor_path()).await;
            let list = client.request(method, json!({})).await.result().clone();
            let label = format!("{method} for {version}");
            assert_valid(&validator(version, result), &list, &label);
            let items = list[member].as_array().unwrap();
            let mut expected = good(member, "good");
            if key == "name" {
                expected["name"] = "well__good".into();
            } else {
                let uri = expected[key].as_str().unwrap();
                expected[key] = format!("{uri}#:~:mentor-gateway=1").into();
            }
            assert_eq!(items[0], expected, "{label}");
            assert!(items.len() > sound.len(), "{label}");
        }
        // The same at the endpoint of a single server, whose lists pass through.
        for server in servers {
            for version in ["2026-07-28", "2025-11-25", "2024-11-05"] {
                let client = as_admin(&stage, version, server_path(server)).await;
                let list = client.request(method, json!({})).await.result().clone();
                let label = format!("{method} for {version} of {server}");
                assert_valid(&validator(version, result), &list, &label);
            }
        }
    }
}

async fn client(stage: &Stage, version: &'static str, path: String) -> Mcp {
    if version == VERSIONS[0] {
        return Mcp::modern(&stage.learner, path);
    }
    Mcp::legacy_as(&stage.learner, path, version, json!({})).await
}

#[tokio::test]
async fn what_is_stripped_is_named_with_its_reason() {
    assert_tool(
        json!({
            "title": 5, "description": null, "annotations": { "readOnlyHint": "yes", "title": null },
            "outputSchema": "none", "icons": {}, "_meta": [], "execution": { "taskSupport": "sometimes" },
        }),
        json!({ "annotations": {}, "execution": {} }),
        &[
            "tools \"t\": title is not a string and was dropped",
            "tools \"t\": annotations.readOnlyHint is not a boolean and was dropped",
            "tools \"t\": outputSchema is not an object and was dropped",
            "tools \"t\": icons is not an array and was dropped",
            "tools \"t\": _meta is not an object and was dropped",
            "tools \"t\": execution.taskSupport is none of forbidden, optional, required and was dropped",
        ],
        &[],
    )
    .await;
    let (resources, state) = shown(
        "resources",
        json!([
            { "uri": "test://a", "name": "a", "mimeType": 5, "size": "7",
              "annotations": { "audience": ["user", "robot"], "priority": 2, "lastModified": "yesterday" } },
            { "uri": "test://b" },
            { "uri": "not a uri", "name": "c" },
            { "uri": "javascript:alert(1)", "name": "d" },
        ]),
    )
    .await;
    assert_eq!(
        resources,
        json!([{ "uri": "test://a#:~:mentor-gateway=1", "name": "a", "annotations": { "audience": ["user"] } }])
    );
    assert_eq!(
        state["leftOut"],
        json!([
            "resources \"test://a\": mimeType is not a string and was dropped",
            "resources \"test://a\": size is not an integer and was dropped",
            "resources \"test://a\": annotations.audience[1] is none of user, assistant and was dropped",
            "resources \"test://a\": annotations.priority is not a number from 0 to 1 and was dropped",
            "resources \"test://a\": annotations.lastModified is not a date and time with its zone and was dropped",
            "resources \"test://b\" has no name",
            "resources \"not a uri\" is no absolute URI",
            "resources \"javascript:alert(1)\" is a script",
        ])
    );
    let (prompts, state) = shown(
        "prompts",
        json!([{ "name": "p", "arguments": [{ "name": "a", "required": "yes" }, { "description": "?" }, null] }]),
    )
    .await;
    assert_eq!(
        prompts,
        json!([{ "name": "p", "arguments": [{ "name": "a" }] }])
    );
    assert_eq!(
        state["leftOut"],
        json!([
            "prompts \"p\": arguments[0].required is not a boolean and was dropped",
            "prompts \"p\": arguments[1] has no name and was dropped",
            "prompts \"p\": arguments[2] is not an object and was dropped",
        ])
    );
}

#[tokio::test]
async fn a_schema_says_that_it_is_of_an_object() {
    let url = "https://json-schema.org/draft/2020-12/schema";
    for (schema, expected) in [
        (json!({}), json!({ "type": "object" })),
        (
            json!({ "$schema": url }),
            json!({ "$schema": url, "type": "object" }),
        ),
        (
            json!({ "anyOf": [{ "required": ["a"] }] }),
            json!({ "anyOf": [{ "required": ["a"] }], "type": "object" }),
        ),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": {} } }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": {} }, "type": "object" }),
        ),
        (json!({ "type": null }), json!({ "type": "object" })),
        (
            json!({ "type": ["object", "null"] }),
            json!({ "type": "object" }),
        ),
    ] {
        assert_tool(
            json!({ "inputSchema": schema }),
            json!({ "inputSchema": expected }),
            &[],
            &[],
        )
        .await;
    }
    let (prompts, state) = shown("prompts", json!([{ "name": "p".repeat(300) }])).await;
    assert_eq!(prompts.as_array().unwrap().len(), 1);
    assert_eq!(state.get("leftOut"), None);
}

/// Some clients compile what a tool gives when they list it, and throw on what is no schema.
#[tokio::test]
async fn what_no_validator_compiles_goes_from_a_schema() {
    assert_tool(
        json!({ "outputSchema": { "type": "object", "required": "a", "properties": {
            "a": { "type": "text", "minimum": "3", "pattern": "(?P<x>a", "nullable": true },
            "b": { "$ref": "#/$defs/missing", "enum": [] },
            "c": "a string",
            "d": { "$ref": "#/$defs/found", "items": null, "$async": true },
            "e": { "$ref": "#/properties/e" }, "f": { "$id": "urn:f", "$ref": "urn:f" }, "g": { "$anchor": "^" }, "h": { "id": "h" },
        }, "$defs": { "found": { "anyOf": [] } } } }),
        json!({ "outputSchema": { "type": "object", "properties": {
            "a": {}, "b": {}, "c": {}, "d": { "$ref": "#/$defs/found" },
            "e": {}, "f": {}, "g": {}, "h": {},
        }, "$defs": { "found": {} } } }),
        &[
            "tools \"t\": outputSchema.required is not a list of names and was dropped",
            "tools \"t\": outputSchema.properties.a.type is no type of JSON Schema and was dropped",
            "tools \"t\": outputSchema.properties.a.minimum is not a number and was dropped",
            "tools \"t\": outputSchema.properties.a.pattern is no pattern that every client takes and was dropped",
            "tools \"t\": outputSchema.properties.b.$ref refers to nothing and was dropped",
            "tools \"t\": outputSchema.properties.b.enum is not a list of values and was dropped",
            "tools \"t\": outputSchema.properties.c is not a schema and was dropped",
            "tools \"t\": outputSchema.properties.d.$async is no keyword of JSON Schema and was dropped",
            "tools \"t\": outputSchema.properties.e.$ref refers to itself and was dropped",
            "tools \"t\": outputSchema.properties.f.$id is a name that clients take for another's and was dropped",
            "tools \"t\": outputSchema.properties.f.$ref refers to a schema elsewhere and was dropped",
            "tools \"t\": outputSchema.properties.g.$anchor is not the name of one part and was dropped",
            "tools \"t\": outputSchema.properties.h.id is no keyword of JSON Schema and was dropped",
            "tools \"t\": outputSchema.$defs.found.anyOf is not a list of schemas and was dropped",
        ],
        &["tools \"t\": outputSchema.properties.f.$ref refers to a schema elsewhere and was dropped"],
    )
    .await;
}

#[tokio::test]
async fn a_schema_elsewhere_is_not_referred_to() {
    let elsewhere = json!({ "type": "object", "properties": { "a": { "$ref": "https://evil.example/s", "title": "A" } } });
    assert_tool(
        json!({ "inputSchema": elsewhere }),
        json!({ "inputSchema": { "type": "object", "properties": { "a": { "title": "A" } } } }),
        &["tools \"t\": inputSchema.properties.a.$ref refers to a schema elsewhere and was dropped"],
        &["tools \"t\": inputSchema.properties.a.$ref refers to a schema elsewhere and was dropped"],
    )
    .await;
    // A name that a part of the schema bears, a property that is called so, and a value.
    let own = json!({ "inputSchema": { "type": "object", "properties": { "$ref": { "type": "string" },
        "b": { "$ref": "urn:x" }, "c": { "const": { "$ref": "http://x" } } }, "$defs": { "x": { "$id": "urn:x" } } } });
    assert_tool(own.clone(), own, &[], &[]).await;
}

#[tokio::test]
async fn a_client_with_a_session_gets_schemas_of_objects() {
    let stage = Stage::start().await;
    let tools = json!([
        tool(
            json!({ "name": "array", "outputSchema": { "type": "array", "items": { "type": "string" } } })
        ),
        tool(json!({ "name": "open", "outputSchema": { "anyOf": [{ "required": ["a"] }] } })),
        tool(
            json!({ "name": "yes", "inputSchema": { "type": "object", "properties": { "a": true, "b": false } } })
        ),
    ]);
    let url = offering([("tools", tools.clone())].into()).await;
    let server = register(&stage.admin, "Up", &url, json!({ "tool_prefix": "" })).await;
    stage.attach(&[server]).await;
    let list = whole_list(&stage.modern(), "tools/list").await;
    assert_eq!(list["tools"], tools);
    let left_out =
        ["tools \"array\": outputSchema is of no object and was dropped for clients with sessions"];
    assert_eq!(list["_meta"][SERVERS][0]["leftOut"], json!(left_out));
    let expected = json!([
        tool(json!({ "name": "array" })),
        tool(
            json!({ "name": "open", "outputSchema": { "anyOf": [{ "required": ["a"] }], "type": "object" } })
        ),
        tool(
            json!({ "name": "yes", "inputSchema": { "type": "object", "properties": { "a": {}, "b": { "not": {} } } } })
        ),
    ]);
    let list = whole_list(&stage.legacy().await, "tools/list").await;
    assert_eq!(list["tools"], expected);
    let one = Mcp::legacy(&stage.admin, server_path(server)).await;
    let list = one.request("tools/list", json!({})).await.result().clone();
    assert_eq!(list["tools"], expected);
    assert_eq!(list["_meta"][SERVERS][0]["leftOut"], json!(left_out));
}
