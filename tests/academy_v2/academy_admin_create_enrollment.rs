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
            "VALIDATION_ERROR",
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

#[tokio::test]
async fn a_user_id_that_is_not_known_is_given_to_whoever_has_the_address() {
    let academy = Academy::v2().await;
    let arguments = json!({
        "userId": "usr_erin",
        "email": "Erin@Company.com",
        "cohortId": "coh_123",
        "organizationId": "org_789"
    });
    let made = academy.call(&academy.admin, TOOL, arguments).await;
    assert_eq!(
        made["user"],
        json!({ "id": "usr_erin", "email": "erin@company.com", "created": true })
    );
    let again = json!({
        "userId": "usr_erin",
        "email": "ERIN@company.com",
        "cohortId": "coh_456",
        "organizationId": "org_789"
    });
    let found = academy.call(&academy.admin, TOOL, again).await;
    assert_eq!(
        found["user"],
        json!({ "id": "usr_erin", "email": "erin@company.com", "created": false })
    );
}

#[tokio::test]
async fn a_user_id_and_an_address_that_do_not_fit_are_refused_and_nothing_is_made() {
    let academy = Academy::v2().await;
    for (user, email, field, message) in [
        (
            "usr_456",
            Some("ada.lindqvist@example.com"),
            "email",
            "This is not the address of that user.",
        ),
        (
            "usr_456",
            Some("nobody@example.com"),
            "email",
            "This is not the address of that user.",
        ),
        (
            "usr_new",
            Some("john@company.com"),
            "email",
            "This is the address of another user.",
        ),
        (
            "usr_new",
            None,
            "email",
            "There is no user of this userId yet: give their address, and they are made.",
        ),
        (
            "a new one",
            Some("new@company.com"),
            "userId",
            "A new user's ID is usr_ and 1 to 60 of A-Z, a-z, 0-9, _ and -.",
        ),
        (
            "usr_new",
            Some("company.com"),
            "email",
            "Enter a valid email address.",
        ),
    ] {
        let mut arguments =
            json!({ "userId": user, "cohortId": "coh_123", "organizationId": "org_789" });
        if let Some(email) = email {
            arguments["email"] = email.into();
        }
        let refused = academy.refusal(&academy.admin, TOOL, arguments).await;
        assert_eq!(refused["error"]["code"], "VALIDATION_ERROR");
        let fields = &refused["error"]["details"]["fields"];
        assert_eq!(*fields, json!({ field: [message] }), "{user} {email:?}");
    }
    let unknown = json!({ "userId": "usr_new" });
    let refused = academy
        .refusal(&academy.admin, "academy_get_enrollments", unknown)
        .await;
    assert_eq!(refused["error"]["code"], "ACCESS_DENIED");
}
