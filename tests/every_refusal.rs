//! Every code of both faces' documents (docs/inside/academy.md#6354-codes-of-v1 and docs/inside/academy.md#861-codes-of-v2), provoked by a call that
//! earns it, and the input that clients get wrong.

use std::time::Duration;

use mentor_gateway::auth::token::TokenKind;
use mentor_gateway::sql;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::harness::{Academy, Answer, Client};

/// The codes of 6.3.5.4, in its order.
const V1_CODES: [&str; 10] = [
    "MISSING_API_KEY",
    "INVALID_API_KEY",
    "INSUFFICIENT_PERMISSIONS",
    "RATE_LIMIT_EXCEEDED",
    "RESOURCE_NOT_FOUND",
    "VALIDATION_ERROR",
    "COHORT_FULL",
    "ENROLLMENT_EXISTS",
    "CERTIFICATE_NOT_AVAILABLE",
    "INTERNAL_ERROR",
];
/// The rows of 8.6.1, in its order.
const V2_CODES: [(&str, u16); 10] = [
    ("INVALID_API_KEY", 401),
    ("SCOPE_REQUIRED", 403),
    ("RATE_LIMITED", 429),
    ("ACCESS_DENIED", 403),
    ("RESOURCE_NOT_FOUND", 404),
    ("VALIDATION_ERROR", 400),
    ("ENROLLMENT_EXPIRED", 403),
    ("COHORT_FULL", 409),
    ("BOOKING_CONFLICT", 409),
    ("SERVER_ERROR", 500),
];
/// Longer than the span over which a burst is counted.
const BURST: Duration = Duration::from_secs(2);
/// More calls than any key may make in a second.
const BURST_MAX: usize = 25;

/// Puts the world into another state.
async fn change(academy: &Academy, statement: &'static str) {
    let mut tx = academy.write().await;
    sql!(&mut tx, execute, AssertSqlSafe(statement)).unwrap();
    tx.commit().await.unwrap();
}

/// Status and code of a refusal, which has an id to ask support with.
fn refused(answer: &Answer) -> (u16, String) {
    let error = &answer.body["error"];
    assert!(!error["requestId"].as_str().unwrap().is_empty());
    assert!(!error["timestamp"].is_null());
    (answer.status, error["code"].as_str().unwrap().to_owned())
}

/// Calls until the key has used up its second.
async fn exhausted(academy: &Academy, person: &Client, tool: &str) -> Answer {
    let mut last = academy.post(person, tool, json!({})).await;
    for _ in 0..BURST_MAX {
        if last.status != 429 {
            last = academy.post(person, tool, json!({})).await;
        }
    }
    last
}

#[tokio::test]
async fn every_code_of_the_first_face_is_earned_by_a_call() {
    let academy = Academy::v1().await;
    let (nobody, general) = (academy.gateway.anonymous(), academy.gateway.learner().await);
    let enroll =
        |user: &str| json!({ "userId": user, "cohortId": "coh_xyz789", "enrollmentType": "trial" });
    let mut earned = Vec::new();
    for (person, tool, arguments) in [
        (&nobody, "get_learner_enrollments", json!({})),
        (&general, "get_learner_enrollments", json!({})),
        (
            &academy.learner,
            "create_enrollment",
            enroll("usr_john_doe_123"),
        ),
        (
            &academy.learner,
            "get_course_details",
            json!({ "courseSlug": "none" }),
        ),
        (&academy.learner, "get_course_details", json!({})),
        (
            &academy.admin,
            "create_enrollment",
            enroll("usr_jane_smith"),
        ),
        (
            &academy.learner,
            "get_certificate",
            json!({ "enrollmentId": "enr_abc123" }),
        ),
    ] {
        academy.gateway.advance(BURST);
        earned.push(refused(&academy.post(person, tool, arguments).await));
    }
    change(
        &academy,
        "UPDATE academy_cohorts SET seats_taken = seats_total",
    )
    .await;
    let full = academy.post(
        &academy.admin,
        "create_enrollment",
        enroll("usr_john_doe_123"),
    );
    earned.push(refused(&full.await));
    change(
        &academy,
        "ALTER TABLE academy_notifications RENAME TO elsewhere",
    )
    .await;
    let arguments =
        json!({ "cohortId": "coh_xyz789", "subject": "S", "message": "M", "priority": "low" });
    let broken = academy
        .post(&academy.admin, "send_cohort_notification", arguments)
        .await;
    assert_eq!(
        broken.body["error"]["message"],
        "An unexpected error occurred."
    );
    assert!(!broken.body.to_string().contains("academy_notifications"));
    earned.push(refused(&broken));
    academy.gateway.advance(BURST);
    earned.push(refused(
        &exhausted(&academy, &academy.learner, "get_learner_enrollments").await,
    ));
    let statuses = [401, 401, 403, 429, 404, 400, 409, 409, 409, 500];
    for (code, status) in V1_CODES.iter().zip(statuses) {
        assert!(
            earned.contains(&(status, (*code).to_owned())),
            "{code}: {earned:?}"
        );
    }
    assert_eq!(earned.len(), V1_CODES.len());
}

