//! 8.3.

use serde_json::json;

use crate::harness::Academy;

#[tokio::test]
async fn the_catalog_and_a_course_are_those_of_the_specification() {
    let academy = Academy::v2().await;
    let catalog = academy.read(&academy.learner, "academy://courses").await;
    assert_eq!(
        catalog,
        json!({
            "courses": [
                {
                    "id": "crs_ai_foundations",
                    "title": "AI Foundations for Business Leaders",
                    "description": "Comprehensive introduction to AI for business professionals",
                    "format": "2-day intensive",
                    "level": "beginner",
                    "enablementKit": { "slides": 4, "prompts": 1, "templates": 2, "worksheets": 3 },
                    "pricing": { "b2c": 2500, "b2b": 2000 },
                    "nextCohort": { "id": "coh_123", "startDate": "2025-01-13", "spotsAvailable": 25 }
                }
            ]
        })
    );
    let course = academy
        .read(&academy.learner, "academy://courses/crs_ai_foundations")
        .await;
    assert_eq!(
        course["syllabus"]["day1"][0]["activities"],
        json!(["Lecture", "Case Studies", "Group Discussion"])
    );
    assert_eq!(
        course["syllabus"]["day2"][0]["topic"],
        "Practical AI Implementation"
    );
    assert_eq!(course["enablementKit"].as_array().unwrap().len(), 15);
    assert_eq!(
        course["instructors"][0]["bio"],
        "15 years experience in AI education"
    );
}

#[tokio::test]
async fn a_user_s_history_has_its_totals() {
    let academy = Academy::v2().await;
    let history = academy
        .read(&academy.learner, "academy://enrollments/usr_456")
        .await;
    assert_eq!(
        history["statistics"],
        json!({ "totalEnrollments": 2, "completedCourses": 1, "certificatesEarned": 1 })
    );
    assert_eq!(
        history["enrollments"][0],
        json!({
            "id": "enr_123",
            "courseId": "crs_ai_foundations",
            "cohortId": "coh_456",
            "status": "active",
            "enrolledAt": "2024-12-01T10:00:00Z",
            "progress": { "materialsAccessed": 12, "chatMessages": 45, "officeHoursBooked": 2 }
        })
    );
}

#[tokio::test]
async fn rosters_and_dashboards_are_for_administrators() {
    let academy = Academy::v2().await;
    let roster = academy
        .read(&academy.admin, "academy://cohorts/coh_456/roster")
        .await;
    let john = roster["enrollments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == "enr_123");
    assert_eq!(
        *john.unwrap(),
        json!({
            "id": "enr_123",
            "user": { "id": "usr_456", "email": "john@company.com", "name": "John Doe" },
            "organization": { "id": "org_789", "name": "Acme Corp" },
            "status": "active",
            "progress": { "materialsAccessed": 12, "totalMaterials": 15, "engagementScore": 0.73 }
        })
    );
    let dashboard = academy
        .read(&academy.admin, "academy://organizations/org_789/dashboard")
        .await;
    assert_eq!(
        dashboard["enrollments"],
        json!({ "total": 19, "active": 18, "completed": 1 })
    );
    assert_eq!(dashboard["cohorts"][0]["enrollmentCount"], 18);
    for uri in [
        "academy://cohorts/coh_456/roster",
        "academy://organizations/org_789/dashboard",
    ] {
        let reply = academy
            .mcp(&academy.learner)
            .request("resources/read", json!({ "uri": uri }))
            .await;
        assert_eq!(
            reply.error()["data"]["error"]["code"],
            "SCOPE_REQUIRED",
            "{uri}"
        );
    }
}
