//! Shapes that several tools and resources of v2 share.

use schemars::JsonSchema;
use serde::Serialize;

use super::time::Iso;
use base::clock::UnixMs;
use learning::academy::enrollment::{self, Activity, Status};
use learning::academy::statistics;

/// Where an enrollment stands, in the words of v2: one that has run out is `expired`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum State {
    Pending,
    Active,
    Completed,
    Expired,
    Dropped,
}

impl State {
    pub(super) fn of(row: &enrollment::Enrollment, now: UnixMs) -> Self {
        match row.status {
            Status::Pending => Self::Pending,
            Status::Active if now >= row.expires_at => Self::Expired,
            Status::Active => Self::Active,
            Status::Completed => Self::Completed,
            Status::Withdrawn => Self::Dropped,
        }
    }
}

/// What an enrollment opens.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Opened {
    materials: bool,
    chat: bool,
    office_hours: bool,
    certificate: bool,
}

/// An enrollment with its progress (8.2.1).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Enrollment {
    id: String,
    course_id: String,
    course_name: String,
    cohort_id: String,
    cohort_name: String,
    pub(super) status: State,
    enrolled_at: Iso,
    expires_at: Iso,
    progress: Progress,
    access: Opened,
}

/// How far an enrollment is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Progress {
    materials_accessed: i64,
    total_materials: i64,
    chat_messages: i64,
    office_hours_booked: i64,
    certificate_earned: bool,
}

impl Enrollment {
    pub(super) fn new(row: enrollment::Enrollment, activity: Activity, now: UnixMs) -> Self {
        let has_certificate = row.certificate_id.is_some();
        let is_open = row.require_access("", now).is_ok();
        Self {
            status: State::of(&row, now),
            id: row.id,
            course_id: row.course_id,
            course_name: row.course_title,
            cohort_id: row.cohort_id,
            cohort_name: row.cohort_name,
            enrolled_at: Iso(row.enrolled_at),
            expires_at: Iso(row.expires_at),
            progress: Progress {
                materials_accessed: activity.materials_accessed,
                total_materials: activity.materials_total,
                chat_messages: activity.chat_messages,
                office_hours_booked: activity.bookings,
                certificate_earned: has_certificate,
            },
            access: Opened {
                materials: is_open,
                chat: is_open,
                office_hours: is_open,
                certificate: has_certificate,
            },
        }
    }
}

/// How many enrollments a cohort has.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Counts {
    total: i64,
    active: i64,
    completed: i64,
    dropped: i64,
}

impl From<statistics::Counts> for Counts {
    fn from(counts: statistics::Counts) -> Self {
        Self {
            total: counts.total,
            active: counts.active,
            completed: counts.completed,
            dropped: counts.dropped,
        }
    }
}

/// A figure with one decimal.
pub(super) fn tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// A share with two decimals.
pub(super) fn hundredths(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
