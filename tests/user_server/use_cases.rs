//! The four use cases of the specification, for the learner of the demo.

use serde_json::{Value, json};

use crate::harness::Academy;

#[tokio::test]
async fn show_me_my_education_and_experience_records() {
    let academy = Academy::user_with_a_past().await;
    let bob = json!({ "username": "bob" });
    let education = academy
        .call(&academy.learner, "get_education", bob.clone())
        .await;
    assert_eq!(
        education["results"][0]["institution"]["name"],
        "Northeastern University"
    );
    assert_eq!(education["results"][0]["grade"], "3.75");
    let experience = academy.call(&academy.learner, "get_experience", bob).await;
    let held: Vec<(&Value, &Value)> = experience["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|position| (&position["title"], &position["company"]["name"]))
        .collect();
    let expected = json!([
        "Operations Manager",
        "Acme Corp",
        "Data Analyst",
        "Harbor Analytics"
    ]);
    assert_eq!(
        held,
        [(&expected[0], &expected[1]), (&expected[2], &expected[3])]
    );
}

#[tokio::test]
async fn add_my_new_position_as_senior_engineer_at_acme_corp_starting_january_2025() {
    let academy = Academy::user_with_a_past().await;
    let companies = academy
        .call(
            &academy.learner,
            "get_company",
            json!({ "username": "bob" }),
        )
        .await;
    let companies = companies["results"].as_array().unwrap();
    let acme = companies
        .iter()
        .find(|company| company["name"] == "Acme Corp")
        .unwrap();
    let position = json!({
        "username": "bob", "company_id": acme["id"], "title": "Senior Engineer", "start_date": "2025-01-01",
        "is_current": true,
    });
    academy
        .call(&academy.learner, "post_experience", position)
        .await;
    let experience = academy
        .call(
            &academy.learner,
            "get_experience",
            json!({ "username": "bob" }),
        )
        .await;
    assert_eq!(experience["results"][0]["title"], "Senior Engineer");
    assert_eq!(experience["results"][0]["company"]["name"], "Acme Corp");
}

#[tokio::test]
async fn what_are_my_enrollment_stats_and_time_spent_across_all_platforms() {
    let academy = Academy::user_with_a_past().await;
    let answer = academy
        .call(&academy.learner, "get_learner_analytics", json!({}))
        .await;
    let summary = &answer["results"][0]["summary"];
    assert_eq!(summary["enrollments"], 2);
    assert_eq!(summary["credentials"], 1);
    assert_eq!(summary["average_grade"], 91.0);
    assert!(summary["engagement_index"].as_f64().unwrap() > 0.0);
    assert!(
        answer["summary"]["total_time_spent_seconds"]
            .as_i64()
            .unwrap()
            > 36_000
    );
}

#[tokio::test]
async fn show_me_my_detailed_analytics_including_grades_and_engagement() {
    let academy = Academy::user_with_a_past().await;
    let answer = academy
        .call(
            &academy.learner,
            "get_learner_details",
            json!({ "username": "bob" }),
        )
        .await;
    for course in answer["data"]["courses"].as_array().unwrap() {
        assert_eq!(course["name"], "AI Foundations for Business Leaders");
        assert!(course["engagement_index"].is_number());
        assert!(course["time_spent"].is_string());
    }
}
