//! 6.3.2.6.

use serde_json::json;

use super::link;
use crate::harness::Academy;

const TOOL: &str = "get_certificate";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    let arguments = json!({ "enrollmentId": "enr_def456" });
    let mut answer = academy.call(&academy.learner, TOOL, arguments).await;
    let certificate = &mut answer["certificate"];
    let url = "https://cdn.academy.ai/certificates/cert_xyz123.pdf";
    link(
        &mut certificate["certificateUrl"],
        "/academy/certificates/cert_xyz123.pdf",
        url,
    );
    let page = format!("{}/verify/cert_xyz123", academy.gateway.base);
    assert_eq!(certificate["verificationUrl"], page);
    certificate["verificationUrl"] = "https://academy.ai/verify/cert_xyz123".into();
    assert_eq!(
        answer,
        json!({
            "certificate": {
                "id": "cert_xyz123",
                "enrollmentId": "enr_def456",
                "learnerName": "Jane Smith",
                "courseTitle": "Advanced Prompt Engineering",
                "cohortName": "Prompt Engineering - December 2024",
                "completedAt": 1_703_980_800_000_i64,
                "issuedAt": 1_703_980_800_000_i64,
                "certificateUrl": "https://cdn.academy.ai/certificates/cert_xyz123.pdf",
                "verificationUrl": "https://academy.ai/verify/cert_xyz123",
                "verificationCode": "AEA-2024-XYZ123",
                "credentialId": "0x1a2b3c4d5e6f7g8h9i0j",
                "skills": [
                    "Prompt Engineering",
                    "LLM Architecture Understanding",
                    "AI Safety & Alignment",
                    "Production Prompt Optimization"
                ],
                "instructorSignature": "Marcus Johnson, Lead AI Engineer",
                "organizationName": "Acme Corp"
            }
        })
    );
}

#[tokio::test]
async fn a_course_that_is_under_way_has_no_certificate_yet() {
    let academy = Academy::v1().await;
    let arguments = json!({ "enrollmentId": "enr_abc123" });
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, arguments).await,
        json!({
            "error": {
                "code": "CERTIFICATE_NOT_AVAILABLE",
                "message": "Certificate is only available for completed enrollments",
                "details": {
                    "enrollmentStatus": "active",
                    "progressPercentage": 65,
                    "requiredPercentage": 100
                }
            }
        })
    );
}
