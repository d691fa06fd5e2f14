//! Webhooks: who is told of what, signed how, how often, in which order, and what admins see of it.

use std::time::Duration;

use http::StatusCode;
use mentor_gateway::auth::token::Environment;
use mentor_gateway::tenant;
use mentor_gateway::webhook::{self, Event, NewEvent};
use serde_json::{Value, json};

use crate::harness::{Client, Gateway, Receiver, Stage, eventually, signed};

async fn happen(
    gateway: &Gateway,
    tenant: &str,
    happening: (Environment, Event, &str, Value),
) -> usize {
    let (environment, event, object, data) = happening;
    let mut tx = gateway.app.db.write().await.unwrap();
    let tenant = tenant::get(&mut tx, tenant).await.unwrap().id;
    let new_event = NewEvent {
        tenant,
        environment,
        event,
        object,
        data: &data,
    };
    let told = webhook::enqueue(&mut tx, &new_event, gateway.app.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    told
}

/// Something numbered happens to a live object of acme.
async fn number(gateway: &Gateway, object: &str, n: i64) {
    let happening = (
        Environment::Live,
        Event::EnrollmentCreated,
        object,
        json!({ "n": n }),
    );
    assert_eq!(happen(gateway, "acme", happening).await, 1);
}

async fn subscribe(admin: &Client, url: &str, events: &[&str]) -> Value {
    let body = json!({ "url": url, "events": events });
    admin.post("webhooks/", body).await.expect(201)
}

/// What admins see of a webhook's deliveries, oldest first.
async fn deliveries(admin: &Client, hook: &Value) -> Vec<Value> {
    let path = format!("webhooks/{}/deliveries/", hook["id"]);
    let list = admin.get(&path).await.expect(200);
    list["results"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .cloned()
        .collect()
}

/// Waits until the newest delivery of a webhook looks so.
async fn newest(admin: &Client, hook: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("the delivery", async || {
        let newest = deliveries(admin, hook).await.pop()?;
        is_so(&newest).then_some(newest)
    })
    .await
}

#[tokio::test]
async fn a_subscriber_is_told_in_the_documented_words_and_can_check_the_signature() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let hook = subscribe(&stage.admin, &receiver.url, &["enrollment.completed"]).await;
    let data = json!({
        "enrollmentId": "enr_def456", "userId": "usr_john_doe", "cohortId": "coh_xyz789",
        "courseTitle": "Advanced Prompt Engineering", "completedAt": 1_704_672_000_000_i64,
        "certificateUrl": "https://cdn.academy.ai/certificates/cert_xyz123.pdf",
    });
    let completed = |data: &Value| {
        let object = "enrollment:enr_def456";
        (
            Environment::Live,
            Event::EnrollmentCompleted,
            object,
            data.clone(),
        )
    };
    assert_eq!(happen(&stage.gateway, "acme", completed(&data)).await, 1);
    receiver.has(1).await;
    let (headers, body) = receiver.told.lock().unwrap()[0].clone();
    let expected = json!({ "event": "enrollment.completed", "timestamp": 1_795_219_200_000_i64, "data": data });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-academy-event"], "enrollment.completed");
    let signature = headers["x-academy-signature"].to_str().unwrap();
    let expected = format!(
        "t=1795219200,{}",
        signed(&hook["secret"], "1795219200", &body)
    );
    assert_eq!(signature, expected);

    let seen = newest(&stage.admin, &hook, |row| row["state"] == "delivered").await;
    assert_eq!(
        headers["x-academy-delivery"],
        seen["id"].to_string().as_str()
    );
    assert_eq!(
        seen,
        json!({
            "id": seen["id"], "webhook": hook["id"], "event": "enrollment.completed", "object": "enrollment:enr_def456",
            "state": "delivered", "attempts": 1, "next_attempt_at": null, "result": "http 204",
            "created_at": "2026-11-21T00:00:00Z", "ended_at": "2026-11-21T00:00:00Z",
            "payload": serde_json::from_slice::<Value>(&body).unwrap(),
        })
    );
}

#[tokio::test]
async fn only_those_are_told_who_asked_for_it() {
    let stage = Stage::start().await;
    let stranger = stage.gateway.stranger().await;
    let receiver = Receiver::start().await;
    let url = &receiver.url;
    subscribe(&stage.admin, url, &["payment.received"]).await;
    subscribe(&stranger, url, &["enrollment.created"]).await;
    let off = subscribe(&stage.admin, url, &["enrollment.created"]).await;
    let path = format!("webhooks/{}/", off["id"]);
    stage
        .admin
        .patch(&path, json!({ "is_enabled": false }))
        .await
        .expect(200);
    let sandbox = json!({ "url": url, "events": ["enrollment.created"], "environment": "test" });
    stage.admin.post("webhooks/", sandbox).await.expect(201);
    let created = |environment, tenant| {
        (
            environment,
            Event::EnrollmentCreated,
            "enrollment:1",
            json!({ "of": tenant }),
        )
    };
    for (environment, tenant, told) in [
        (Environment::Live, "acme", 0),
        (Environment::Test, "acme", 1),
        (Environment::Live, "globex", 1),
        (Environment::Test, "globex", 0),
    ] {
        let happening = created(environment, tenant);
        assert_eq!(
            happen(&stage.gateway, tenant, happening).await,
            told,
            "{environment} {tenant}"
        );
    }
    receiver.has(2).await;
}

#[tokio::test]
async fn deliveries_about_one_object_keep_their_order_over_failures() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let hook = subscribe(&stage.admin, &receiver.url, &["enrollment.created"]).await;
    receiver.answers(StatusCode::INTERNAL_SERVER_ERROR);
    number(&stage.gateway, "enrollment:a", 1).await;
    let failed = newest(&stage.admin, &hook, |row| row["attempts"] == 1).await;
    assert_eq!(
        (&failed["state"], &failed["result"]),
        (&json!("waiting"), &json!("http 500"))
    );
    assert_eq!(failed["next_attempt_at"], "2026-11-21T00:00:10Z");

    receiver.answers(StatusCode::OK);
    number(&stage.gateway, "enrollment:a", 2).await;
    number(&stage.gateway, "enrollment:a", 3).await;
    number(&stage.gateway, "enrollment:b", 4).await;
    receiver.has(2).await;
    assert_eq!(receiver.numbers(), [1, 4], "another object does not wait");
    stage.gateway.advance(Duration::from_secs(10));
    receiver.has(5).await;
    assert_eq!(receiver.numbers(), [1, 4, 1, 2, 3]);
}

