//! Enrollments that an admin withdraws: what becomes free, what closes, and what is refused.

use futures_util::future::join_all;
use mentor_gateway::sql;
use serde_json::{Value, json};

use crate::harness::{Academy, Client};

fn path(enrollment: &str) -> String {
    format!("enrollments/{enrollment}/withdrawal/")
}

/// The tenant's admin over REST.
async fn admin(academy: &Academy) -> Client {
    academy.gateway.admin().await
}

/// A number that a query finds.
async fn count(academy: &Academy, query: &'static str) -> i64 {
    let mut tx = academy.write().await;
    sql!(&mut tx, scalar as i64, query).unwrap()
}

const SEATS: &str = "SELECT seats_taken FROM academy_cohorts WHERE id = 'coh_456'";

#[tokio::test]
async fn a_withdrawn_enrollment_frees_its_seat_and_its_sessions_and_opens_nothing_any_more() {
    let academy = Academy::v2().await;
    let booking = json!({ "enrollmentId": "enr_123", "slotId": "slot_123", "sendReminder": true });
    let booking = academy
        .call(&academy.learner, "academy_book_office_hours", booking)
        .await;
    let seats = count(&academy, SEATS).await;
    let admin = admin(&academy).await;
    let mut answer = json!({
        "id": "enr_123", "user": "usr_456", "cohort": "coh_456", "status": "withdrawn", "reason": "Moved away",
        "withdrawn_at": "2024-12-02T10:00:00Z", "seat_freed": true, "bookings_cancelled": 3,
    });
    let reason = json!({ "reason": "Moved away" });
    assert_eq!(
        admin.post(&path("enr_123"), reason).await.expect(200),
        answer
    );

    assert_eq!(count(&academy, SEATS).await, seats - 1);
    let booked = "SELECT CAST(SUM(booked) AS BIGINT) FROM academy_slots WHERE id IN ('slot_123', 'slot_200', 'slot_201')";
    assert_eq!(count(&academy, booked).await, 0);
    let cancelled = "SELECT COUNT(*) FROM academy_bookings WHERE enrollment_id = 'enr_123' AND status = 'cancelled'";
    assert_eq!(count(&academy, cancelled).await, 3);
    let failed = admin.get("mails/?state=failed").await.expect(200);
    assert_eq!(failed["count"], 1, "the reminder: {booking} {failed}");
    assert_eq!(
        failed["results"][0]["result"],
        "the enrollment was withdrawn"
    );
    for (tool, arguments) in [
        (
            "academy_chat",
            json!({ "enrollmentId": "enr_123", "message": "Why?" }),
        ),
        (
            "academy_book_office_hours",
            json!({ "enrollmentId": "enr_123", "slotId": "slot_206" }),
        ),
    ] {
        let refused = academy.refusal(&academy.learner, tool, arguments).await;
        assert_eq!(refused["error"]["code"], "ACCESS_DENIED", "{tool}");
    }

    academy.gateway.advance(std::time::Duration::from_secs(60));
    let again = admin
        .post(&path("enr_123"), json!({ "reason": "Another" }))
        .await;
    answer["seat_freed"] = false.into();
    answer["bookings_cancelled"] = 0.into();
    assert_eq!(again.expect(200), answer);
    assert_eq!(count(&academy, SEATS).await, seats - 1);
    let log = admin
        .get("audit/?action=enrollment.withdraw")
        .await
        .expect(200);
    assert_eq!(log["count"], 1);
    assert_eq!(log["results"][0]["object"], "enrollment:enr_123");
    assert!(!log.to_string().contains("Moved"), "{log}");
}

#[tokio::test]
async fn a_completed_or_missing_enrollment_and_a_long_reason_are_refused() {
    let academy = Academy::v2().await;
    let admin = admin(&academy).await;
    let refused = admin.post(&path("enr_100"), json!({})).await.expect(409);
    assert_eq!(
        refused,
        json!({ "detail": "A completed enrollment cannot be withdrawn." })
    );
    admin
        .post(&path("enr_nowhere"), json!({}))
        .await
        .expect(404);
    let long = json!({ "reason": "x".repeat(2001) });
    let refused = admin.post(&path("enr_123"), long).await.expect(400);
    assert_eq!(
        refused,
        json!({ "reason": ["Ensure this field has no more than 2000 characters."] })
    );
    academy
        .gateway
        .learner()
        .await
        .post(&path("enr_123"), json!({}))
        .await
        .expect(403);
    academy
        .gateway
        .stranger()
        .await
        .post(&path("enr_123"), json!({}))
        .await
        .expect(404);
    assert_eq!(count(&academy, SEATS).await, 22);
}

#[tokio::test]
async fn one_seat_that_is_freed_at_once_by_many_gives_one_enrollment_to_many_who_ask() {
    let academy = Academy::v2().await;
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET seats_total = seats_taken WHERE id = 'coh_456'"
    )
    .unwrap();
    for number in 0..12 {
        sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_people (realm_id, id, name, email, timezone, organization_id, created_at)
             SELECT realm_id, $1, $1, $1, 'UTC', 'org_789', 0 FROM academy_cohorts WHERE id = 'coh_456'",
            format!("usr_racer_{number}")
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
    let admin = admin(&academy).await;
    let enroll = async |number: usize| -> Value {
        let arguments = json!({
            "userId": format!("usr_racer_{number}"), "cohortId": "coh_456", "organizationId": "org_789",
        });
        academy
            .post(&academy.admin, "academy_admin_create_enrollment", arguments)
            .await
            .body
    };
    assert_eq!(enroll(0).await["error"]["code"], "COHORT_FULL");
    let freed = join_all((0..5).map(|_| async {
        let answer = admin.post(&path("enr_200"), json!({})).await.expect(200);
        answer["seat_freed"] == true
    }));
    assert_eq!(freed.await.into_iter().filter(|freed| *freed).count(), 1);
    let answers = join_all((0..12).map(enroll)).await;
    let full = answers
        .iter()
        .filter(|answer| answer["error"]["code"] == "COHORT_FULL")
        .count();
    let made = answers
        .iter()
        .filter(|answer| answer["error"].is_null())
        .count();
    assert_eq!((made, full), (1, 11), "{answers:?}");
}
