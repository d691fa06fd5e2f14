//! `put_education`.

use serde_json::json;

use super::{missing, studies, wrong};
use crate::harness::Academy;

const TOOL: &str = "put_education";

#[tokio::test]
async fn what_is_given_is_changed_and_the_rest_stays() {
    let academy = Academy::user().await;
    let mut expected = studies(&academy).await;
    let change = json!({ "username": "bob", "id": expected["id"], "institution_id": expected["institution_id"], "start_date": "2014-10-01" });
    for (name, value) in change
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "username")
    {
        expected[name] = value.clone();
    }
    for _ in 0..2 {
        let changed = academy.call(&academy.learner, TOOL, change.clone()).await;
        assert_eq!(changed, expected);
    }
}

#[tokio::test]
async fn another_s_is_missing() {
    let academy = Academy::user().await;
    let made = studies(&academy).await;
    for id in [&made["id"], &json!(999_999)] {
        let change = json!({ "username": "carol", "id": id, "institution_id": made["institution_id"], "start_date": "2014-10-01" });
        let refusal = academy.refusal(&academy.instructor, TOOL, change).await;
        assert_eq!(refusal, missing("education"));
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let change = json!({ "username": "bob", "start_date": "2023-02-29", "grade": "A" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, change).await,
        wrong(&json!({
            "grade": ["Unknown field."], "id": ["This field is required."], "institution_id": ["This field is required."],
            "start_date": ["Enter a date that exists, as YYYY-MM-DD."],
        }))
    );
}
