//! `academy://organizations/{orgId}/dashboard`: an organization in figures (docs/inside/academy.md#832-what-they-hold).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::actor;
use super::super::view::{hundredths, tenths};
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use learning::academy::cohort::Status;
use learning::academy::{organization, statistics};

pub(super) struct Dashboard;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    organization_id: String,
    name: String,
    enrollments: DashboardTotals,
    engagement: DashboardEngagement,
    cohorts: Vec<DashboardCohort>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DashboardTotals {
    total: i64,
    active: i64,
    completed: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct DashboardEngagement {
    average_materials_accessed: f64,
    average_chat_messages: f64,
    /// Completed of all that have ended or were given up; null while none has.
    completion_rate: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct DashboardCohort {
    cohort_id: String,
    course_name: String,
    enrollment_count: i64,
    status: Status,
}

impl Resource for Dashboard {
    const URI: &'static str = "academy://organizations/{orgId}/dashboard";
    const NAME: &'static str = "Organization Dashboard";
    const DESCRIPTION: &'static str = "B2B organization metrics and enrollment data (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:organizations"];
    type Output = Output;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:organizations").await?;
        let realm = actor.realm;
        let found = organization::get_managed(call.tx, &actor, id).await?;
        let totals = organization::totals(call.tx, realm, id).await?;
        let engaged = statistics::of_organization(call.tx, realm, id).await?;
        let shares = organization::shares(call.tx, realm, id).await?;
        let cohorts = shares.into_iter().map(|share| DashboardCohort {
            cohort_id: share.cohort_id,
            course_name: share.course_title,
            enrollment_count: share.enrolled,
            status: share.status,
        });
        Ok(Output {
            organization_id: found.id,
            name: found.name,
            engagement: DashboardEngagement {
                average_materials_accessed: tenths(engaged.materials),
                average_chat_messages: tenths(engaged.questions),
                completion_rate: completion_rate(totals),
            },
            enrollments: DashboardTotals {
                total: totals.total,
                active: totals.active,
                completed: totals.completed,
            },
            cohorts: cohorts.collect(),
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call, "admin:organizations").await?;
        Ok(organization::ids_like(call.tx, &actor, pattern, COMPLETIONS_SOUGHT).await?)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of people are far below 2^52"
)]
fn completion_rate(totals: organization::Totals) -> Option<f64> {
    let given_up = totals.total - totals.seated;
    let ended = totals.completed + given_up;
    (ended > 0).then(|| hundredths(totals.completed as f64 / ended as f64))
}
