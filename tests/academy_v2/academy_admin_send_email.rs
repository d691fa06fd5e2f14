//! 8.2.9.

use serde_json::json;

use crate::harness::{Academy, MailServer};

const TOOL: &str = "academy_admin_send_email";

#[tokio::test]
async fn a_cohort_s_mail_is_sent_when_the_mail_server_took_it() {
    let server = MailServer::start().await;
    let academy = Academy::v2_with(|settings| {
        settings.smtp_url = Some(server.url.clone());
        settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let arguments =
        json!({ "cohortId": "coh_456", "templateId": 42, "params": { "startDate": "9 December" } });
    let mut answer = academy.call(&academy.admin, TOOL, arguments).await;
    answer["campaign"]["id"] = "camp_123".into();
    assert_eq!(
        answer,
        json!({
            "campaign": {
                "id": "camp_123",
                "status": "sent",
                "sentAt": "2024-12-02T10:00:00Z",
                "recipients": { "total": 22, "sent": 22, "failed": 0, "pending": 0 },
                "template": { "id": 42, "name": "Cohort Welcome Email" },
                "dryRun": false
            },
            "errors": []
        })
    );
    assert_eq!(server.recipients().len(), 22);
}

#[tokio::test]
async fn a_cohort_s_mail_waits_in_the_outbox() {
    let academy = Academy::v2().await;
    let arguments =
        json!({ "cohortId": "coh_456", "templateId": 42, "params": { "startDate": "9 December" } });
    let mut answer = academy.call(&academy.admin, TOOL, arguments).await;
    assert!(
        answer["campaign"]["id"]
            .as_str()
            .unwrap()
            .starts_with("camp_")
    );
    answer["campaign"]["id"] = "camp_123".into();
    assert_eq!(
        answer,
        json!({
            "campaign": {
                "id": "camp_123",
                "status": "queued",
                "recipients": { "total": 22, "sent": 0, "failed": 0, "pending": 22 },
                "template": { "id": 42, "name": "Cohort Welcome Email" },
                "dryRun": false
            },
            "errors": [],
            "notice": "No mail server is set: the mails wait in the outbox."
        })
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_names_whom_it_would_not_reach() {
    let academy = Academy::v2().await;
    let arguments = json!({
        "enrollmentIds": ["enr_123", "enr_100", "enr_nowhere"],
        "templateId": 42,
        "params": { "startDate": "9 December" },
        "scheduledAt": "2024-12-03T10:00:00Z",
        "dryRun": true
    });
    assert_eq!(
        academy.call(&academy.admin, TOOL, arguments).await,
        json!({
            "campaign": {
                "status": "tested",
                "scheduledAt": "2024-12-03T10:00:00Z",
                "recipients": { "total": 2, "sent": 0, "failed": 1, "pending": 0 },
                "template": { "id": 42, "name": "Cohort Welcome Email" },
                "dryRun": true
            },
            "errors": [{ "enrollmentId": "enr_nowhere", "message": "There is no such enrollment" }]
        })
    );
}

#[tokio::test]
async fn somebody_must_be_written_to() {
    let academy = Academy::v2().await;
    let refused = academy
        .refusal(
            &academy.admin,
            TOOL,
            json!({ "templateId": 1, "params": {} }),
        )
        .await;
    assert_eq!(
        refused["error"]["details"]["fields"],
        json!({ "cohortId": ["This field is required if enrollmentIds is not provided."] })
    );
}
