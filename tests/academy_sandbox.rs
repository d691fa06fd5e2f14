//! The sandbox: what test keys see, that nothing leaves it, and that it begins anew every day.

use std::time::Duration;

use mentor_gateway::academy::sandbox;
use mentor_gateway::clock::UnixMs;
use mentor_gateway::sql;
use serde_json::{Value, json};

use crate::harness::{Academy, Client, MailServer, eventually};

const SEND: &str = "academy_admin_send_email";

/// What a person's key shows of their enrollments.
async fn enrollments(academy: &Academy, person: &Client) -> Value {
    academy
        .call(
            person,
            "academy_get_enrollments",
            json!({ "status": "all" }),
        )
        .await
}

async fn admin(academy: &Academy) -> Client {
    let scopes = ["admin:cohorts", "admin:enrollments", "admin:email"];
    let gateway = &academy.gateway;
    gateway.with_sandbox_key("alice", "mcp", &scopes).await
}

/// How many cohorts there are for this key, and how many of them are over.
async fn cohorts(academy: &Academy, person: &Client) -> (i64, i64) {
    let tool = "academy_admin_list_cohorts";
    let count = async |arguments| {
        let list = academy.call(person, tool, arguments).await;
        list["pagination"]["total"].as_i64().unwrap()
    };
    let over = count(json!({ "status": "completed" })).await;
    (count(json!({ "status": "all" })).await, over)
}

#[tokio::test]
async fn a_test_key_sees_the_sample_and_never_live_data() {
    let academy = Academy::v2().await;
    let learner = academy
        .gateway
        .with_sandbox_key("carol", "mcp", &["enrollments:read"])
        .await;
    assert!(learner.key.as_ref().unwrap().starts_with("sk_mcp_test_"));
    let seen = enrollments(&academy, &learner).await;
    let first = &seen["enrollments"][0];
    assert!(first["id"].as_str().unwrap().starts_with("enr_"), "{seen}");

    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "DELETE FROM academy_realms WHERE environment = 'live'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(enrollments(&academy, &learner).await, seen);
    let live = enrollments(&academy, &academy.learner).await;
    assert_eq!(live["enrollments"], json!([]));
}

#[tokio::test]
async fn no_mail_leaves_the_sandbox() {
    let server = MailServer::start().await;
    let academy = Academy::v2_with(|settings| server.set(settings)).await;
    let tester = admin(&academy).await;
    let arguments =
        json!({ "cohortId": "coh_456", "templateId": 42, "params": { "startDate": "soon" } });
    let answer = academy.call(&tester, SEND, arguments.clone()).await;
    assert_eq!(
        answer["notice"],
        "Nothing leaves the sandbox: the mails stay in the outbox."
    );
    let new =
        json!({ "email": "new@company.com", "cohortId": "coh_456", "organizationId": "org_789" });
    let made = academy
        .call(&tester, "academy_admin_create_enrollment", new)
        .await;
    assert_eq!(made["notifications"], json!({ "welcomeEmailSent": false }));
    let rest = academy.gateway.admin().await;
    let held = rest.get("mails/?state=held").await.expect(200);
    assert_eq!(held["count"], 23);
    assert_eq!(held["results"][0]["environment"], "test");
    // A live one goes out, and nothing before it.
    let one = json!({ "enrollmentIds": ["enr_123"], "templateId": 42, "params": { "startDate": "soon" } });
    academy.call(&academy.admin, SEND, one).await;
    eventually("the live one", async || {
        (server.recipients() == ["john@company.com"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_sandbox_begins_anew_at_midnight_and_live_data_stays() {
    let academy = Academy::v2().await;
    let tester = admin(&academy).await;
    let before = cohorts(&academy, &tester).await;
    let live = cohorts(&academy, &academy.admin).await;
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET status = 'completed' WHERE realm_id IN
           (SELECT id FROM academy_realms WHERE environment = 'test')"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let changed = cohorts(&academy, &tester).await;
    assert_eq!(changed, (before.0, before.0));

    // 10:00; a second before midnight nothing has happened.
    academy.gateway.advance(Duration::from_secs(14 * 3600 - 1));
    let mut tx = academy.write().await;
    let now = academy.gateway.app.clock.now();
    assert_eq!(sandbox::overdue(&mut tx, now).await.unwrap(), []);
    drop(tx);
    assert_eq!(cohorts(&academy, &tester).await, changed);

    academy.gateway.advance(Duration::from_secs(1));
    let midnight = academy.gateway.app.clock.now();
    eventually("the reset", async || {
        let mut tx = academy.gateway.app.db.read().await.unwrap();
        let made_at = sql!(
            &mut tx,
            scalar_optional as UnixMs,
            "SELECT created_at FROM academy_realms WHERE environment = 'test'"
        );
        (made_at.unwrap() == Some(midnight)).then_some(())
    })
    .await;
    assert_eq!(cohorts(&academy, &tester).await, before);
    assert_eq!(cohorts(&academy, &academy.admin).await, live);
    let learner = academy
        .gateway
        .with_sandbox_key("alice", "mcp", &["enrollments:read"])
        .await;
    let seen = enrollments(&academy, &learner).await;
    assert_ne!(seen["enrollments"], json!([]), "alice kept her profile");
}

#[tokio::test]
async fn of_two_processes_that_reset_at_once_one_does() {
    let academy = Academy::v2().await;
    admin(&academy).await;
    let tomorrow = academy
        .gateway
        .app
        .clock
        .now()
        .plus(Duration::from_secs(86_400));
    let reset = async || {
        let mut tx = academy.write().await;
        for realm in sandbox::overdue(&mut tx, tomorrow).await.unwrap() {
            sandbox::reset(&mut tx, realm, tomorrow).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    tokio::join!(reset(), reset(), reset());
    let mut tx = academy.write().await;
    let found = sql!(
        &mut tx,
        scalar as i64,
        "SELECT COUNT(*) FROM academy_realms WHERE environment = 'test'"
    );
    assert_eq!(found.unwrap(), 1);
}
