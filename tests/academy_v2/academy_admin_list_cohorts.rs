//! 8.2.7.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "academy_admin_list_cohorts";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v2().await;
    assert_eq!(
        academy
            .call(&academy.admin, TOOL, json!({ "status": "in_progress" }))
            .await,
        json!({
            "cohorts": [
                {
                    "id": "coh_456",
                    "courseId": "crs_ai_foundations",
                    "courseName": "AI Foundations for Business Leaders",
                    "name": "December 2024 Cohort",
                    "status": "in_progress",
                    "schedule": {
                        "startDate": "2024-12-01",
                        "endDate": "2024-12-15",
                        "sessions": [
                            { "date": "2024-12-01", "type": "in-person" },
                            { "date": "2024-12-02", "type": "in-person" }
                        ]
                    },
                    "enrollments": { "total": 24, "active": 22, "completed": 0, "dropped": 2 },
                    "capacity": { "max": 25, "available": 3 }
                }
            ],
            "pagination": { "total": 1, "limit": 50, "offset": 0, "hasMore": false }
        })
    );
}

#[tokio::test]
async fn pages_follow_each_other() {
    let academy = Academy::v2().await;
    let page = academy
        .call(&academy.admin, TOOL, json!({ "limit": 2, "offset": 0 }))
        .await;
    assert_eq!(
        page["pagination"],
        json!({ "total": 3, "limit": 2, "offset": 0, "hasMore": true })
    );
    let last = academy
        .call(&academy.admin, TOOL, json!({ "limit": 2, "offset": 2 }))
        .await;
    assert_eq!(
        last["pagination"],
        json!({ "total": 3, "limit": 2, "offset": 2, "hasMore": false })
    );
    assert_eq!(last["cohorts"][0]["id"], "coh_123");
    for limit in [0, 101, 1_000_000_000] {
        let refused = academy
            .refusal(&academy.admin, TOOL, json!({ "limit": limit }))
            .await;
        assert_eq!(refused["error"]["code"], "VALIDATION_ERROR", "{limit}");
    }
}
