//! 8.2.5.

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
