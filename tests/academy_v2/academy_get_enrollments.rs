//! 8.2.1.

use std::time::Duration;

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "academy_get_enrollments";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v2().await;
    assert_eq!(
        academy
            .call(&academy.learner, TOOL, json!({ "userId": "usr_456" }))
            .await,
        json!({
            "enrollments": [
                {
                    "id": "enr_123",
                    "courseId": "crs_ai_foundations",
                    "courseName": "AI Foundations for Business Leaders",
                    "cohortId": "coh_456",
                    "cohortName": "December 2024 Cohort",
                    "status": "active",
                    "enrolledAt": "2024-12-01T10:00:00Z",
                    "expiresAt": "2025-02-01T10:00:00Z",
                    "progress": {
                        "materialsAccessed": 12,
                        "totalMaterials": 15,
                        "chatMessages": 45,
                        "officeHoursBooked": 2,
                        "certificateEarned": false
                    },
                    "access": {
                        "materials": true,
                        "chat": true,
                        "officeHours": true,
                        "certificate": false
                    }
                }
            ]
        })
    );
}

#[tokio::test]
async fn an_enrollment_that_ran_out_is_expired_and_closed() {
    let academy = Academy::v2().await;
    academy.gateway.advance(Duration::from_secs(70 * 86_400));
    let answer = academy
        .call(&academy.learner, TOOL, json!({ "status": "expired" }))
        .await;
    assert_eq!(answer["enrollments"][0]["id"], "enr_123");
    assert_eq!(answer["enrollments"][0]["status"], "expired");
    assert_eq!(answer["enrollments"][0]["access"]["materials"], false);
}

#[tokio::test]
async fn somebody_else_s_enrollments_are_denied_whether_they_exist_or_not() {
    let academy = Academy::v2().await;
    for id in ["usr_500", "usr_nobody"] {
        assert_eq!(
            academy
                .refusal(&academy.learner, TOOL, json!({ "userId": id }))
                .await,
            json!({ "error": { "code": "ACCESS_DENIED", "message": "You do not have access to this user" } })
        );
    }
    let theirs = academy
        .call(&academy.admin, TOOL, json!({ "userId": "usr_500" }))
        .await;
    assert_eq!(theirs["enrollments"][0]["id"], "enr_200");
}
