//! 8.2.5.

use mentor_gateway::academy::office_hours::{self, Wish};
use mentor_gateway::academy::{Error, enrollment};
use mentor_gateway::sql;
use serde_json::{Value, json};

use super::link;
use crate::harness::Academy;

const TOOL: &str = "academy_book_office_hours";

fn wish(slot: &str) -> Value {
    json!({ "enrollmentId": "enr_123", "slotId": slot, "topic": "implementing AI in my company" })
}

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v2().await;
    let mut answer = academy.call(&academy.learner, TOOL, wish("slot_123")).await;
    let booking = &mut answer["booking"];
    let id = booking["id"].as_str().unwrap().to_owned();
    assert_eq!(
        booking["meetingUrl"],
        format!("https://meet.academy.com/{id}")
    );
    let path = format!("/academy/bookings/{id}/calendar.ics");
    link(&mut booking["calendarInvite"]["icsUrl"], &path, "a link");
    booking["id"] = "book_456".into();
    booking["meetingUrl"] = "https://meet.academy.com/book_456".into();
    assert_eq!(
        answer,
        json!({
            "booking": {
                "id": "book_456",
                "slotId": "slot_123",
                "enrollmentId": "enr_123",
                "status": "confirmed",
                "startTime": "2024-12-05T14:00:00Z",
                "endTime": "2024-12-05T14:30:00Z",
                "meetingUrl": "https://meet.academy.com/book_456",
                "instructor": { "id": "ins_789", "name": "Sarah Johnson", "email": "sarah@academy.com" },
                "calendarInvite": { "icsUrl": "a link" }
            }
        })
    );
}

#[tokio::test]
async fn a_session_is_booked_once_while_there_is_a_place_and_four_at_most() {
    let academy = Academy::v2().await;
    let refused = async |slot: &str| {
        let answer = academy.post(&academy.learner, TOOL, wish(slot)).await;
        assert_eq!(answer.body["error"]["code"], "BOOKING_CONFLICT", "{slot}");
        assert_eq!(answer.status, 409);
        answer.body["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused("slot_202").await, "Time slot no longer available");
    assert_eq!(refused("slot_050").await, "Time slot no longer available");
    academy.gateway.advance(std::time::Duration::from_secs(60));
    academy.call(&academy.learner, TOOL, wish("slot_123")).await;
    assert_eq!(
        refused("slot_123").await,
        "You have already booked this session"
    );
    academy.gateway.advance(std::time::Duration::from_secs(60));
    academy.call(&academy.learner, TOOL, wish("slot_124")).await;
    assert_eq!(
        refused("slot_210").await,
        "You have reached the limit of 4 booked sessions"
    );
}

/// Books each of these slots for one of these enrollments, all at once, and returns how many were confirmed.
async fn book_at_once(academy: &Academy, wishes: &[(String, String)]) -> usize {
    let now = academy.gateway.app.clock.now();
    let books = wishes.iter().map(|(enrollment, slot)| async move {
        let mut tx = academy.write().await;
        let actor = academy.actor(&mut tx).await;
        let row = enrollment::get(&mut tx, &actor, enrollment).await.unwrap();
        let wish = Wish {
            slot,
            topic: "",
            wants_reminder: false,
        };
        match office_hours::book(&mut tx, actor.realm, &row, wish, now).await {
            Ok(_) => {
                tx.commit().await.unwrap();
                true
            }
            Err(Error::BookingConflict(_)) => false,
            Err(error) => panic!("{error}"),
        }
    });
    let booked = futures_util::future::join_all(books).await;
    booked.into_iter().filter(|is_booked| *is_booked).count()
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_for_one_session_give_one_booking() {
    let academy = Academy::v2().await;
    let mut tx = academy.write().await;
    let mut wishes = Vec::new();
    for number in 0..100 {
        let (person, enrollment) = (format!("usr_racer_{number}"), format!("enr_racer_{number}"));
        sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_people (realm_id, id, name, email, timezone, created_at)
             SELECT realm_id, $1, $1, $1, 'UTC', 0 FROM academy_enrollments WHERE id = 'enr_123'",
            &person
        )
        .unwrap();
        sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_enrollments (realm_id, id, cohort_id, person_id, organization_id, kind, status, payment,
                 price_paid, enrolled_at, completed_at, expires_at, progress, last_activity_at, rating, notes, metadata)
             SELECT realm_id, $1, cohort_id, $2, organization_id, kind, status, payment,
                 price_paid, enrolled_at, completed_at, expires_at, progress, last_activity_at, rating, notes, metadata
             FROM academy_enrollments WHERE id = 'enr_123'",
            &enrollment,
            &person
        )
        .unwrap();
        wishes.push((enrollment, "slot_123".to_owned()));
    }
    tx.commit().await.unwrap();
    assert_eq!(book_at_once(&academy, &wishes).await, 1);
}

#[tokio::test]
async fn twenty_bookings_of_one_learner_at_once_give_four() {
    let academy = Academy::v2().await;
    let mut tx = academy.write().await;
    sql!(&mut tx, execute, "DELETE FROM academy_bookings").unwrap();
    let mut wishes = Vec::new();
    for number in 0..20 {
        let slot = format!("slot_racer_{number}");
        sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_slots (realm_id, id, course_id, instructor_id, kind, starts_at, ends_at, capacity, booked)
             SELECT realm_id, $1, course_id, instructor_id, kind, starts_at, ends_at, 1, 0
             FROM academy_slots WHERE id = 'slot_123'",
            &slot
        )
        .unwrap();
        wishes.push(("enr_123".to_owned(), slot));
    }
    tx.commit().await.unwrap();
    assert_eq!(book_at_once(&academy, &wishes).await, 4);
}

