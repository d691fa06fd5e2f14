//! `academy_book_office_hours`: books a session with an instructor
//! (docs/inside/academy.md#825-academy_book_office_hours).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::time::Iso;
use crate::academy::links::{Files, meeting};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::office_hours::{self, Wish};
use learning::academy::{enrollment, message};

pub(super) struct BookOfficeHours;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Enrollment ID
    enrollment_id: String,
    /// Slot ID from availability response
    slot_id: String,
    /// Optional topic or question for the session
    #[schemars(length(max = 2000))]
    topic: Option<String>,
    /// Send email reminder (default: true)
    send_reminder: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    booking: Booking,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Booking {
    id: String,
    slot_id: String,
    enrollment_id: String,
    status: BookingStatus,
    start_time: Iso,
    end_time: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    meeting_url: Option<String>,
    instructor: Instructor,
    calendar_invite: CalendarInvite,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum BookingStatus {
    Confirmed,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Instructor {
    id: String,
    name: String,
    email: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CalendarInvite {
    ics_url: String,
}

impl Tool for BookOfficeHours {
    const NAME: &'static str = "academy_book_office_hours";
    const TITLE: &'static str = "Book office hours";
    const DESCRIPTION: &'static str = "Book an office hours session with an instructor";
    const SCOPES: &'static [&'static str] = &["bookings:write"];
    const ACCESS: Access = Access::Write;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let enrollment = enrollment::get(call.tx, &actor, &args.enrollment_id).await?;
        enrollment.require_access("office hours", call.now)?;
        let wish = Wish {
            slot: &args.slot_id,
            topic: args.topic.as_deref().unwrap_or_default(),
            wants_reminder: args.send_reminder.unwrap_or(true),
        };
        let realm = actor.realm;
        let (booked, slot) =
            office_hours::book(call.tx, realm, &enrollment, wish, call.now).await?;
        let about = (&booked, &slot, wish.wants_reminder);
        message::confirm(call.tx, realm, &enrollment, about, call.now).await?;
        let files = Files::new(call, realm);
        let booking = Booking {
            meeting_url: meeting(&slot.meeting_url, &booked.id),
            calendar_invite: CalendarInvite {
                ics_url: files.calendar(call, &booked.id),
            },
            id: booked.id,
            slot_id: slot.id,
            enrollment_id: enrollment.id,
            status: BookingStatus::Confirmed,
            start_time: Iso(slot.starts_at),
            end_time: Iso(slot.ends_at),
            instructor: Instructor {
                id: slot.instructor_id,
                name: slot.instructor_name,
                email: slot.instructor_email,
            },
        };
        Ok(Output { booking })
    }
}
