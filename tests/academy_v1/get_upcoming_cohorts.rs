//! 6.3.2.3.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "get_upcoming_cohorts";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    let arguments =
        json!({ "modality": "online", "startDateAfter": 1_704_067_200_000_i64, "limit": 10 });
    assert_eq!(
        academy.call(&academy.learner, TOOL, arguments).await,
        json!({
            "cohorts": [
                {
                    "cohortId": "coh_xyz789",
                    "cohortName": "AI Fundamentals - January 2025",
                    "courseId": "crs_ai_fund_001",
                    "courseTitle": "AI Fundamentals for Business Leaders",
                    "courseSlug": "ai-fundamentals",
                    "startDate": 1_704_153_600_000_i64,
                    "endDate": 1_704_758_400_000_i64,
                    "modality": "online",
                    "availableSeats": 8,
                    "totalSeats": 25,
                    "instructorName": "Dr. Sarah Chen",
                    "instructorBio": "15+ years in AI research, former Google Brain researcher",
                    "pricing": {
                        "individual": 2500,
                        "corporate": 2000,
                        "currency": "USD"
                    },
                    "registrationDeadline": 1_703_980_800_000_i64,
                    "status": "open"
                }
            ],
            "totalCount": 1,
            "hasMore": false
        })
    );
}

#[tokio::test]
async fn a_page_says_whether_there_is_more() {
    let academy = Academy::v1().await;
    let page = academy
        .call(&academy.learner, TOOL, json!({ "limit": 1 }))
        .await;
    assert_eq!(page["totalCount"], 2);
    assert_eq!(page["hasMore"], true);
    assert_eq!(page["cohorts"][0]["cohortId"], "coh_xyz789");
}

#[tokio::test]
async fn numbers_out_of_their_range_are_refused() {
    let academy = Academy::v1().await;
    for (arguments, field, message) in [
        (json!({ "limit": 0 }), "limit", "Must be at least 1."),
        (json!({ "limit": 101 }), "limit", "Must be at most 100."),
        (
            json!({ "limit": 1_000_000_000 }),
            "limit",
            "Must be at most 100.",
        ),
        (json!({ "limit": 1.5 }), "limit", "Must be a whole number."),
        (json!({ "limit": "10" }), "limit", "Must be a number."),
        // Seconds, where milliseconds belong.
        (
            json!({ "startDateAfter": 1_704_067_200 }),
            "startDateAfter",
            "Must be at least 100000000000.",
        ),
    ] {
        let refused = academy.refusal(&academy.learner, TOOL, arguments).await;
        assert_eq!(
            refused,
            json!({
                "error": {
                    "code": "VALIDATION_ERROR",
                    "message": format!("Input validation failed: {field}: {message}"),
                    "details": { "fields": { field: [message] } }
                }
            })
        );
    }
}
