//! 6.3.2.8.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "get_cohort_roster";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    let arguments = json!({ "cohortId": "coh_xyz789", "includeWithdrawn": false });
    let mut answer = academy.call(&academy.admin, TOOL, arguments).await;
    let roster = answer["roster"].as_array_mut().unwrap();
    assert_eq!(roster.len(), 17);
    roster.truncate(2);
    // The document gives this enrollment an id that is another's in its other examples.
    assert_eq!(roster[1]["enrollmentId"], "enr_ghi789");
    roster[1]["enrollmentId"] = "enr_def456".into();
    assert_eq!(
        answer,
        json!({
            "cohortId": "coh_xyz789",
            "cohortName": "AI Fundamentals - January 2025",
            "courseTitle": "AI Fundamentals for Business Leaders",
            "startDate": 1_704_153_600_000_i64,
            "endDate": 1_704_758_400_000_i64,
            "totalSeats": 25,
            "enrolledCount": 17,
            "activeCount": 15,
            "completedCount": 2,
            "roster": [
                {
                    "enrollmentId": "enr_abc123",
                    "userId": "usr_jane_smith",
                    "learnerName": "Jane Smith",
                    "learnerEmail": "jane.smith@example.com",
                    "organizationName": "Acme Corp",
                    "enrollmentType": "corporate",
                    "status": "active",
                    "enrolledAt": 1_704_067_200_000_i64,
                    "progressPercentage": 65,
                    "lastActivityAt": 1_704_326_400_000_i64,
                    "certificateIssued": false
                },
                {
                    "enrollmentId": "enr_def456",
                    "userId": "usr_john_doe",
                    "learnerName": "John Doe",
                    "learnerEmail": "john.doe@example.com",
                    "enrollmentType": "standard",
                    "status": "completed",
                    "enrolledAt": 1_704_067_200_000_i64,
                    "completedAt": 1_704_672_000_000_i64,
                    "progressPercentage": 100,
                    "lastActivityAt": 1_704_672_000_000_i64,
                    "certificateIssued": true
                }
            ]
        })
    );
}

#[tokio::test]
async fn an_instructor_sees_their_own_cohort_and_no_other() {
    let academy = Academy::v1().await;
    let own = academy
        .call(
            &academy.instructor,
            TOOL,
            json!({ "cohortId": "coh_xyz789" }),
        )
        .await;
    assert_eq!(own["enrolledCount"], 17);
    for id in ["coh_abc123", "coh_nowhere"] {
        let refused = academy
            .refusal(&academy.instructor, TOOL, json!({ "cohortId": id }))
            .await;
        assert_eq!(
            refused,
            json!({
                "error": { "code": "RESOURCE_NOT_FOUND", "message": "The requested cohort does not exist." }
            })
        );
    }
}
