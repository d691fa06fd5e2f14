//! 8.2.2.

use std::time::Duration;

use serde_json::json;

use super::link;
use crate::harness::Academy;

const TOOL: &str = "academy_get_materials";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v2().await;
    let arguments = json!({ "courseId": "crs_ai_foundations" });
    let mut answer = academy.call(&academy.learner, TOOL, arguments).await;
    let materials = answer["materials"].as_array_mut().unwrap();
    assert_eq!(materials.len(), 15);
    materials.truncate(2);
    for material in &mut *materials {
        // Ten minutes instead of the document's day: links end up in the context of a model.
        assert_eq!(material["expiresAt"], "2024-12-02T10:10:00Z");
        let path = format!(
            "/academy/materials/{}/download",
            material["id"].as_str().unwrap()
        );
        link(&mut material["downloadUrl"], &path, "a link");
    }
    assert_eq!(
        answer,
        json!({
            "materials": [
                {
                    "id": "mat_789",
                    "type": "slides",
                    "name": "Module 1: AI Fundamentals",
                    "description": "Introduction to AI concepts and business applications",
                    "format": "pdf",
                    "size": 2_458_624,
                    "pageCount": 45,
                    "downloadUrl": "a link",
                    "expiresAt": "2024-12-02T10:10:00Z",
                    "metadata": {
                        "module": 1,
                        "session": "Day 1 Morning",
                        "tags": ["fundamentals", "business-value"]
                    }
                },
                {
                    "id": "mat_790",
                    "type": "prompts",
                    "name": "Prompt Engineering Templates",
                    "description": "50 ready-to-use prompts for business scenarios",
                    "format": "markdown",
                    "size": 125_440,
                    "downloadUrl": "a link",
                    "expiresAt": "2024-12-02T10:10:00Z",
                    "metadata": { "promptCount": 50, "categories": ["analysis", "writing", "strategy"] }
                }
            ]
        })
    );
}

#[tokio::test]
async fn slides_are_four_and_content_is_their_text() {
    let academy = Academy::v2().await;
    let arguments =
        json!({ "courseId": "crs_ai_foundations", "type": "slides", "format": "content" });
    let answer = academy.call(&academy.learner, TOOL, arguments).await;
    let materials = answer["materials"].as_array().unwrap();
    assert_eq!(materials.len(), 4);
    assert!(
        materials[1]["content"]
            .as_str()
            .unwrap()
            .contains("Be specific")
    );
}

#[tokio::test]
async fn who_is_not_enrolled_or_no_longer_gets_nothing() {
    let academy = Academy::v2().await;
    let arguments = json!({ "courseId": "crs_ai_foundations" });
    assert_eq!(
        academy
            .refusal(&academy.instructor, TOOL, arguments.clone())
            .await,
        json!({
            "error": {
                "code": "ACCESS_DENIED",
                "message": "You need an active enrollment to access these materials"
            }
        })
    );
    let unknown = academy
        .refusal(&academy.learner, TOOL, json!({ "courseId": "crs_x" }))
        .await;
    assert_eq!(unknown["error"]["code"], "RESOURCE_NOT_FOUND");
    academy.gateway.advance(Duration::from_secs(70 * 86_400));
    let expired = academy.refusal(&academy.learner, TOOL, arguments).await;
    assert_eq!(expired["error"]["code"], "ENROLLMENT_EXPIRED");
}
