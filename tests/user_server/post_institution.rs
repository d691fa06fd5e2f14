//! `post_institution`.

use serde_json::json;

use super::{NOW, wrong};
use crate::harness::Academy;

const TOOL: &str = "post_institution";

#[tokio::test]
async fn an_institution_is_added_with_what_is_known_of_it() {
    let academy = Academy::user().await;
    let institution = json!({
        "username": "bob", "name": "State University", "institution_type": "university", "location": "Springfield",
        "website": "https://state.example",
    });
    let made = academy.call(&academy.learner, TOOL, institution).await;
    let expected = json!({
        "id": made["id"], "name": "State University", "institution_type": "university", "location": "Springfield",
        "website": "https://state.example", "accreditation": null, "established_year": null, "data": null,
        "metadata": null, "created_at": NOW, "updated_at": NOW,
    });
    assert_eq!(made, expected);
    let plain = json!({ "username": "bob", "name": "Evening Classes" });
    let plain = academy.call(&academy.learner, TOOL, plain).await;
    assert_eq!(plain["institution_type"], "other");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let institution = json!({ "username": "bob", "institution_type": "school", "location": 5, "website": "state" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, institution).await,
        wrong(&json!({
            "institution_type": ["Must be one of: university, college, institute, academy, other."],
            "location": ["Must be a string."],
            "name": ["This field is required."],
            "website": ["Enter a valid URL, such as https://example.com."],
        }))
    );
}
