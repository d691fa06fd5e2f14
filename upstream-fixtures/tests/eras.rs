//! Both eras on one URL, and the catalogue beyond tools in each.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::client::{Session, messages, modern, start};

#[tokio::test]
async fn one_url_serves_both_eras() {
    let upstream = start(Behaviour::dual()).await;
    let response = modern(&upstream, "server/discover", json!({}))
        .send()
        .await
        .unwrap();
    let versions = messages(response).await[0]["result"]["supportedVersions"].clone();
    assert_eq!(
        versions,
        json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"])
    );
    let session = Session::open(&upstream, "2025-11-25").await;
    let legacy = session.call("tools/list", json!({})).await;
    let legacy = messages(legacy).await[0]["result"].clone();
    assert_eq!(legacy.get("resultType"), None);
    let modern = modern(&upstream, "tools/list", json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        messages(modern).await[0]["result"]["tools"],
        legacy["tools"]
    );
}

#[tokio::test]
async fn resources_prompts_and_completions_are_the_same_in_both_eras() {
    let upstream = start(Behaviour::dual()).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    for (method, params) in [
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "fixture://static/text" })),
        (
            "resources/read",
            json!({ "uri": "fixture://static/binary" }),
        ),
        ("resources/read", json!({ "uri": "fixture://item/9" })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "simple" })),
        (
            "prompts/get",
            json!({ "name": "with_args", "arguments": { "city": "Bern" } }),
        ),
        (
            "completion/complete",
            json!({
                "ref": { "type": "ref/prompt", "name": "with_args" },
                "argument": { "name": "city", "value": "Ber" },
            }),
        ),
        (
            "completion/complete",
            json!({
                "ref": { "type": "ref/resource", "uri": "fixture://item/{id}" },
                "argument": { "name": "id", "value": "" },
            }),
        ),
    ] {
        let legacy =
            messages(session.call(method, params.clone()).await).await[0]["result"].clone();
        let mut modern = modern_result(&upstream, method, params).await;
        assert_eq!(modern["resultType"], "complete", "{method}");
        for member in ["resultType", "ttlMs", "cacheScope", "_meta"] {
            modern.as_object_mut().unwrap().remove(member);
        }
        assert_eq!(modern, legacy, "{method}");
    }
}

#[tokio::test]
async fn a_missing_resource_has_the_code_of_its_revision() {
    let upstream = start(Behaviour::dual()).await;
    let session = Session::open(&upstream, "2025-11-25").await;
    let params = json!({ "uri": "fixture://nowhere" });
    let legacy = messages(session.call("resources/read", params.clone()).await).await;
    assert_eq!(legacy[0]["error"]["code"], -32002);
    let response = modern(&upstream, "resources/read", params)
        .send()
        .await
        .unwrap();
    assert_eq!(messages(response).await[0]["error"]["code"], -32602);
}

async fn modern_result(upstream: &Upstream, method: &str, params: Value) -> Value {
    let response = modern(upstream, method, params).send().await.unwrap();
    messages(response).await[0]["result"].clone()
}
