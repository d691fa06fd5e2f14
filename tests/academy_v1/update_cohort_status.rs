//! 6.3.2.9.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "update_cohort_status";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
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
