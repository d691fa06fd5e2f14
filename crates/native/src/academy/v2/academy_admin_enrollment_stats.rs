//! `academy_admin_enrollment_stats`: what the rows of a cohort add up to
//! (docs/inside/academy.md#828-academy_admin_enrollment_stats).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::time::Iso;
use super::view::{hundredths, tenths};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::cohort::{self, Cohort};
use learning::academy::statistics::{self as figures, Group};

pub(super) struct AdminEnrollmentStats;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Cohort ID
    cohort_id: String,
    /// Metrics to include (default: all)
    #[schemars(length(max = 5))]
    metrics: Option<Vec<Metric>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Metric {
    Engagement,
    Materials,
    Chat,
    OfficeHours,
    Completion,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohort_id: String,
    period: Period,
    enrollments: Enrollments,
    #[serde(skip_serializing_if = "Option::is_none")]
    engagement: Option<Engagement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    materials: Option<Materials>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<Chat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    office_hours: Option<OfficeHours>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion: Option<Completion>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Period {
    start: Iso,
    end: Iso,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Enrollments {
    total: i64,
    active: i64,
    completed: i64,
    dropped: i64,
    b2b: i64,
    b2c: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Engagement {
    average_materials_accessed: f64,
    average_chat_messages: f64,
    average_office_hours_booked: f64,
    active_users: ActiveUsers,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ActiveUsers {
    daily: i64,
    weekly: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Materials {
    most_accessed: Vec<Accessed>,
    download_rate: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Accessed {
    id: String,
    name: String,
    access_count: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Chat {
    total_messages: i64,
    /// In seconds.
    average_response_time: Option<f64>,
    /// Out of 5.
    satisfaction_score: Option<f64>,
    top_topics: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct OfficeHours {
    total_bookings: i64,
    completed_sessions: i64,
    no_shows: i64,
    average_rating: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Completion {
    on_track: i64,
    at_risk: i64,
    projected_completion_rate: Option<f64>,
}

impl Tool for AdminEnrollmentStats {
    const NAME: &'static str = "academy_admin_enrollment_stats";
    const TITLE: &'static str = "Get enrollment statistics";
    const DESCRIPTION: &'static str =
        "Get enrollment statistics and analytics for a cohort (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:enrollments"];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let cohort = cohort::get(call.tx, actor.realm, &args.cohort_id).await?;
        let of = Group::seen_by(&actor, &cohort.id);
        let counts = figures::counts(call.tx, of).await?;
        let wants = |metric| {
            args.metrics
                .as_ref()
                .is_none_or(|list| list.contains(&metric))
        };
        let done = figures::engagement(call.tx, of, call.now).await?;
        Ok(Output {
            engagement: wants(Metric::Engagement).then(|| engagement(done)),
            materials: if wants(Metric::Materials) {
                Some(materials(call, of, share(done.downloaders, counts.total)).await?)
            } else {
                None
            },
            chat: if wants(Metric::Chat) {
                Some(chat(call, of).await?)
            } else {
                None
            },
            office_hours: if wants(Metric::OfficeHours) {
                Some(office_hours(call, of).await?)
            } else {
                None
            },
            completion: if wants(Metric::Completion) {
                Some(completion(call, of, &cohort, counts.completed).await?)
            } else {
                None
            },
            cohort_id: cohort.id,
            period: Period {
                start: Iso(cohort.starts_at),
                end: Iso(cohort.ends_at),
            },
            enrollments: Enrollments {
                total: counts.total,
                active: counts.active,
                completed: counts.completed,
                dropped: counts.dropped,
                b2b: counts.b2b,
                b2c: counts.b2c,
            },
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of people are far below 2^52"
)]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| hundredths(part as f64 / whole as f64))
}

fn engagement(done: figures::Engagement) -> Engagement {
    Engagement {
        average_materials_accessed: tenths(done.materials),
        average_chat_messages: tenths(done.questions),
        average_office_hours_booked: tenths(done.bookings),
        active_users: ActiveUsers {
            daily: done.daily,
            weekly: done.weekly,
        },
    }
}

async fn materials(
    call: &mut Call<'_>,
    of: Group<'_>,
    download_rate: Option<f64>,
) -> Result<Materials, Refusal> {
    let rows = figures::most_accessed(call.tx, of).await?;
    let most_accessed = rows.into_iter().map(|row| Accessed {
        id: row.id,
        name: row.title,
        access_count: row.times,
    });
    Ok(Materials {
        most_accessed: most_accessed.collect(),
        download_rate: download_rate.unwrap_or(0.0),
    })
}

async fn chat(call: &mut Call<'_>, of: Group<'_>) -> Result<Chat, Refusal> {
    let row = figures::chat(call.tx, of).await?;
    Ok(Chat {
        total_messages: row.questions,
        average_response_time: row.answer_ms.map(|ms| tenths(ms / 1000.0)),
        satisfaction_score: row.rating.map(tenths),
        top_topics: figures::topics(call.tx, of).await?,
    })
}

async fn office_hours(call: &mut Call<'_>, of: Group<'_>) -> Result<OfficeHours, Refusal> {
    let row = figures::sessions(call.tx, of).await?;
    Ok(OfficeHours {
        total_bookings: row.booked,
        completed_sessions: row.completed,
        no_shows: row.missed,
        average_rating: row.rating.map(tenths),
    })
}

async fn completion(
    call: &mut Call<'_>,
    of: Group<'_>,
    cohort: &Cohort,
    completed: i64,
) -> Result<Completion, Refusal> {
    let row = figures::outlook(call.tx, of, cohort, call.now).await?;
    let all = row.on_track + row.at_risk + completed;
    Ok(Completion {
        on_track: row.on_track,
        at_risk: row.at_risk,
        projected_completion_rate: share(row.on_track + completed, all),
    })
}
