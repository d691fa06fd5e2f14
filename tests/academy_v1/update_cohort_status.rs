//! 6.3.2.9.

use mentor_gateway::sql;
use serde_json::json;

use super::bulk::{events, streamed};
use crate::harness::{Academy, MailServer};

const TOOL: &str = "update_cohort_status";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let server = MailServer::start().await;
    let academy = Academy::v1_with(|settings| server.set(settings)).await;
    let arguments =
        json!({ "cohortId": "coh_xyz789", "status": "in_progress", "notifyEnrollees": true });
    assert_eq!(
        academy.call(&academy.admin, TOOL, arguments).await,
        json!({
            "cohortId": "coh_xyz789",
            "previousStatus": "open",
            "newStatus": "in_progress",
            "updatedAt": 1_704_067_200_000_i64,
            "notificationsSent": 17
        })
    );
}

#[tokio::test]
async fn letters_that_stay_in_the_outbox_are_not_counted_as_sent() {
    let academy = Academy::v1().await;
    let arguments =
        json!({ "cohortId": "coh_xyz789", "status": "in_progress", "notifyEnrollees": true });
    let waits = academy.call(&academy.admin, TOOL, arguments.clone()).await;
    assert_eq!(
        waits,
        json!({
            "cohortId": "coh_xyz789",
            "previousStatus": "open",
            "newStatus": "in_progress",
            "updatedAt": 1_704_067_200_000_i64,
            "notificationsSent": 0,
            "notice": "No mail server is set: the mails wait in the outbox."
        })
    );
    let server = MailServer::start().await;
    let academy = Academy::v1_with(|settings| server.set(settings)).await;
    let tester = academy
        .gateway
        .with_sandbox_key("alice", "aea", &["admin"])
        .await;
    // The one that is still to come there.
    let mut arguments = arguments;
    arguments["cohortId"] = "coh_abc123".into();
    let held = academy.call(&tester, TOOL, arguments).await;
    assert_eq!(held["notificationsSent"], 0);
    assert_eq!(
        held["notice"],
        "Nothing leaves the sandbox: the mails stay in the outbox."
    );
}

#[tokio::test]
async fn what_the_states_do_not_have_is_refused() {
    let academy = Academy::v1().await;
    for (arguments, field, message) in [
        (
            json!({ "cohortId": "coh_xyz789", "status": "cancelled" }),
            "reason",
            "A reason is required to cancel a cohort.",
        ),
        (
            json!({ "cohortId": "coh_xyz789", "status": "completed" }),
            "status",
            "A cohort that is \"open\" cannot become \"completed\".",
        ),
        (
            json!({ "cohortId": "coh_xyz789", "status": "finished" }),
            "status",
            "Must be one of: scheduled, open, in_progress, completed, cancelled.",
        ),
    ] {
        let refused = academy.refusal(&academy.admin, TOOL, arguments).await;
        assert_eq!(refused["error"]["code"], "VALIDATION_ERROR");
        assert_eq!(
            refused["error"]["details"]["fields"],
            json!({ field: [message] })
        );
    }
}

#[tokio::test]
async fn completing_a_cohort_gives_certificates_to_whoever_is_through_and_to_nobody_twice() {
    let academy = Academy::v1().await;
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_enrollments SET progress = 100 WHERE id = 'enr_abc123'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let set = async |status: &str| {
        let arguments = json!({ "cohortId": "coh_xyz789", "status": status });
        academy.call(&academy.admin, TOOL, arguments).await
    };
    set("in_progress").await;
    let certificate = json!({ "enrollmentId": "enr_abc123" });
    let none = academy
        .refusal(&academy.learner, "get_certificate", certificate.clone())
        .await;
    assert_eq!(none["error"]["code"], "CERTIFICATE_NOT_AVAILABLE");
    // Olga Novak was through before, and has no certificate yet.
    assert_eq!(set("completed").await["enrollmentsCompleted"], 2);
    let answer = academy
        .call(&academy.learner, "get_certificate", certificate)
        .await;
    let issued = &answer["certificate"];
    for (field, value) in [
        ("learnerName", json!("Jane Smith")),
        ("courseTitle", json!("AI Fundamentals for Business Leaders")),
        ("cohortName", json!("AI Fundamentals - January 2025")),
        ("completedAt", json!(1_704_067_200_000_i64)),
        ("issuedAt", json!(1_704_067_200_000_i64)),
        ("instructorSignature", json!("Dr. Sarah Chen")),
        ("organizationName", json!("Acme Corp")),
    ] {
        assert_eq!(issued[field], value, "{field}");
    }
    let code = issued["verificationCode"].as_str().unwrap();
    assert!(code.starts_with("AEA-2024-"), "{code}");
    assert!(set("completed").await["enrollmentsCompleted"].is_null());
}

#[tokio::test]
async fn certificates_of_a_cohort_are_told_of_as_they_are_made() {
    let academy = Academy::v1().await;
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_enrollments SET progress = 100 WHERE id = 'enr_abc123'"
    )
    .unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET status = 'in_progress' WHERE id = 'coh_xyz789'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let arguments = json!({ "cohortId": "coh_xyz789", "status": "completed", "stream": true });
    let told = events(streamed(&academy.admin, TOOL, &arguments)).await;
    let step = |completed: i64, user: &str| {
        let data =
            json!({ "completed": completed, "total": 2, "currentUser": user, "status": "success" });
        ("progress".to_owned(), data)
    };
    let complete = json!({
        "cohortId": "coh_xyz789",
        "previousStatus": "in_progress",
        "newStatus": "completed",
        "updatedAt": 1_704_067_200_000_i64,
        "notificationsSent": 0,
        "enrollmentsCompleted": 2
    });
    assert_eq!(
        told,
        [
            step(1, "usr_jane_smith"),
            step(2, "usr_olga_novak"),
            ("complete".to_owned(), complete)
        ]
    );
}
