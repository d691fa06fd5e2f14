//! `academy://enrollments/{userId}`: the enrollments of a user, with totals
//! (docs/inside/academy.md#832-what-they-hold).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::actor;
use super::super::time::Iso;
use super::super::view::State;
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use learning::academy::{enrollment, person};

pub(super) struct Enrollments;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    user_id: String,
    enrollments: Vec<HistoryItem>,
    statistics: HistoryTotals,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HistoryItem {
    id: String,
    course_id: String,
    cohort_id: String,
    status: State,
    enrolled_at: Iso,
    progress: HistoryProgress,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HistoryProgress {
    materials_accessed: i64,
    chat_messages: i64,
    office_hours_booked: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HistoryTotals {
    total_enrollments: usize,
    completed_courses: usize,
    certificates_earned: usize,
}

impl Resource for Enrollments {
    const URI: &'static str = "academy://enrollments/{userId}";
    const NAME: &'static str = "User Enrollments";
    const DESCRIPTION: &'static str = "Complete enrollment history for a user";
    const SCOPES: &'static [&'static str] = &["enrollments:read"];
    type Output = Output;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let person = person::get(call.tx, &actor, id).await?;
        let rows = enrollment::seen_of_person(call.tx, &actor, &person.id).await?;
        let is_completed =
            |row: &&enrollment::Enrollment| row.status == enrollment::Status::Completed;
        let statistics = HistoryTotals {
            total_enrollments: rows.len(),
            completed_courses: rows.iter().filter(is_completed).count(),
            certificates_earned: rows
                .iter()
                .filter(|row| row.certificate_id.is_some())
                .count(),
        };
        let mut enrollments = Vec::new();
        for row in rows {
            let activity = enrollment::activity(call.tx, actor.realm, &row).await?;
            enrollments.push(HistoryItem {
                status: State::of(&row, call.now),
                id: row.id,
                course_id: row.course_id,
                cohort_id: row.cohort_id,
                enrolled_at: Iso(row.enrolled_at),
                progress: HistoryProgress {
                    materials_accessed: activity.materials_accessed,
                    chat_messages: activity.chat_messages,
                    office_hours_booked: activity.bookings,
                },
            });
        }
        Ok(Output {
            user_id: person.id,
            enrollments,
            statistics,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        Ok(person::ids_like(call.tx, &actor, pattern, COMPLETIONS_SOUGHT).await?)
    }
}
