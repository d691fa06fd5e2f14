//! `academy_get_availability`: office hours that an enrollment may book
//! (docs/inside/academy.md#824-academy_get_availability).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::time::{Iso, days};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::enrollment;
use learning::academy::office_hours::{self, BOOKINGS_MAX, Kind, Slot};

pub(super) struct GetAvailability;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Enrollment ID
    enrollment_id: String,
    /// Optional date range (defaults to next 30 days)
    date_range: Option<DateRange>,
    /// IANA timezone (e.g., America/New_York, default: user's timezone)
    timezone: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct DateRange {
    /// Start date (YYYY-MM-DD)
    #[schemars(extend("format" = "date"))]
    start: Option<String>,
    /// End date (YYYY-MM-DD)
    #[schemars(extend("format" = "date"))]
    end: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    slots: Vec<SlotItem>,
    metadata: Metadata,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct SlotItem {
    id: String,
    start_time: Iso,
    end_time: Iso,
    /// In minutes.
    duration: i64,
    #[serde(rename = "type")]
    kind: Kind,
    instructor: Instructor,
    available: bool,
    capacity: i64,
    booked: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Instructor {
    id: String,
    name: String,
    title: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Metadata {
    total_slots: usize,
    available_slots: usize,
    user_booked_count: i64,
    user_booking_limit: i64,
}

impl From<Slot> for SlotItem {
    fn from(slot: Slot) -> Self {
        Self {
            id: slot.id,
            start_time: Iso(slot.starts_at),
            end_time: Iso(slot.ends_at),
            duration: (slot.ends_at.0 - slot.starts_at.0) / 60_000,
            kind: slot.kind,
            instructor: Instructor {
                id: slot.instructor_id,
                name: slot.instructor_name,
                title: slot.instructor_title,
            },
            available: slot.booked < slot.capacity,
            capacity: slot.capacity,
            booked: slot.booked,
        }
    }
}

impl Tool for GetAvailability {
    const NAME: &'static str = "academy_get_availability";
    const TITLE: &'static str = "Get office hours";
    const DESCRIPTION: &'static str = "Get available office hours slots for a course enrollment";
    const SCOPES: &'static [&'static str] = &["bookings:read"];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let enrollment = enrollment::get(call.tx, &actor, &args.enrollment_id).await?;
        enrollment.require_access("office hours", call.now)?;
        let own_zone = actor
            .person
            .as_ref()
            .map_or("UTC", |person| &person.timezone);
        let zone = args.timezone.as_deref().unwrap_or(own_zone);
        let range = args.date_range.as_ref();
        let bound =
            |pick: fn(&DateRange) -> &Option<String>| range.and_then(|r| pick(r).as_deref());
        let span = days((bound(|r| &r.start), bound(|r| &r.end)), zone, call.now)?;
        let course = &enrollment.course_id;
        let slots = office_hours::slots(call.tx, actor.realm, course, span).await?;
        let booked = office_hours::booked(call.tx, actor.realm, &enrollment.id).await?;
        let slots: Vec<SlotItem> = slots.into_iter().map(Into::into).collect();
        Ok(Output {
            metadata: Metadata {
                total_slots: slots.len(),
                available_slots: slots.iter().filter(|slot| slot.available).count(),
                user_booked_count: booked,
                user_booking_limit: BOOKINGS_MAX,
            },
            slots,
        })
    }
}
