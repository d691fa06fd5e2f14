//! `put_company`.

use serde_json::json;

use super::{acme, missing, wrong};
use crate::harness::Academy;

const TOOL: &str = "put_company";

#[tokio::test]
async fn a_name_is_changed_and_the_rest_stays() {
    let academy = Academy::user().await;
    let mut expected = acme(&academy).await;
    let change = json!({ "username": "bob", "id": expected["id"], "name": "Acme Inc." });
    expected["name"] = change["name"].clone();
    for _ in 0..2 {
        let changed = academy.call(&academy.learner, TOOL, change.clone()).await;
        assert_eq!(changed, expected);
    }
}

#[tokio::test]
async fn another_s_is_missing() {
    let academy = Academy::user().await;
    let made = acme(&academy).await;
    for id in [&made["id"], &json!(999_999)] {
        let change = json!({ "username": "carol", "id": id, "name": "Mine" });
        let refusal = academy.refusal(&academy.instructor, TOOL, change).await;
        assert_eq!(refusal, missing("company"));
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let change = json!({ "username": "bob", "id": "one", "nmae": "x" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, change).await,
        wrong(&json!({
            "id": ["Must be a number."], "name": ["This field is required."], "nmae": ["Unknown field."],
        }))
    );
}