#[tokio::test]
async fn every_code_of_the_second_face_is_earned_by_a_call() {
    let academy = Academy::v2().await;
    let nobody = academy.gateway.anonymous();
    let course = json!({ "courseId": "crs_ai_foundations" });
    let book = json!({ "enrollmentId": "enr_123", "slotId": "slot_123" });
    let enroll = json!({ "userId": "usr_456", "cohortId": "coh_123", "organizationId": "org_789" });
    let mut earned = Vec::new();
    for (person, tool, arguments) in [
        (&nobody, "academy_get_enrollments", json!({})),
        (&academy.learner, "academy_admin_list_cohorts", json!({})),
        (
            &academy.learner,
            "academy_get_certificate",
            json!({ "enrollmentId": "enr_nowhere" }),
        ),
        (
            &academy.admin,
            "academy_admin_enrollment_stats",
            json!({ "cohortId": "coh_none" }),
        ),
        (
            &academy.learner,
            "academy_get_enrollments",
            json!({ "status": "gone" }),
        ),
    ] {
        academy.gateway.advance(BURST);
        earned.push(refused(&academy.post(person, tool, arguments).await));
    }
    change(&academy, "UPDATE academy_slots SET booked = capacity").await;
    earned.push(refused(
        &academy
            .post(&academy.learner, "academy_book_office_hours", book)
            .await,
    ));
    change(
        &academy,
        "UPDATE academy_cohorts SET seats_taken = seats_total",
    )
    .await;
    let full = academy.post(&academy.admin, "academy_admin_create_enrollment", enroll);
    earned.push(refused(&full.await));
    change(&academy, "UPDATE academy_enrollments SET expires_at = 0").await;
    let expired = academy.post(&academy.learner, "academy_get_materials", course);
    earned.push(refused(&expired.await));
    change(&academy, "ALTER TABLE academy_accesses RENAME TO elsewhere").await;
    let arguments = json!({ "cohortId": "coh_456" });
    let broken = academy
        .post(&academy.admin, "academy_admin_enrollment_stats", arguments)
        .await;
    assert_eq!(
        broken.body["error"]["message"],
        "An unexpected error occurred"
    );
    assert!(!broken.body.to_string().contains("academy_accesses"));
    earned.push(refused(&broken));
    academy.gateway.advance(BURST);
    earned.push(refused(
        &exhausted(&academy, &academy.learner, "academy_chat").await,
    ));
    for (code, status) in V2_CODES {
        assert!(
            earned.contains(&(status, code.to_owned())),
            "{code}: {earned:?}"
        );
    }
    assert_eq!(earned.len(), V2_CODES.len());
}

