//! What must hold for every tool and resource of every server of ours, checked over their tables.

use std::time::Duration;

use mentor_gateway::native::{Access, FACES};
use serde_json::{Value, json};

use crate::harness::{Academy, Mcp, names, send};

/// Longer than the span over which a burst is counted.
const BURST: Duration = Duration::from_secs(2);

/// The folder of a face's source and of its tests.
fn folders(face: &str) -> (String, String) {
    match face {
        "user" => ("crates/native/src/user".into(), "tests/user_server".into()),
        face => (
            format!("crates/native/src/academy/{face}"),
            format!("tests/academy_{face}"),
        ),
    }
}

fn exists(path: &str) -> bool {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(path)
        .exists()
}

#[test]
fn every_tool_is_one_file_with_a_name_of_its_own_and_tests() {
    for face in FACES {
        let (source, tests) = folders(face.name);
        let mut seen = Vec::new();
        for tool in face.tools {
            let name = tool.name;
            assert!(!seen.contains(&name), "{name} is repeated");
            seen.push(name);
            assert!(exists(&format!("{source}/{name}.rs")), "{source}/{name}.rs");
            assert!(exists(&format!("{tests}/{name}.rs")), "{tests}/{name}.rs");
            assert!(
                !tool.title.is_empty() && !tool.description.is_empty(),
                "{name}"
            );
            assert_eq!(tool.scopes.is_empty(), face.name == "user", "{name}");
            assert!(tool.is_idempotent || tool.access == Access::Write, "{name}");
        }
    }
}

#[test]
fn every_schema_is_of_an_object_and_explains_its_arguments() {
    for tool in FACES.iter().flat_map(|face| face.tools) {
        let (input, output) = ((tool.input)(), (tool.output)());
        assert_eq!(input["type"], "object", "{}", tool.name);
        assert_eq!(output["type"], "object", "{}", tool.name);
        assert_eq!(input["additionalProperties"], false, "{}", tool.name);
        for (name, schema) in input["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{}: {name}", tool.name);
            assert!(
                !schema["type"].is_array(),
                "{}: {name} may be null",
                tool.name
            );
        }
        assert!(!output.to_string().contains("$ref"), "{}", tool.name);
    }
}

#[tokio::test]
async fn every_tool_and_resource_is_listed_in_both_eras() {
    let academy = Academy::v1().await;
    let wanted: Vec<&str> = FACES[0].tools.iter().map(|tool| tool.name).collect();
    for client in [
        academy.mcp(&academy.learner),
        Mcp::legacy(&academy.learner, academy.path()).await,
    ] {
        assert_eq!(client.tool_names().await, wanted);
        let plain = client.request("resources/list", json!({})).await;
        let templates = client.request("resources/templates/list", json!({})).await;
        let listed = names(&plain.result()["resources"]).len()
            + names(&templates.result()["resourceTemplates"]).len();
        assert_eq!(listed, FACES[0].resources.len());
    }
}

#[tokio::test]
async fn every_call_leaves_one_row_without_values() {
    let academy = Academy::v1().await;
    for tool in FACES[0].tools {
        academy.gateway.advance(BURST);
        academy
            .mcp(&academy.learner)
            .call(tool.name, json!({ "cohortId": "coh_secret" }))
            .await;
    }
    let admin = academy.gateway.admin().await;
    let rows = crate::harness::eventually("audit rows", async || {
        let page = admin
            .get("audit/?page_size=100&action=tools/call")
            .await
            .expect(200);
        let rows = page["results"].as_array().unwrap().clone();
        (rows.len() >= FACES[0].tools.len()).then_some(rows)
    });
    let mut called: Vec<String> = Vec::new();
    for row in rows.await {
        assert!(!row.to_string().contains("coh_secret"), "{row}");
        assert_eq!(row["user"], "bob");
        called.push(row["tool"].as_str().unwrap().to_owned());
    }
    called.sort();
    let mut wanted: Vec<&str> = FACES[0].tools.iter().map(|tool| tool.name).collect();
    wanted.sort_unstable();
    assert_eq!(called, wanted);
}

#[tokio::test]
async fn every_call_counts_and_the_one_too_many_is_refused_in_the_face_s_words() {
    let academy = Academy::v1().await;
    let mut last = academy
        .post(&academy.learner, "get_learner_enrollments", json!({}))
        .await;
    assert_eq!(last.header("x-ratelimit-limit"), Some("60"));
    assert_eq!(last.header("x-ratelimit-remaining"), Some("59"));
    for _ in 0..10 {
        last = academy
            .post(&academy.learner, "get_learner_enrollments", json!({}))
            .await;
    }
    assert_eq!(last.status, 429);
    assert_eq!(last.header("retry-after"), Some("1"));
    let error = &last.body["error"];
    assert_eq!(error["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(
        error["message"],
        "Rate limit exceeded. Try again in 1 seconds."
    );
    assert_eq!(
        error["details"],
        json!({ "limit": 60, "window": "60s", "retryAfter": 1 })
    );
    let academy = Academy::v2().await;
    for _ in 0..10 {
        academy
            .call(&academy.learner, "academy_get_enrollments", json!({}))
            .await;
    }
    let client = academy.mcp(&academy.learner);
    let reply = client.call("academy_get_enrollments", json!({})).await;
    assert_eq!(reply.headers["x-ratelimit-scope"], "enrollments:read");
    let body: Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(body["error"]["code"], "RATE_LIMITED");
    assert_eq!(
        body["error"]["message"],
        "Rate limit exceeded for scope 'enrollments:read'"
    );
    assert_eq!(body["error"]["limit"]["maxRequests"], 60);
}

#[tokio::test]
async fn a_call_that_cannot_be_read_counts_and_leaves_its_row_too() {
    let academy = Academy::v2().await;
    let path = "/mcp/v2/tools/academy_get_enrollments";
    for (kind, body, status, left) in [
        ("application/json", "{", 400, "59"),
        ("text/plain", "hello", 415, "58"),
        ("application/json", "[]", 400, "57"),
    ] {
        let request = academy.learner.request(reqwest::Method::POST, path);
        let answer = send(request.header("content-type", kind).body(body)).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.body["error"]["code"], "VALIDATION_ERROR");
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left));
    }
    let last = academy.post(&academy.learner, "academy_get_enrollments", json!({}));
    assert_eq!(last.await.header("x-ratelimit-remaining"), Some("56"));
    let admin = academy.gateway.admin().await;
    crate::harness::eventually("a row for each", async || {
        let page = admin.get("audit/?action=tools/call").await.expect(200);
        (page["count"] == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_tool_names_all_wrong_arguments_at_once() {
    let academy = Academy::v1().await;
    let arguments: Value = json!({ "limit": 101, "modality": "by post", "nonsense": 1 });
    let refusal = academy
        .refusal(&academy.learner, "get_upcoming_cohorts", arguments)
        .await;
    assert_eq!(
        refusal["error"]["details"]["fields"],
        json!({
            "limit": ["Must be at most 100."],
            "modality": ["Must be one of: online, in-person, hybrid."],
            "nonsense": ["Unknown field."]
        })
    );
}