#[tokio::test]
async fn what_never_arrives_is_dead_visible_and_can_be_tried_again() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let hook = subscribe(&stage.admin, &receiver.url, &["enrollment.created"]).await;
    receiver.answers(StatusCode::SERVICE_UNAVAILABLE);
    number(&stage.gateway, "enrollment:a", 1).await;
    for attempt in 1..=webhook::ATTEMPTS_MAX {
        newest(&stage.admin, &hook, |row| row["attempts"] == attempt).await;
        stage.gateway.advance(Duration::from_secs(8 * 60 * 60));
    }
    let path = format!("webhooks/{}/deliveries/?state=dead", hook["id"]);
    let dead = stage.admin.get(&path).await.expect(200);
    assert_eq!(
        (&dead["count"], &dead["results"][0]["result"]),
        (&json!(1), &json!("http 503"))
    );
    assert_eq!(dead["results"][0]["next_attempt_at"], Value::Null);
    assert_eq!(receiver.told.lock().unwrap().len(), 10);

    // What comes after it is not held up.
    receiver.answers(StatusCode::ACCEPTED);
    number(&stage.gateway, "enrollment:a", 2).await;
    receiver.has(11).await;
    let retry = format!("webhook-deliveries/{}/retry/", dead["results"][0]["id"]);
    assert_eq!(
        stage.admin.post(&retry, json!({})).await.expect(200)["state"],
        "waiting"
    );
    receiver.has(12).await;
    assert_eq!(receiver.numbers()[10..], [2, 1]);
    eventually("the retried one has arrived", async || {
        let all = deliveries(&stage.admin, &hook).await;
        all.iter()
            .all(|row| row["state"] == "delivered")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_after_a_change() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let hook = subscribe(&stage.admin, &receiver.url, &["enrollment.created"]).await;
    let rotate = format!("webhooks/{}/rotate/", hook["id"]);
    let new = stage.admin.post(&rotate, json!({})).await.expect(200);
    assert_eq!(new["previous_secret_until"], "2026-11-22T00:00:00Z");
    assert_ne!(new["secret"], hook["secret"]);
    number(&stage.gateway, "enrollment:a", 1).await;
    receiver.has(1).await;
    stage.gateway.advance(Duration::from_secs(86_400));
    number(&stage.gateway, "enrollment:a", 2).await;
    receiver.has(2).await;
    let told = receiver.told.lock().unwrap().clone();
    let signature = |at: usize| {
        told[at].0["x-academy-signature"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let by = |secret: &Value, seconds, at: usize| signed(secret, seconds, &told[at].1);
    let (first, second) = ("1795219200", "1795305600");
    let both = [by(&new["secret"], first, 0), by(&hook["secret"], first, 0)].join(",");
    assert_eq!(signature(0), format!("t={first},{both}"));
    assert_eq!(
        signature(1),
        format!("t={second},{}", by(&new["secret"], second, 1))
    );
    let read = stage
        .admin
        .get(&format!("webhooks/{}/", hook["id"]))
        .await
        .expect(200);
    assert_eq!(
        (read.get("secret"), &read["previous_secret_until"]),
        (None, &Value::Null)
    );
}

#[tokio::test]
async fn nothing_is_told_beyond_what_the_way_out_allows() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let elsewhere = receiver.url.replace("/hook", "/elsewhere");
    let redirected = subscribe(&stage.admin, &elsewhere, &["enrollment.created"]).await;
    number(&stage.gateway, "enrollment:a", 1).await;
    let seen = newest(&stage.admin, &redirected, |row| row["attempts"] == 1).await;
    assert_eq!(seen["result"], "redirected");
    assert!(receiver.bodies().is_empty(), "a redirect is not followed");

    let closed = Gateway::start().await;
    let admin = closed.admin().await;
    let open = "the operator of the gateway can open its range with `--egress-allow`";
    let inside = |address: &str| {
        format!("URL is not allowed: {address} is not on the public internet; {open}.")
    };
    let scheme = "URL is not allowed: its scheme is none of https, wss, http and ws.";
    for (url, complaint) in [
        (receiver.url.as_str(), inside("127.0.0.1")),
        ("https://169.254.169.254/latest/", inside("169.254.169.254")),
        (
            "https://user:word@hooks.example.com/",
            "URL is not allowed: it contains a user name or a password.".into(),
        ),
        ("wss://hooks.example.com/", "Enter an https URL.".into()),
        ("file:///etc/passwd", scheme.into()),
        ("hooks", scheme.into()),
    ] {
        let body = json!({ "url": url, "events": ["payment.received"] });
        let refused = admin.post("webhooks/", body).await.expect(400);
        assert_eq!(refused, json!({ "url": [complaint] }), "{url}");
    }
}

#[tokio::test]
async fn every_wrong_field_of_a_webhook_is_told_at_once() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let required =
        json!({ "events": ["This field is required."], "url": ["This field is required."] });
    assert_eq!(
        admin.post("webhooks/", json!({})).await.expect(400),
        required
    );
    let wrong = json!({ "url": "https://hooks.example.com/", "events": ["enrolment.created"], "environment": "prod" });
    assert_eq!(
        admin.post("webhooks/", wrong).await.expect(400),
        json!({
            "environment": ["\"prod\" is not a valid choice."],
            "events": ["\"enrolment.created\" is not an event."],
        })
    );
    let right = json!({ "url": "https://hooks.example.com/", "events": ["payment.received"] });
    for _ in 0..20 {
        admin.post("webhooks/", right.clone()).await.expect(201);
    }
    let more = admin.post("webhooks/", right).await;
    let message = r#"{"detail":"The limit of 20 webhooks is reached."}"#;
    assert_eq!(more.brief(), (409, message.into()));
    let list = admin.get("webhooks/").await.expect(200);
    let first = format!("webhooks/{}/", list["results"][0]["id"]);
    let moved = admin
        .patch(&first, json!({ "environment": "test", "events": [] }))
        .await;
    assert_eq!(
        moved.expect(400),
        json!({
            "environment": ["The environment of a webhook cannot be changed."],
            "events": ["This list may not be empty."],
        })
    );
    admin.delete(&first).await.expect(204);
    assert_eq!(admin.get(&first).await.status, 404);
}

#[tokio::test]
async fn a_delivery_is_claimed_by_one_process_and_again_when_that_one_died() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    subscribe(
        &admin,
        "https://hooks.example.com/",
        &["enrollment.created"],
    )
    .await;
    let app = &gateway.app;
    let now = app.clock.now();
    // One transaction, so that the gateway's own sender sees nothing of it.
    let mut tx = app.db.write().await.unwrap();
    let tenant = tenant::get(&mut tx, "acme").await.unwrap().id;
    let data = json!({});
    for object in ["a", "a", "b"] {
        let new_event = NewEvent {
            tenant,
            environment: Environment::Live,
            event: Event::EnrollmentCreated,
            object,
            data: &data,
        };
        webhook::enqueue(&mut tx, &new_event, now).await.unwrap();
    }
    let mut claim = async |at| {
        let due = webhook::claim(&mut tx, &app.vault, 64, at).await.unwrap();
        due.iter().map(|due| due.id).collect::<Vec<_>>()
    };
    let first = claim(now).await;
    assert_eq!(first.len(), 2, "the second about `a` waits for the first");
    assert_eq!(claim(now.plus(Duration::from_secs(59))).await, []);
    assert_eq!(claim(now.plus(Duration::from_secs(60))).await, first);
}

#[tokio::test]
async fn what_is_done_with_webhooks_stands_in_the_audit_without_their_secrets() {
    let stage = Stage::start().await;
    let admin = &stage.admin;
    let hook = subscribe(admin, "https://hooks.example.com/", &["payment.received"]).await;
    let path = format!("webhooks/{}/", hook["id"]);
    admin
        .post(&format!("{path}rotate/"), json!({}))
        .await
        .expect(200);
    admin
        .patch(&path, json!({ "is_enabled": false }))
        .await
        .expect(200);
    admin.delete(&path).await.expect(204);
    let audit = admin.get("audit/").await.expect(200);
    let rows = audit["results"].as_array().unwrap().iter().rev();
    let rows: Vec<Value> = rows
        .map(|row| json!([row["action"], row["object"], row["detail"]]))
        .collect();
    let object = format!("webhook:{}", hook["id"]);
    assert_eq!(
        rows,
        [
            json!(["webhook.create", object, "url,events"]),
            json!(["webhook.rotate", object, ""]),
            json!(["webhook.update", object, "is_enabled"]),
            json!(["webhook.delete", object, ""]),
        ]
    );
    assert!(!audit.to_string().contains(hook["secret"].as_str().unwrap()));
}