#[tokio::test]
async fn a_limit_out_of_its_range_is_refused_on_both_faces() {
    let first = Academy::v1().await;
    let second = Academy::v2().await;
    for (limit, message) in [
        (json!(0), "Must be at least 1."),
        (json!(-1), "Must be at least 1."),
        (json!(101), "Must be at most 100."),
        (json!(1_000_000_000), "Must be at most 100."),
        (json!(1e9), "Must be at most 100."),
        (json!(1.5), "Must be a whole number."),
        (json!("9"), "Must be a number."),
        (Value::Null, "Must be a number."),
    ] {
        let arguments = json!({ "limit": limit });
        for (academy, person, tool) in [
            (&first, &first.learner, "get_upcoming_cohorts"),
            (&second, &second.admin, "academy_admin_list_cohorts"),
        ] {
            academy.gateway.advance(BURST);
            let refused = academy.refusal(person, tool, arguments.clone()).await;
            assert_eq!(
                refused["error"]["code"], "VALIDATION_ERROR",
                "{tool} {arguments}"
            );
            assert_eq!(
                refused["error"]["details"]["fields"],
                json!({ "limit": [message] }),
                "{tool} {arguments}"
            );
        }
    }
}

#[tokio::test]
async fn seconds_where_milliseconds_belong_are_refused() {
    let academy = Academy::v1().await;
    let arguments = json!({ "startDateAfter": 1_704_067_200 });
    let refused = academy
        .refusal(&academy.learner, "get_upcoming_cohorts", arguments)
        .await;
    assert_eq!(
        refused["error"]["details"]["fields"],
        json!({ "startDateAfter": ["Must be at least 100000000000."] })
    );
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_there() {
    let first = Academy::v1().await;
    for (tool, id) in [
        ("get_enablement_kit", "enr_olga"),
        ("get_certificate", "enr_olga"),
        ("get_certificate", "enr_nowhere"),
    ] {
        change(
            &first,
            "UPDATE academy_enrollments SET id = 'enr_olga' WHERE person_id = 'usr_olga_novak'",
        )
        .await;
        let refused = first
            .refusal(&first.learner, tool, json!({ "enrollmentId": id }))
            .await;
        assert_eq!(
            refused["error"],
            json!({ "code": "RESOURCE_NOT_FOUND", "message": "The requested enrollment does not exist." }),
            "{tool} {id}"
        );
    }
    let second = Academy::v2().await;
    let other = second
        .gateway
        .with_key(
            "carol",
            TokenKind::Mcp,
            &["certificates:read", "bookings:read"],
        )
        .await;
    for tool in ["academy_get_certificate", "academy_get_availability"] {
        for id in ["enr_123", "enr_nowhere"] {
            let refused = second
                .refusal(&other, tool, json!({ "enrollmentId": id }))
                .await;
            assert_eq!(
                refused["error"],
                json!({ "code": "ACCESS_DENIED", "message": "You do not have access to this enrollment" }),
                "{tool} {id}"
            );
        }
    }
}

#[tokio::test]
async fn a_cohort_that_is_over_or_cancelled_takes_nobody_on_either_face() {
    for (status, message) in [
        ("completed", "Cannot enroll: Cohort has already ended"),
        ("cancelled", "Cannot enroll: Cohort has been cancelled"),
    ] {
        for (academy, tool, arguments) in [
            (
                Academy::v1().await,
                "create_enrollment",
                json!({ "userId": "usr_john_doe_123", "cohortId": "coh_xyz789", "enrollmentType": "trial" }),
            ),
            (
                Academy::v2().await,
                "academy_admin_create_enrollment",
                json!({ "userId": "usr_456", "cohortId": "coh_123", "organizationId": "org_789" }),
            ),
        ] {
            let statement = match status {
                "completed" => "UPDATE academy_cohorts SET status = 'completed'",
                _ => "UPDATE academy_cohorts SET status = 'cancelled'",
            };
            change(&academy, statement).await;
            let refused = academy.refusal(&academy.admin, tool, arguments).await;
            assert_eq!(refused["error"]["code"], "VALIDATION_ERROR", "{tool}");
            assert_eq!(
                refused["error"]["details"]["fields"],
                json!({ "cohortId": [message] }),
                "{tool}"
            );
        }
    }
}
