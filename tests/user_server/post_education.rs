//! `post_education`.

use serde_json::json;

use super::{NOW, bob, university, wrong};
use crate::harness::Academy;

const TOOL: &str = "post_education";

#[tokio::test]
async fn an_education_is_added_with_its_institution() {
    let academy = Academy::user().await;
    let institution = university(&academy).await;
    let education = json!({
        "username": "bob", "institution_id": institution["id"], "degree": "B.Sc.", "field_of_study": "Physics",
        "start_date": "2014-09-01", "end_date": "2018-06-30", "description": "Optics.",
    });
    let made = academy.call(&academy.learner, TOOL, education).await;
    let expected = json!({
        "id": made["id"], "user": made["user"], "institution_id": institution["id"], "degree": "B.Sc.",
        "field_of_study": "Physics", "start_date": "2014-09-01", "end_date": "2018-06-30", "grade": null,
        "activities": null, "description": "Optics.", "is_current": false, "data": null, "metadata": null,
        "created_at": NOW, "updated_at": NOW, "user_info": bob(&made["user"]), "institution": institution,
    });
    assert_eq!(made, expected);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let education = json!({
        "username": "bob", "institution_id": 999_999, "start_date": "2025-02-30", "end_date": "June", "grade": "A",
    });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, education).await,
        wrong(&json!({
            "end_date": ["Enter a date that exists, as YYYY-MM-DD."],
            "grade": ["Unknown field."],
            "institution_id": ["Invalid pk \"999999\" - object does not exist."],
            "start_date": ["Enter a date that exists, as YYYY-MM-DD."],
        }))
    );
}

#[tokio::test]
async fn another_s_institution_is_none() {
    let academy = Academy::user().await;
    let institution = university(&academy).await;
    let education = json!({ "username": "carol", "institution_id": institution["id"], "start_date": "2014-09-01" });
    let refusal = academy.refusal(&academy.instructor, TOOL, education).await;
    let text = format!(
        "Invalid pk \"{}\" - object does not exist.",
        institution["id"]
    );
    assert_eq!(refusal, wrong(&json!({ "institution_id": [text] })));
}