#[tokio::test]
async fn two_enrollments_of_one_learner_hold_one_place_of_a_session() {
    let academy = Academy::v2().await;
    academy.call(&academy.learner, TOOL, wish("slot_124")).await;
    let mut other = wish("slot_124");
    other["enrollmentId"] = "enr_100".into();
    assert_eq!(
        academy.refusal(&academy.learner, TOOL, other).await,
        json!({
            "error": { "code": "BOOKING_CONFLICT", "message": "You have already booked this session" }
        })
    );
    let mut tx = academy.write().await;
    let places = sql!(
        &mut tx,
        scalar as i64,
        "SELECT booked FROM academy_slots WHERE id = 'slot_124'"
    );
    assert_eq!(places.unwrap(), 4);
}

#[tokio::test]
async fn two_enrollments_of_one_learner_that_ask_at_once_give_one_booking() {
    let academy = Academy::v2().await;
    let wishes = ["enr_123", "enr_100"].repeat(5);
    let wishes: Vec<(String, String)> = wishes
        .into_iter()
        .map(|enrollment| (enrollment.to_owned(), "slot_124".to_owned()))
        .collect();
    assert_eq!(book_at_once(&academy, &wishes).await, 1);
}

#[tokio::test]
async fn learner_and_instructor_are_told_and_the_learner_is_reminded() {
    let academy = Academy::v2().await;
    academy.call(&academy.learner, TOOL, wish("slot_123")).await;
    let mut tx = academy.write().await;
    let letters = sql!(
        &mut tx,
        fetch_all as (String, String, String, i64),
        "SELECT address, subject, text, next_at FROM mails ORDER BY id"
    )
    .unwrap();
    let topic = "implementing AI in my company";
    let letter = |address: &str, subject: &str, body: &str, at: i64| {
        let body = format!("{body}\n\n{topic}");
        (address.to_owned(), subject.to_owned(), body, at)
    };
    assert_eq!(
        letters,
        [
            letter(
                "john@company.com",
                "Office hours with Sarah Johnson",
                "Hello John Doe,\n\nyour session with Sarah Johnson on 2024-12-05T14:00:00Z is confirmed.",
                1_733_133_600_000
            ),
            letter(
                "sarah@academy.com",
                "Office hours with John Doe",
                "Hello Sarah Johnson,\n\nJohn Doe (john@company.com) has booked your session on 2024-12-05T14:00:00Z, as a \
                 learner of AI Foundations for Business Leaders.",
                1_733_133_600_000
            ),
            letter(
                "john@company.com",
                "Reminder: office hours with Sarah Johnson",
                "Hello John Doe,\n\nthis is to remind you of your session with Sarah Johnson on 2024-12-05T14:00:00Z.",
                1_733_320_800_000
            ),
        ]
    );
}
