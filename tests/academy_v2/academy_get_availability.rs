//! 8.2.4.

use serde_json::json;

use crate::harness::Academy;

const TOOL: &str = "academy_get_availability";

#[tokio::test]
async fn the_example_of_the_specification_comes_true() {
    let academy = Academy::v2().await;
    let mut answer = academy
        .call(&academy.learner, TOOL, json!({ "enrollmentId": "enr_123" }))
        .await;
    answer["slots"].as_array_mut().unwrap().truncate(2);
    let instructor = json!({ "id": "ins_789", "name": "Sarah Johnson", "title": "Senior AI Enablement Instructor" });
    assert_eq!(
        answer,
        json!({
            "slots": [
                {
                    "id": "slot_123",
                    "startTime": "2024-12-05T14:00:00Z",
                    "endTime": "2024-12-05T14:30:00Z",
                    "duration": 30,
                    "type": "1-on-1",
                    "instructor": instructor,
                    "available": true,
                    "capacity": 1,
                    "booked": 0
                },
                {
                    "id": "slot_124",
                    "startTime": "2024-12-05T15:00:00Z",
                    "endTime": "2024-12-05T16:00:00Z",
                    "duration": 60,
                    "type": "group",
                    "instructor": instructor,
                    "available": true,
                    "capacity": 5,
                    "booked": 3
                }
            ],
            "metadata": {
                "totalSlots": 24,
                "availableSlots": 18,
                "userBookedCount": 2,
                "userBookingLimit": 4
            }
        })
    );
}

#[tokio::test]
async fn days_that_do_not_exist_are_refused_together() {
    let academy = Academy::v2().await;
    let arguments = json!({
        "enrollmentId": "enr_123",
        "dateRange": { "start": "2024-02-30", "end": "soon" },
        "timezone": "../../etc/passwd"
    });
    let refused = academy.refusal(&academy.learner, TOOL, arguments).await;
    assert_eq!(refused["error"]["code"], "VALIDATION_ERROR");
    assert_eq!(
        refused["error"]["details"]["fields"],
        json!({
            "dateRange.start": ["Must be a date, YYYY-MM-DD."],
            "dateRange.end": ["Must be a date, YYYY-MM-DD."],
            "timezone": ["Must be an IANA time zone, such as America/New_York."]
        })
    );
}
