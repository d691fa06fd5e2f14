//! 8.2.8.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "academy_admin_enrollment_stats";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v2().await;
    let answer = academy
        .call(&academy.admin, TOOL, json!({ "cohortId": "coh_456" }))
        .await;
    assert_eq!(
        answer,
        json!({
            "cohortId": "coh_456",
            "period": { "start": "2024-12-01T00:00:00Z", "end": "2024-12-15T23:59:59Z" },
            "enrollments": {
                "total": 24, "active": 22, "completed": 0, "dropped": 2, "b2b": 18, "b2c": 6
            },
            "engagement": {
                "averageMaterialsAccessed": 12.5,
                "averageChatMessages": 45.2,
                "averageOfficeHoursBooked": 2.1,
                "activeUsers": { "daily": 18, "weekly": 22 }
            },
            "materials": {
                "mostAccessed": [
                    { "id": "mat_789", "name": "Module 1: AI Fundamentals", "accessCount": 88 },
                    { "id": "mat_790", "name": "Prompt Engineering Templates", "accessCount": 24 },
                    { "id": "mat_791", "name": "Module 2: Prompt Engineering", "accessCount": 24 }
                ],
                "downloadRate": 0.88
            },
            "chat": {
                "totalMessages": 1085,
                "averageResponseTime": 2.4,
                "satisfactionScore": 4.7,
                "topTopics": ["prompt engineering", "use cases", "implementation"]
            },
            "officeHours": {
                "totalBookings": 51,
                "completedSessions": 46,
                "noShows": 3,
                "averageRating": 4.9
            },
            "completion": { "onTrack": 20, "atRisk": 2, "projectedCompletionRate": 0.91 }
        })
    );
}

#[tokio::test]
async fn only_the_wanted_metrics_are_answered() {
    let academy = Academy::v2().await;
    let arguments = json!({ "cohortId": "coh_456", "metrics": ["completion"] });
    let answer = academy.call(&academy.admin, TOOL, arguments).await;
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["cohortId", "period", "enrollments", "completion"]);
}
