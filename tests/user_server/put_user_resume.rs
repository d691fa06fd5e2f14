//! `put_user_resume`.

use serde_json::{Value, json};

use super::{missing, upload};
use crate::harness::Academy;

const TOOL: &str = "put_user_resume";

#[tokio::test]
async fn what_is_not_there_cannot_be_updated() {
    let academy = Academy::user().await;
    for change in [
        json!({ "username": "bob", "links": ["https://bob.example"] }),
        json!({ "username": "bob" }),
    ] {
        let refusal = academy.refusal(&academy.learner, TOOL, change).await;
        assert_eq!(refusal, missing("resume"));
    }
}

#[tokio::test]
async fn links_are_replaced_and_files_stay() {
    let academy = Academy::user().await;
    upload(&academy).await;
    let change = json!({ "username": "bob", "links": ["https://new.example"] });
    let changed = academy.call(&academy.admin, TOOL, change).await;
    assert_eq!(changed["upload"], Value::Null);
    assert_eq!(
        changed["resume"]["links"],
        json!([{ "url": "https://new.example" }])
    );
    assert_eq!(changed["resume"]["files"].as_array().unwrap().len(), 1);
}
