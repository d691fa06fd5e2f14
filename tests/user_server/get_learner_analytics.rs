//! `get_learner_analytics`.

use serde_json::{Value, json};

use super::{missing, wrong};
use crate::harness::Academy;

const TOOL: &str = "get_learner_analytics";
const PATH: &str = "/api/analytics/learners/";

#[tokio::test]
async fn a_learner_reads_what_they_have_learned() {
    let academy = Academy::user_with_a_past().await;
    let answer = academy.call(&academy.learner, TOOL, json!({})).await;
    assert_eq!(answer["user"]["name"], "John Doe");
    assert_eq!(answer["user"]["last_active"], "2024-12-01T10:00:00Z");
    assert_eq!(
        answer["summary"],
        json!({ "total_time_spent_seconds": 59_400 })
    );
    assert_eq!(
        answer["pagination"],
        json!({ "totalItems": 1, "currentPage": 1, "perPage": 20, "totalPages": 1 })
    );
    assert_eq!(answer["results"][0]["platform_key"], "acme");
    insta::assert_json_snapshot!(answer["results"][0]["summary"]);
}

#[tokio::test]
async fn rest_shows_the_same() {
    let academy = Academy::user_with_a_past().await;
    for (arguments, query) in [
        (json!({}), ""),
        (
            json!({ "date_filter": "7d", "username": "bob" }),
            "?date_filter=7d&username=bob",
        ),
        (
            json!({ "start_date": "2024-11-20", "end_date": "2024-11-22" }),
            "?start_date=2024-11-20&end_date=2024-11-22",
        ),
    ] {
        let tool = academy.call(&academy.learner, TOOL, arguments).await;
        let rest = academy
            .learner
            .get(&format!("{PATH}{query}"))
            .await
            .expect(200);
        assert_eq!(tool, rest);
    }
}

#[tokio::test]
async fn time_is_that_of_the_days_that_are_asked_for() {
    let academy = Academy::user_with_a_past().await;
    let seconds = async |arguments: Value| {
        let answer = academy.call(&academy.learner, TOOL, arguments).await;
        answer["summary"]["total_time_spent_seconds"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(seconds(json!({ "date_filter": "today" })).await, 0);
    let week = seconds(json!({ "date_filter": "7d" })).await;
    let month = seconds(json!({ "date_filter": "30d" })).await;
    assert!(0 < week && week < month, "{week} {month}");
    let day = json!({ "start_date": "2024-11-30", "end_date": "2024-11-30" });
    assert_eq!(seconds(day).await, 60 * 45);
    let series = academy
        .learner
        .get(&format!(
            "{PATH}?date_filter=90d&overtime=true&granularity=month"
        ))
        .await
        .expect(200);
    let steps = series["overtime"].as_array().unwrap();
    let sum: i64 = steps
        .iter()
        .map(|step| step["value"].as_i64().unwrap())
        .sum();
    assert_eq!(sum, month);
    assert_eq!(steps[0]["date"], "2024-11-01");
}

#[tokio::test]
async fn with_its_key_a_platform_is_told_of_in_detail() {
    let academy = Academy::user_with_a_past().await;
    let answer = academy
        .learner
        .get(&format!("{PATH}?platform_key=acme"))
        .await
        .expect(200);
    let metrics = &answer["results"][0]["metrics"];
    assert_eq!(metrics["enrollments"]["total"], 2);
    let foundations = "AI Foundations for Business Leaders";
    let certificate = json!({ "id": "cert_700", "name": foundations });
    assert_eq!(metrics["credentials"]["details"], json!([certificate]));
    let none = json!({ "total": 0, "details": [] });
    assert_eq!((&metrics["programs"], &metrics["pathways"]), (&none, &none));
    let opened = metrics["resources"]["details"].as_array().unwrap();
    assert_eq!(metrics["resources"]["total"], opened.len());
    assert!(opened.iter().all(|one| one["name"].is_string()));
    let skills = &metrics["skills"];
    assert_eq!(skills["total"], skills["details"].as_array().unwrap().len());
    let grouped = academy
        .learner
        .get(&format!("{PATH}?usergroup_ids=1"))
        .await;
    let words = "There are no groups of users; leave it out.";
    assert_eq!(grouped.expect(400), json!({ "usergroup_ids": [words] }));
    let missing = (404, r#"{"detail":"Not found."}"#.to_owned());
    for query in ["?platform_key=globex", "?username=carol", "?page=2"] {
        let answer = academy.learner.get(&format!("{PATH}{query}")).await;
        assert_eq!(answer.status, 404, "{query}");
        if !query.contains("page") {
            assert_eq!(answer.brief(), missing);
        }
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let academy = Academy::user().await;
    let span = json!({ "start_date": "2025-02-30", "end_date": "soon" });
    let text = "Enter a day that exists, as YYYY-MM-DD, or a time with an offset, as 2026-11-21T00:00:00Z.";
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, span).await,
        wrong(&json!({ "end_date": [text], "start_date": [text] }))
    );
    let page = json!({ "page": 0, "limit": 101, "date_filter": "14d" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, page).await,
        wrong(&json!({
            "date_filter": ["Must be one of: today, 7d, 30d, 90d."],
            "limit": ["Must be at most 100."],
            "page": ["Must be at least 1."],
        }))
    );
    let answer = academy
        .learner
        .get(&format!(
            "{PATH}?page=0&limit=101&date_filter=14d&granularity=year"
        ))
        .await;
    let fields: Vec<String> = answer
        .expect(400)
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(fields, ["date_filter", "granularity", "limit", "page"]);
    let other = academy
        .refusal(&academy.learner, TOOL, json!({ "username": "carol" }))
        .await;
    assert_eq!(other, missing("user"));
    let empty = academy
        .call(&academy.admin, TOOL, json!({ "username": "carol" }))
        .await;
    assert_eq!(empty["results"][0]["summary"]["enrollments"], 0);
    assert_eq!(
        empty["results"][0]["summary"]["engagement_index"],
        Value::Null
    );
}
