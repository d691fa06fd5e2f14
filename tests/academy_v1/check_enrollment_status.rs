//! 6.3.2.4.

use std::time::Duration;

use mentor_gateway::sql;
use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "check_enrollment_status";

#[tokio::test]
async fn whoever_is_enrolled_is_told_so() {
    let academy = Academy::v1().await;
    let arguments = json!({ "cohortId": "coh_xyz789" });
    assert_eq!(
        academy.call(&academy.learner, TOOL, arguments).await,
        json!({
            "enrollment": {
                "isEnrolled": true,
                "enrollmentId": "enr_abc123",
                "status": "active",
                "enrolledAt": 1_704_067_200_000_i64,
                "progressPercentage": 65,
                "canEnroll": false,
                "enrollmentBlockers": ["Already enrolled in this cohort"]
            }
        })
    );
}

#[tokio::test]
async fn whoever_is_not_enrolled_learns_what_is_in_the_way() {
    let academy = Academy::v1().await;
    let arguments = json!({ "cohortId": "coh_abc123" });
    assert_eq!(
        academy
            .call(&academy.learner, TOOL, arguments.clone())
            .await,
        json!({ "enrollment": { "isEnrolled": false, "canEnroll": true, "enrollmentBlockers": [] } })
    );
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET seats_total = 25, seats_taken = 25 WHERE id = 'coh_abc123'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    academy.gateway.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(
        academy.call(&academy.learner, TOOL, arguments).await,
        json!({
            "enrollment": {
                "isEnrolled": false,
                "canEnroll": false,
                "enrollmentBlockers": [
                    "Cohort is at full capacity (25/25 seats)",
                    "Registration deadline has passed"
                ]
            }
        })
    );
}

#[tokio::test]
async fn a_cohort_that_is_not_there_is_not_found() {
    let academy = Academy::v1().await;
    let arguments = json!({ "cohortId": "coh_nowhere" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, arguments).await,
        json!({
            "error": { "code": "RESOURCE_NOT_FOUND", "message": "The requested cohort does not exist." }
        })
    );
}
