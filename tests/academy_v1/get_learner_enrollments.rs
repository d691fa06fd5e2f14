//! 6.3.2.1.

use serde_json::json;

use super::link;
use crate::harness::Academy;

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    let mut answer = academy
        .call(&academy.learner, "get_learner_enrollments", json!({}))
        .await;
    let url = "https://cdn.academy.ai/certificates/enr_def456.pdf";
    link(
        &mut answer["enrollments"][1]["certificateUrl"],
        "/academy/certificates/cert_xyz123.pdf",
        url,
    );
    assert_eq!(
        answer,
        json!({
            "enrollments": [
                {
                    "id": "enr_abc123",
                    "cohortId": "coh_xyz789",
                    "cohortName": "AI Fundamentals - January 2025",
                    "courseTitle": "AI Fundamentals for Business Leaders",
                    "courseSlug": "ai-fundamentals",
                    "status": "active",
                    "enrolledAt": 1_704_067_200_000_i64,
                    "progressPercentage": 65,
                    "startDate": 1_704_153_600_000_i64,
                    "endDate": 1_704_758_400_000_i64,
                    "instructorName": "Dr. Sarah Chen",
                    "modality": "online"
                },
                {
                    "id": "enr_def456",
                    "cohortId": "coh_uvw456",
                    "cohortName": "Prompt Engineering - December 2024",
                    "courseTitle": "Advanced Prompt Engineering",
                    "courseSlug": "prompt-engineering",
                    "status": "completed",
                    "enrolledAt": 1_701_388_800_000_i64,
                    "completedAt": 1_703_980_800_000_i64,
                    "certificateUrl": url,
                    "progressPercentage": 100,
                    "startDate": 1_701_561_600_000_i64,
                    "endDate": 1_703_980_800_000_i64,
                    "instructorName": "Marcus Johnson",
                    "modality": "in-person"
                }
            ],
            "totalCount": 2
        })
    );
}

#[tokio::test]
async fn a_key_whose_user_has_no_profile_has_no_enrollments() {
    let academy = Academy::v1().await;
    let answer = academy
        .call(&academy.admin, "get_learner_enrollments", json!({}))
        .await;
    assert_eq!(answer, json!({ "enrollments": [], "totalCount": 0 }));
}
