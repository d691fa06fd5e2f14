//! 6.3.2.5.

use std::time::Duration;

use serde_json::json;

use super::link;
use crate::harness::Academy;

const TOOL: &str = "get_enablement_kit";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    let arguments = json!({ "enrollmentId": "enr_abc123" });
    let mut kit = academy.call(&academy.learner, TOOL, arguments).await;
    let urls = [
        "https://cdn.academy.ai/kits/enr_abc123/playbook.pdf",
        "https://cdn.academy.ai/kits/enr_abc123/roi-calculator.xlsx",
        "https://cdn.academy.ai/kits/enr_abc123/case-study-retail.mp4",
        "https://academy.ai/tools/vendor-eval?kit=enr_abc123",
    ];
    for (at, url) in urls.into_iter().enumerate() {
        let material = &mut kit["kit"]["materials"][at];
        let file = format!(
            "/academy/materials/{}/download",
            material["id"].as_str().unwrap()
        );
        link(&mut material["downloadUrl"], &file, url);
    }
    let own = &mut kit["kit"]["customResources"]["customTemplates"][0]["downloadUrl"];
    let file = "/academy/materials/mat_custom_001/download";
    link(
        own,
        file,
        "https://cdn.academy.ai/kits/enr_abc123/acme-governance.pdf",
    );
    assert_eq!(
        kit,
        json!({
            "kit": {
                "enrollmentId": "enr_abc123",
                "cohortName": "AI Fundamentals - January 2025",
                "courseTitle": "AI Fundamentals for Business Leaders",
                "generatedAt": 1_704_067_200_000_i64,
                "materials": [
                    {
                        "id": "mat_001",
                        "title": "AI Strategy Playbook",
                        "type": "pdf",
                        "description": "Comprehensive guide to developing AI strategy",
                        "downloadUrl": "https://cdn.academy.ai/kits/enr_abc123/playbook.pdf",
                        "fileSize": 2457600,
                        "updatedAt": 1_704_067_200_000_i64
                    },
                    {
                        "id": "mat_002",
                        "title": "ROI Calculator Template",
                        "type": "template",
                        "description": "Excel template for AI project ROI calculation",
                        "downloadUrl": "https://cdn.academy.ai/kits/enr_abc123/roi-calculator.xlsx",
                        "fileSize": 512000,
                        "updatedAt": 1_704_067_200_000_i64
                    },
                    {
                        "id": "mat_003",
                        "title": "Case Study: Retail AI Transformation",
                        "type": "video",
                        "description": "20-minute case study walkthrough",
                        "downloadUrl": "https://cdn.academy.ai/kits/enr_abc123/case-study-retail.mp4",
                        "duration": "20:35",
                        "updatedAt": 1_704_067_200_000_i64
                    },
                    {
                        "id": "mat_004",
                        "title": "AI Vendor Evaluation Checklist",
                        "type": "interactive",
                        "description": "Interactive scoring tool for vendor assessment",
                        "downloadUrl": "https://academy.ai/tools/vendor-eval?kit=enr_abc123",
                        "updatedAt": 1_704_067_200_000_i64
                    }
                ],
                "customResources": {
                    "organizationName": "Acme Corp",
                    "customTemplates": [
                        {
                            "id": "mat_custom_001",
                            "title": "Acme Corp AI Governance Framework",
                            "type": "pdf",
                            "description": "Organization-specific governance template",
                            "downloadUrl": "https://cdn.academy.ai/kits/enr_abc123/acme-governance.pdf",
                            "fileSize": 1024000,
                            "updatedAt": 1_704_067_200_000_i64
                        }
                    ]
                }
            }
        })
    );
}

#[tokio::test]
async fn the_kit_of_somebody_else_is_as_one_that_is_not_there() {
    let academy = Academy::v1().await;
    for id in ["enr_ghi789", "enr_nowhere"] {
        let refused = academy
            .refusal(&academy.learner, TOOL, json!({ "enrollmentId": id }))
            .await;
        assert_eq!(
            refused,
            json!({
                "error": { "code": "RESOURCE_NOT_FOUND", "message": "The requested enrollment does not exist." }
            })
        );
    }
}

#[tokio::test]
async fn the_kit_closes_with_the_enrollment() {
    let academy = Academy::v1().await;
    academy.gateway.advance(Duration::from_secs(90 * 86_400));
    let arguments = json!({ "enrollmentId": "enr_abc123" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, arguments).await,
        json!({
            "error": {
                "code": "INSUFFICIENT_PERMISSIONS",
                "message": "This enrollment has expired",
                "details": { "enrollmentId": "enr_abc123", "expiredAt": 1_711_843_200_000_i64 }
            }
        })
    );
}
