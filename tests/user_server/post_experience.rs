//! `post_experience`.

use serde_json::json;

use super::{NOW, acme, bob, wrong};
use crate::harness::Academy;

const TOOL: &str = "post_experience";

#[tokio::test]
async fn a_position_is_added_with_its_company() {
    let academy = Academy::user().await;
    let company = acme(&academy).await;
    let experience = json!({
        "username": "bob", "company_id": company["id"], "title": "Senior Engineer", "start_date": "2025-01-01",
        "employment_type": "Full-time", "location": "Boston", "is_current": true, "description": "Search.",
    });
    let made = academy.call(&academy.learner, TOOL, experience).await;
    let expected = json!({
        "id": made["id"], "user": made["user"], "company_id": company["id"], "title": "Senior Engineer",
        "employment_type": "Full-time", "location": "Boston", "start_date": "2025-01-01", "end_date": null,
        "is_current": true, "description": "Search.", "data": null, "metadata": null, "created_at": NOW,
        "updated_at": NOW, "user_info": bob(&made["user"]), "company": company,
    });
    assert_eq!(made, expected);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let experience = json!({
        "username": "bob", "company_id": 999_999, "start_date": "2025-01-02", "end_date": "2025-01-01",
        "is_current": "yes", "salary": 1,
    });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, experience).await,
        wrong(&json!({
            "company_id": ["Invalid pk \"999999\" - object does not exist."],
            "end_date": ["Must not be before the start date."],
            "is_current": ["Must be a boolean."],
            "salary": ["Unknown field."],
            "title": ["This field is required."],
        }))
    );
}

#[tokio::test]
async fn what_is_current_has_no_end() {
    let academy = Academy::user().await;
    let company = acme(&academy).await;
    let experience = json!({
        "username": "bob", "company_id": company["id"], "title": "Engineer", "start_date": "2020-01-01",
        "end_date": "2021-01-01", "is_current": true,
    });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, experience).await,
        wrong(&json!({ "end_date": ["What is current has no end date."] }))
    );
}
