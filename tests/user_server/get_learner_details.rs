//! `get_learner_details`.

use serde_json::{Value, json};

use super::{missing, wrong};
use crate::harness::Academy;

const TOOL: &str = "get_learner_details";
const PATH: &str = "/api/analytics/learner/details";

#[tokio::test]
async fn courses_are_told_of_one_by_one() {
    let academy = Academy::user_with_a_past().await;
    let answer = academy
        .call(&academy.learner, TOOL, json!({ "username": "bob" }))
        .await;
    insta::assert_json_snapshot!(answer["data"]);
}

#[tokio::test]
async fn what_is_asked_for_is_told_and_rest_tells_the_same() {
    let academy = Academy::user_with_a_past().await;
    let all = "courses,programs,pathways,mentors,skills,credentials,time_spent";
    let arguments = json!({ "username": "bob", "metrics": all, "date_filter": "90d" });
    let tool = academy.call(&academy.admin, TOOL, arguments).await;
    let query = format!("{PATH}?username=bob&metrics={all}&date_filter=90d");
    assert_eq!(tool, academy.admin.get(&query).await.expect(200));
    let data = &tool["data"];
    let names: Vec<&str> = data
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names.join(","),
        "courses,mentors,skills,credentials,time_spent"
    );
    let skill = |id, name| json!({ "skill_id": id, "name": name, "platform": "acme" });
    assert_eq!(
        data["skills"],
        json!({
            "desired": [],
            "reported": [
                skill(3838896339_u32, "AI Fundamentals"), skill(3351112241_u32, "Prompt Engineering"), skill(487314695_u32, "Use Case Development"),
            ],
        })
    );
    assert_eq!(data["credentials"][0]["credential_id"], "cert_700");
    assert_eq!(data["time_spent"]["total_time_spent"], "16h 30m");
    assert_eq!(data["mentors"], json!([]));
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let question = json!({ "username": "bob", "metrics": "grades", "start_date": "2024-12-02", "end_date": "2024-12-01" });
    let metrics =
        "Must be some of: courses, programs, pathways, mentors, skills, credentials, time_spent.";
    let fields = json!({ "end_date": ["Must not be before the start."], "metrics": [metrics] });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, question).await,
        wrong(&fields)
    );
    let query =
        format!("{PATH}?username=bob&metrics=grades&start_date=2024-12-02&end_date=2024-12-01");
    assert_eq!(academy.learner.get(&query).await.expect(400), fields);
    let without: Value = academy.learner.get(PATH).await.expect(400);
    assert_eq!(without, json!({ "username": ["This field is required."] }));
    let other = academy
        .refusal(&academy.learner, TOOL, json!({ "username": "gil" }))
        .await;
    assert_eq!(other, missing("user"));
}
