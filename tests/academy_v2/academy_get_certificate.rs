//! 8.2.6.

use serde_json::json;

use super::link;
use crate::harness::Academy;

const TOOL: &str = "academy_get_certificate";

#[tokio::test]
async fn the_example_of_the_specification_comes_true_but_for_the_blockchain_that_there_is_not() {
    let academy = Academy::v2().await;
    let mut answer = academy
        .call(&academy.learner, TOOL, json!({ "enrollmentId": "enr_100" }))
        .await;
    for format in ["pdf", "png", "svg"] {
        let file = &mut answer["certificate"]["downloads"][format];
        link(
            file,
            &format!("/academy/certificates/cert_700.{format}"),
            format,
        );
    }
    assert_eq!(
        answer,
        json!({
            "certificate": {
                "id": "cert_700",
                "enrollmentId": "enr_100",
                "status": "issued",
                "issuedAt": "2024-11-18T10:00:00Z",
                "verificationUrl": format!("{}/verify/cert_700", academy.gateway.base),
                "credential": {
                    "type": "completion",
                    "courseName": "AI Foundations for Business Leaders",
                    "learnerName": "John Doe",
                    "completionDate": "2024-11-18",
                    "credentialId": "AIEA-2024-123400"
                },
                "downloads": { "pdf": "pdf", "png": "png", "svg": "svg" }
            }
        })
    );
}

#[tokio::test]
async fn a_course_that_is_under_way_has_none() {
    let academy = Academy::v2().await;
    assert_eq!(
        academy
            .refusal(&academy.learner, TOOL, json!({ "enrollmentId": "enr_123" }))
            .await,
        json!({
            "error": {
                "code": "ACCESS_DENIED",
                "message": "Certificate is only available for completed enrollments",
                "details": { "enrollmentStatus": "active", "progress": 40 }
            }
        })
    );
}

#[tokio::test]
async fn a_format_names_the_files_that_are_wanted() {
    let academy = Academy::v2().await;
    for (format, wanted) in [
        ("metadata", &["pdf", "png", "svg"][..]),
        ("pdf_url", &["pdf"]),
        ("image_url", &["png", "svg"]),
    ] {
        let arguments = json!({ "enrollmentId": "enr_100", "format": format });
        let answer = academy.call(&academy.learner, TOOL, arguments).await;
        let downloads = answer["certificate"]["downloads"].as_object().unwrap();
        let named: Vec<&String> = downloads.keys().collect();
        assert_eq!(named, wanted, "{format}");
    }
}
