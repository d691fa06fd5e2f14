//! 6.3.2.8.

use mentor_gateway::sql;
use serde_json::json;

use crate::harness::{Academy, Client, Gateway, Mcp, cli};

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

#[tokio::test]
async fn an_instructor_without_a_profile_of_their_own_is_known_by_their_address() {
    let academy = Academy::v1().await;
    let change = async |text: &'static str| {
        let mut tx = academy.write().await;
        sql!(
            &mut tx,
            execute,
            "UPDATE academy_instructors SET person_id = NULL, email = $1 WHERE id = 'ins_sarah_chen'",
            text
        )
        .unwrap();
        tx.commit().await.unwrap();
    };
    let own = json!({ "cohortId": "coh_xyz789" });
    change("Sarah.Chen@academy.example").await;
    let seen = academy.call(&academy.instructor, TOOL, own.clone()).await;
    assert_eq!(seen["enrolledCount"], 17);
    change("somebody.else@academy.example").await;
    let refused = academy.refusal(&academy.instructor, TOOL, own).await;
    assert_eq!(refused["error"]["code"], "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn the_instructor_of_the_demo_sees_and_writes_to_their_cohort() {
    let gateway = Gateway::start().await;
    cli::said(&gateway, &["demo", "--once"]).await;
    let key = std::fs::read_to_string(gateway.app.config.data_dir.join("dave.aea.key")).unwrap();
    let dave = Client::new(&gateway.base, "acme", "dave", Some(key.trim().to_owned()));
    let mcp = Mcp::modern(&dave, "/mcp/v1/");
    let own = json!({ "cohortId": "coh_xyz789" });
    let roster = mcp.call(TOOL, own).await;
    assert_eq!(roster.structured()["enrolledCount"], 17);
    let letter = json!({
        "cohortId": "coh_xyz789", "subject": "Hi", "message": "Hi", "priority": "low",
        "targetStatuses": ["active"]
    });
    let sent = mcp.call("send_cohort_notification", letter).await;
    assert_eq!(sent.structured()["recipientCount"], 15);
    let other = mcp.call(TOOL, json!({ "cohortId": "coh_abc123" })).await;
    assert!(
        other.text().contains("RESOURCE_NOT_FOUND"),
        "{}",
        other.text()
    );
}
