//! 6.3.2.7.

use mentor_gateway::sql;
use serde_json::{Value, json};

use crate::harness::{Academy, MailServer};

const TOOL: &str = "create_enrollment";

fn example() -> Value {
    json!({
        "userId": "usr_john_doe_123",
        "cohortId": "coh_xyz789",
        "organizationId": "org_acme_corp",
        "enrollmentType": "corporate",
        "paymentStatus": "paid",
        "notes": "Part of Acme Corp Q1 2025 training initiative",
        "sendWelcomeEmail": true
    })
}

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let server = MailServer::start().await;
    let academy = Academy::v1_with(|settings| server.set(settings)).await;
    let mut made = academy.call(&academy.admin, TOOL, example()).await;
    assert!(made["enrollmentId"].as_str().unwrap().starts_with("enr_"));
    made["enrollmentId"] = "enr_new_123".into();
    assert_eq!(
        made,
        json!({
            "enrollmentId": "enr_new_123",
            "userId": "usr_john_doe_123",
            "cohortId": "coh_xyz789",
            "status": "active",
            "enrolledAt": 1_704_067_200_000_i64,
            "welcomeEmailSent": true
        })
    );
    let arguments = json!({ "courseSlug": "ai-fundamentals" });
    let course = academy
        .call(&academy.learner, "get_course_details", arguments)
        .await;
    assert_eq!(course["course"]["upcomingCohorts"][0]["availableSeats"], 7);
    let again = academy.refusal(&academy.admin, TOOL, example()).await;
    assert_eq!(again["error"]["code"], "ENROLLMENT_EXISTS");
}

#[tokio::test]
async fn a_full_cohort_refuses_enrollment() {
    let academy = Academy::v1().await;
    fill(&academy, 0).await;
    assert_eq!(
        academy.refusal(&academy.admin, TOOL, example()).await,
        json!({
            "error": {
                "code": "COHORT_FULL",
                "message": "Cannot enroll: cohort is at full capacity",
                "details": {
                    "cohortId": "coh_xyz789",
                    "totalSeats": 25,
                    "enrolledCount": 25,
                    "availableSeats": 0
                }
            }
        })
    );
}

#[tokio::test]
async fn a_cancelled_cohort_refuses_enrollment() {
    let academy = Academy::v1().await;
    let cancel =
        json!({ "cohortId": "coh_xyz789", "status": "cancelled", "reason": "The room burnt down" });
    academy
        .call(&academy.admin, "update_cohort_status", cancel)
        .await;
    let refused = academy.refusal(&academy.admin, TOOL, example()).await;
    assert_eq!(refused["error"]["code"], "VALIDATION_ERROR");
    assert_eq!(
        refused["error"]["details"]["fields"]["cohortId"],
        json!(["Cannot enroll: Cohort has been cancelled"])
    );
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_for_one_seat_give_one_enrollment() {
    let academy = Academy::v1().await;
    fill(&academy, 1).await;
    let mut tx = academy.write().await;
    for number in 0..100 {
        sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_people (realm_id, id, name, email, timezone, created_at)
             SELECT realm_id, $1, $1, $1, 'UTC', 0 FROM academy_cohorts WHERE id = 'coh_xyz789'",
            format!("usr_racer_{number}")
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(
            academy
                .gateway
                .with_key(
                    "alice",
                    mentor_gateway::auth::token::TokenKind::Aea,
                    &["admin"],
                )
                .await,
        );
    }
    let asks = (0..100).map(|number| {
        let (academy, key) = (&academy, &keys[number % keys.len()]);
        async move {
            let arguments = json!({
                "userId": format!("usr_racer_{number}"),
                "cohortId": "coh_xyz789",
                "enrollmentType": "standard"
            });
            loop {
                let answer = academy.post(key, TOOL, arguments.clone()).await;
                if answer.status == 429 {
                    academy.gateway.advance(std::time::Duration::from_secs(1));
                    continue;
                }
                return (
                    answer.status,
                    answer.body["error"]["code"].as_str().map(str::to_owned),
                );
            }
        }
    });
    let answers = futures_util::future::join_all(asks).await;
    let made = answers.iter().filter(|(status, _)| *status == 200).count();
    let full = answers
        .iter()
        .filter(|(_, code)| code.as_deref() == Some("COHORT_FULL"))
        .count();
    assert_eq!((made, full), (1, 99), "{answers:?}");
}

/// Leaves so many seats.
async fn fill(academy: &Academy, left: i64) {
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET seats_taken = seats_total - $1 WHERE id = 'coh_xyz789'",
        left
    )
    .unwrap();
    tx.commit().await.unwrap();
}
