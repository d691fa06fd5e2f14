//! 6.3.2.2.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "get_course_details";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    let arguments = json!({ "courseSlug": "ai-fundamentals" });
    assert_eq!(
        academy.call(&academy.learner, TOOL, arguments).await,
        json!({
            "course": {
                "id": "crs_ai_fund_001",
                "title": "AI Fundamentals for Business Leaders",
                "slug": "ai-fundamentals",
                "description": "2-day intensive workshop for executives and managers to understand AI capabilities and strategic applications",
                "longDescription": "This comprehensive program equips business leaders with the knowledge to evaluate AI opportunities, understand technical constraints, and lead AI transformation initiatives within their organizations.",
                "duration": "2 days (16 hours total)",
                "level": "beginner",
                "prerequisites": [
                    "Basic understanding of business strategy",
                    "No technical background required"
                ],
                "learningObjectives": [
                    "Understand core AI/ML concepts and terminology",
                    "Evaluate AI use cases for business value",
                    "Identify technical and organizational constraints",
                    "Develop AI transformation roadmaps"
                ],
                "curriculum": [
                    {
                        "moduleNumber": 1,
                        "title": "AI Landscape & Capabilities",
                        "topics": [
                            "Machine Learning fundamentals",
                            "Large Language Models (LLMs)",
                            "Computer Vision & NLP",
                            "AI vs. traditional software"
                        ],
                        "duration": "4 hours"
                    },
                    {
                        "moduleNumber": 2,
                        "title": "Strategic AI Applications",
                        "topics": [
                            "Use case identification",
                            "ROI evaluation frameworks",
                            "Build vs. buy decisions",
                            "Vendor evaluation"
                        ],
                        "duration": "4 hours"
                    },
                    {
                        "moduleNumber": 3,
                        "title": "AI Implementation & Governance",
                        "topics": [
                            "Data readiness assessment",
                            "Team structure & skills",
                            "Ethics & bias mitigation",
                            "Compliance & risk management"
                        ],
                        "duration": "4 hours"
                    },
                    {
                        "moduleNumber": 4,
                        "title": "AI Transformation Roadmap",
                        "topics": [
                            "Phased rollout strategies",
                            "Change management",
                            "Measuring success",
                            "Workshop: Build your roadmap"
                        ],
                        "duration": "4 hours"
                    }
                ],
                "pricing": {
                    "individual": 2500,
                    "corporate": 2000,
                    "currency": "USD"
                },
                "upcomingCohorts": [
                    {
                        "cohortId": "coh_xyz789",
                        "cohortName": "AI Fundamentals - January 2025",
                        "startDate": 1_704_153_600_000_i64,
                        "endDate": 1_704_758_400_000_i64,
                        "modality": "online",
                        "availableSeats": 8,
                        "totalSeats": 25,
                        "instructorName": "Dr. Sarah Chen"
                    },
                    {
                        "cohortId": "coh_abc123",
                        "cohortName": "AI Fundamentals - February 2025 (NYC)",
                        "startDate": 1_706_745_600_000_i64,
                        "endDate": 1_707_350_400_000_i64,
                        "modality": "in-person",
                        "location": "New York, NY",
                        "availableSeats": 15,
                        "totalSeats": 20,
                        "instructorName": "Marcus Johnson"
                    }
                ],
                "enablementKitIncluded": true,
                "certificateOffered": true
            }
        })
    );
}

#[tokio::test]
async fn a_course_that_is_not_there_is_not_found() {
    let academy = Academy::v1().await;
    let arguments = json!({ "courseSlug": "' OR 1=1--" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, arguments).await,
        json!({
            "error": { "code": "RESOURCE_NOT_FOUND", "message": "The requested course does not exist." }
        })
    );
}
