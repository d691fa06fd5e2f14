//! 8.2.10.

use serde_json::json;

use crate::harness::{Academy, MailServer};

const TOOL: &str = "academy_admin_create_enrollment";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let server = MailServer::start().await;
    let academy = Academy::v2_with(|settings| server.set(settings)).await;
    let arguments =
        json!({ "userId": "usr_456", "cohortId": "coh_123", "organizationId": "org_789" });
    let mut answer = academy.call(&academy.admin, TOOL, arguments).await;
    assert!(
        answer["enrollment"]["id"]
            .as_str()
            .unwrap()
            .starts_with("enr_")
    );
    answer["enrollment"]["id"] = "enr_789".into();
    assert_eq!(
        answer,
        json!({
            "enrollment": {
                "id": "enr_789",
                "userId": "usr_456",
                "cohortId": "coh_123",
                "organizationId": "org_789",
                "status": "active",
                "createdAt": "2024-12-02T10:00:00Z",
                "expiresAt": "2025-03-14T00:00:00Z",
                "access": { "materials": true, "chat": true, "officeHours": true }
            },
            "user": { "id": "usr_456", "email": "john@company.com", "created": false },
            "notifications": { "welcomeEmailSent": true }
        })
    );
}

#[tokio::test]
async fn whoever_is_not_known_yet_is_made() {
    let academy = Academy::v2().await;
    let arguments = json!({
        "email": "New.Person@Company.com",
        "cohortId": "coh_123",
        "organizationId": "org_789",
        "sendWelcomeEmail": false
    });
    let made = academy.call(&academy.admin, TOOL, arguments.clone()).await;
    assert_eq!(made["user"]["created"], true);
    assert_eq!(made["user"]["email"], "new.person@company.com");
    let again = academy.refusal(&academy.admin, TOOL, arguments).await;
    assert_eq!(again["error"]["code"], "VALIDATION_ERROR");
    for (arguments, code) in [
        (
            json!({ "cohortId": "coh_123", "organizationId": "org_789" }),
            "VALIDATION_ERROR",
        ),
        (
            json!({ "userId": "usr_x", "cohortId": "coh_123", "organizationId": "org_789" }),
            "RESOURCE_NOT_FOUND",
        ),
        (
            json!({ "userId": "usr_456", "cohortId": "coh_123", "organizationId": "org_x" }),
            "RESOURCE_NOT_FOUND",
        ),
        (
            json!({ "userId": "usr_500", "cohortId": "coh_x", "organizationId": "org_789" }),
            "RESOURCE_NOT_FOUND",
        ),
    ] {
        let refused = academy.refusal(&academy.admin, TOOL, arguments).await;
        assert_eq!(refused["error"]["code"], code);
    }
}
