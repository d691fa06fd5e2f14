//! `get_user_resume`.

use std::time::Duration;

use serde_json::json;

use super::{PDF, missing, upload};
use crate::harness::Academy;

const TOOL: &str = "get_user_resume";

#[tokio::test]
async fn without_a_resume_there_is_none() {
    let academy = Academy::user().await;
    let refusal = academy
        .refusal(&academy.learner, TOOL, json!({ "username": "bob" }))
        .await;
    assert_eq!(refusal, missing("resume"));
    let refusal = academy
        .refusal(&academy.learner, TOOL, json!({ "username": "carol" }))
        .await;
    assert_eq!(refusal, missing("user"));
}

#[tokio::test]
async fn its_links_open_the_file_for_minutes_and_as_an_attachment() {
    let academy = Academy::user().await;
    upload(&academy).await;
    let resume = academy
        .call(&academy.learner, TOOL, json!({ "username": "bob" }))
        .await;
    let file = &resume["files"][0];
    assert_eq!(file["name"], "bob doe.pdf");
    assert_eq!(file["type"], "resume");
    let url = file["url"].as_str().unwrap();
    let path = url.strip_prefix(&academy.gateway.base).unwrap();
    let nobody = academy.gateway.anonymous();
    let answer = nobody.get(path).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/pdf"));
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"bob_doe.pdf\"")
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.bytes, PDF.as_bytes());
    // Another file, another proof, and later.
    let missing = (404, r#"{"detail":"Not found."}"#.to_owned());
    let other = path.replace("/files/", "/files/9");
    assert_eq!(nobody.get(&other).await.brief(), missing);
    assert_eq!(nobody.get(&path[..path.len() - 1]).await.brief(), missing);
    academy.gateway.advance(Duration::from_secs(601));
    assert_eq!(nobody.get(path).await.brief(), missing);
}

#[tokio::test]
async fn its_links_end_with_the_key_that_asked_for_them() {
    let academy = Academy::user().await;
    upload(&academy).await;
    let asked = json!({ "username": "bob" });
    let resume = academy.call(&academy.learner, TOOL, asked).await;
    let url = resume["files"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(&academy.gateway.base).unwrap();
    let nobody = academy.gateway.anonymous();
    assert_eq!(nobody.get(path).await.status, 200);
    academy.gateway.revoke_keys_of("acme", "bob").await;
    assert_eq!(nobody.get(path).await.status, 404);
}
