//! 6.3.2.10.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "send_cohort_notification";

#[tokio::test]
async fn the_example_of_the_specification_comes_true_but_for_what_is_still_in_the_outbox() {
    let academy = Academy::v1().await;
    let arguments = json!({
        "cohortId": "coh_xyz789",
        "subject": "Week 2 Materials Now Available",
        "message": "# Week 2: Strategic AI Applications",
        "priority": "normal",
        "includeInstructorContact": true,
        "targetStatuses": ["active"]
    });
    let mut sent = academy.call(&academy.instructor, TOOL, arguments).await;
    assert!(
        sent["notificationId"]
            .as_str()
            .unwrap()
            .starts_with("notif_")
    );
    sent["notificationId"] = "notif_abc123".into();
    assert_eq!(
        sent,
        json!({
            "cohortId": "coh_xyz789",
            "notificationId": "notif_abc123",
            "recipientCount": 15,
            "sentAt": 1_704_067_200_000_i64,
            "deliveryStatus": { "sent": 0, "failed": 0, "pending": 15 },
            "notice": "No mail server is set: the mails wait in the outbox."
        })
    );
}

#[tokio::test]
async fn an_instructor_writes_to_no_other_cohort() {
    let academy = Academy::v1().await;
    let arguments =
        json!({ "cohortId": "coh_abc123", "subject": "Hi", "message": "Hi", "priority": "low" });
    let refused = academy.refusal(&academy.instructor, TOOL, arguments).await;
    assert_eq!(refused["error"]["code"], "RESOURCE_NOT_FOUND");
}
