//! What the academy tells webhooks of (6.3.5.6), after the calls that cause it.

use mentor_gateway::sql;
use serde_json::{Value, json};

use crate::harness::{Academy, Receiver, eventually, signed};

const EVENTS: [&str; 5] = [
    "enrollment.created",
    "enrollment.completed",
    "certificate.issued",
    "cohort.status_changed",
    "payment.received",
];

/// 2024-01-01T00:00:00Z, when all of it happens.
const NOW: i64 = 1_704_067_200_000;

async fn academy() -> Academy {
    Academy::v1_with(|settings| {
        settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await
}

/// A webhook for everything that happens in an environment.
async fn subscribe(academy: &Academy, receiver: &Receiver, environment: &str) -> Value {
    let body = json!({ "url": receiver.url, "events": EVENTS, "environment": environment });
    let admin = academy.gateway.admin().await;
    admin.post("webhooks/", body).await.expect(201)
}

fn place(person: &str, kind: &str) -> Value {
    json!({ "userId": person, "cohortId": "coh_xyz789", "enrollmentType": kind })
}

/// The event of each body that came.
fn events(receiver: &Receiver) -> Vec<String> {
    let bodies = receiver.bodies();
    let events = bodies
        .iter()
        .map(|body| body["event"].as_str().unwrap().to_owned());
    events.collect()
}

#[tokio::test]
async fn each_event_is_told_signed_and_in_order_after_what_causes_it() {
    let academy = academy().await;
    let receiver = Receiver::start().await;
    let hook = subscribe(&academy, &receiver, "live").await;
    let made = place("usr_john_doe_123", "standard");
    let made = academy
        .call(&academy.admin, "create_enrollment", made)
        .await;
    let id = made["enrollmentId"].as_str().unwrap();
    receiver.has(1).await;
    let admin = academy.gateway.admin().await;
    let path = format!("enrollments/{id}/payment/");
    let paid = admin.post(&path, json!({})).await.expect(200);
    assert_eq!(
        paid,
        json!({
            "id": id, "user": "usr_john_doe_123", "cohort": "coh_xyz789", "status": "active", "payment": "paid"
        })
    );
    receiver.has(2).await;
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_enrollments SET progress = 100 WHERE id = $1",
        id
    )
    .unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET status = 'in_progress' WHERE id = 'coh_xyz789'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let change = json!({ "cohortId": "coh_xyz789", "status": "completed" });
    academy
        .call(&academy.admin, "update_cohort_status", change)
        .await;
    let is_changed = |event: &String| event == "cohort.status_changed";
    eventually("the rest", async || {
        let has_all = receiver.about(id).len() == 4 && events(&receiver).iter().any(is_changed);
        has_all.then_some(())
    })
    .await;
    let certificate = receiver.about(id).pop().unwrap();
    let certificate = certificate["data"]["certificateId"]
        .as_str()
        .unwrap()
        .to_owned();

    let common = |new: Value| {
        let mut data = json!({
            "enrollmentId": id, "userId": "usr_john_doe_123", "cohortId": "coh_xyz789",
            "courseTitle": "AI Fundamentals for Business Leaders",
        });
        data.as_object_mut()
            .unwrap()
            .extend(new.as_object().unwrap().clone());
        data
    };
    let link = format!("{}/verify/{certificate}", academy.gateway.base);
    let expected = [
        (
            "enrollment.created",
            common(json!({
                "enrollmentType": "standard", "status": "pending", "organizationId": null, "enrolledAt": NOW
            })),
        ),
        (
            "payment.received",
            common(json!({ "amount": 2500, "currency": "USD", "receivedAt": NOW })),
        ),
        (
            "enrollment.completed",
            common(json!({ "completedAt": NOW, "certificateUrl": link })),
        ),
        (
            "certificate.issued",
            common(
                json!({ "certificateId": certificate, "certificateUrl": link, "issuedAt": NOW }),
            ),
        ),
    ];
    let expected =
        expected.map(|(event, data)| json!({ "event": event, "timestamp": NOW, "data": data }));
    assert_eq!(receiver.about(id), expected);
    let mut changed = receiver.bodies();
    changed.retain(|body| body["event"] == "cohort.status_changed");
    assert_eq!(
        changed,
        [json!({
            "event": "cohort.status_changed", "timestamp": NOW,
            "data": {
                "cohortId": "coh_xyz789", "cohortName": "AI Fundamentals - January 2025",
                "courseTitle": "AI Fundamentals for Business Leaders", "previousStatus": "in_progress",
                "newStatus": "completed", "reason": "", "updatedAt": NOW,
            }
        })]
    );
    for (headers, body) in receiver.told.lock().unwrap().iter() {
        let header = headers["x-academy-signature"].to_str().unwrap();
        let (seconds, signature) = header.split_once(',').unwrap();
        let seconds = seconds.strip_prefix("t=").unwrap();
        assert_eq!(signature, signed(&hook["secret"], seconds, body));
    }
    let page = reqwest::get(link).await.unwrap();
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn a_place_that_is_paid_from_the_start_tells_of_both() {
    let academy = academy().await;
    let receiver = Receiver::start().await;
    subscribe(&academy, &receiver, "live").await;
    let mut place = place("usr_john_doe_123", "corporate");
    place["organizationId"] = "org_acme_corp".into();
    academy
        .call(&academy.admin, "create_enrollment", place)
        .await;
    receiver.has(2).await;
    assert_eq!(
        events(&receiver),
        ["enrollment.created", "payment.received"]
    );
    assert_eq!(receiver.bodies()[1]["data"]["amount"], 2000);
}

#[tokio::test]
async fn what_is_refused_is_told_to_nobody() {
    let academy = academy().await;
    let receiver = Receiver::start().await;
    let hook = subscribe(&academy, &receiver, "live").await;
    let refuse = async |arguments, code: &str| {
        let refused = academy
            .refusal(&academy.admin, "create_enrollment", arguments)
            .await;
        assert_eq!(refused["error"]["code"], code);
    };
    refuse(place("usr_jane_smith", "standard"), "ENROLLMENT_EXISTS").await;
    refuse(place("usr_nobody", "standard"), "RESOURCE_NOT_FOUND").await;
    let admin = academy.gateway.admin().await;
    for (id, status, detail) in [
        (
            "enr_abc123",
            409,
            "No payment is awaited for this enrollment.",
        ),
        ("enr_nowhere", 404, "Not found."),
    ] {
        let path = format!("enrollments/{id}/payment/");
        let refused = admin.post(&path, json!({})).await;
        let body = json!({ "detail": detail }).to_string();
        assert_eq!(refused.brief(), (status, body));
    }
    let path = format!("webhooks/{}/deliveries/", hook["id"]);
    let list = admin.get(&path).await.expect(200);
    assert_eq!(list["results"], json!([]));
}

#[tokio::test]
async fn what_happens_in_the_sandbox_is_told_to_its_webhooks_alone() {
    let academy = academy().await;
    let (live, sandbox) = (Receiver::start().await, Receiver::start().await);
    let hook = subscribe(&academy, &live, "live").await;
    subscribe(&academy, &sandbox, "test").await;
    let tester = academy
        .gateway
        .with_sandbox_key("alice", "aea", &["admin"])
        .await;
    let change = json!({ "cohortId": "coh_xyz789", "status": "cancelled", "reason": "a test" });
    academy.call(&tester, "update_cohort_status", change).await;
    sandbox.has(1).await;
    assert_eq!(events(&sandbox), ["cohort.status_changed"]);
    let admin = academy.gateway.admin().await;
    let path = format!("webhooks/{}/deliveries/", hook["id"]);
    assert_eq!(admin.get(&path).await.expect(200)["results"], json!([]));
    assert!(live.bodies().is_empty());
}
