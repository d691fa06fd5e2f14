//! Everything that is wrong is told at once, whether or not it is known whose record is meant, over MCP and REST.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::wrong;
use crate::harness::Academy;

const REQUIRED: &str = "This field is required.";
const URL: &str = "Enter a valid URL, such as https://example.com.";
const DATE: &str = "Enter a date that exists, as YYYY-MM-DD.";
const DAY: &str =
    "Enter a day that exists, as YYYY-MM-DD, or a time with an offset, as 2026-11-21T00:00:00Z.";
const METRICS: &str =
    "Must be some of: courses, programs, pathways, mentors, skills, credentials, time_spent.";

/// Tools with arguments of which everything is wrong, and what is said of each. Nobody is named.
fn nameless() -> Vec<(&'static str, Value, Value)> {
    let html = BASE64_STANDARD.encode("<html>");
    vec![
        (
            "post_company",
            json!({ "name": " ", "website": "acme", "size": 3 }),
            json!({ "name": [REQUIRED], "website": [URL], "size": ["Unknown field."] }),
        ),
        (
            "put_company",
            json!({ "name": "x".repeat(101) }),
            json!({ "id": [REQUIRED], "name": ["Must have at most 100 characters."] }),
        ),
        (
            "post_institution",
            json!({ "name": "X", "institution_type": "circus", "website": "ftp://x.example" }),
            json!({
                "institution_type": ["Must be one of: university, college, institute, academy, other."],
                "website": [URL],
            }),
        ),
        (
            // Whose institution 7 would be is not known.
            "post_education",
            json!({ "institution_id": 7, "start_date": "2025-02-30", "end_date": 5 }),
            json!({ "start_date": [DATE], "end_date": ["Must be a string."] }),
        ),
        (
            "put_experience",
            json!({ "id": "one", "company_id": 7, "start_date": "soon" }),
            json!({ "id": ["Must be a number."], "title": [REQUIRED], "start_date": [DATE] }),
        ),
        (
            "post_user_resume",
            json!({ "content": html, "file_type": "text/html", "links": ["nowhere"] }),
            json!({
                "content": ["Must be a PDF, a DOCX or an image (PNG, JPEG, WebP)."],
                "file_name": ["This field is required with a content."],
                "file_type": ["Must be one of: application/pdf, application/vnd.openxmlformats-officedocument.\
                               wordprocessingml.document, image/png, image/jpeg, image/webp."],
                "links[0]": [URL],
            }),
        ),
        (
            "put_user_resume",
            json!({ "file_name": "cv.pdf", "salary": 1 }),
            json!({
                "content": ["This field is required with a name or a type."],
                "salary": ["Unknown field."],
            }),
        ),
        (
            "get_learner_details",
            json!({ "metrics": "grades", "start_date": "2025-02-30", "date_filter": 7 }),
            json!({
                "metrics": [METRICS],
                "start_date": [DAY],
                "date_filter": ["Must be one of: today, 7d, 30d, 90d."],
            }),
        ),
    ]
}

#[tokio::test]
async fn a_missing_name_hides_nothing_else_that_is_wrong() {
    let academy = Academy::user().await;
    for (tool, arguments, mut fields) in nameless() {
        academy.gateway.advance(std::time::Duration::from_secs(2));
        fields["username"] = json!([REQUIRED]);
        let refusal = academy.refusal(&academy.learner, tool, arguments).await;
        assert_eq!(refusal, wrong(&fields), "{tool}");
    }
}

#[tokio::test]
async fn the_same_is_said_of_somebody_who_is_named() {
    let academy = Academy::user().await;
    for (tool, mut arguments, mut fields) in nameless() {
        // Whoever has no resume and no experience is told so first.
        if tool == "put_user_resume" || tool == "put_experience" {
            continue;
        }
        academy.gateway.advance(std::time::Duration::from_secs(2));
        arguments["username"] = "bob".into();
        if tool == "post_education" {
            let none = "Invalid pk \"7\" - object does not exist.";
            fields["institution_id"] = json!([none]);
        }
        let refusal = academy.refusal(&academy.learner, tool, arguments).await;
        assert_eq!(refusal, wrong(&fields), "{tool}");
    }
}

#[tokio::test]
async fn figures_are_refused_with_everything_that_is_wrong_in_the_question() {
    let academy = Academy::user().await;
    let question =
        json!({ "username": 5, "limit": 0, "start_date": "2025-02-30", "end_date": "soon" });
    let fields = json!({
        "username": ["Must be a string."], "limit": ["Must be at least 1."], "start_date": [DAY], "end_date": [DAY],
    });
    let refusal = academy
        .refusal(&academy.learner, "get_learner_analytics", question)
        .await;
    assert_eq!(refusal, wrong(&fields));
    let query = "metrics=grades&start_date=2025-02-30&granularity=year";
    for (name, message) in [
        ("", REQUIRED),
        ("username=&", "This field may not be blank."),
    ] {
        let path = format!("/api/analytics/learner/details?{name}{query}");
        let mut refused = academy.learner.get(&path).await.expect(400);
        let steps = refused.as_object_mut().unwrap().remove("granularity");
        assert!(steps.is_some());
        let fields = json!({ "metrics": [METRICS], "start_date": [DAY], "username": [message] });
        assert_eq!(refused, fields);
    }
}
