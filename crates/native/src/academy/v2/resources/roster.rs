//! `academy://cohorts/{cohortId}/roster`: who is in a cohort and how far they are
//! (docs/inside/academy.md#832-what-they-hold).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::actor;
use super::super::view::{State, hundredths};
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use learning::academy::{cohort, enrollment};

pub(super) struct Roster;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohort_id: String,
    enrollments: Vec<RosterItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RosterItem {
    id: String,
    user: RosterUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<RosterOrganization>,
    status: State,
    progress: RosterProgress,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RosterUser {
    id: String,
    email: String,
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RosterOrganization {
    id: String,
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct RosterProgress {
    materials_accessed: i64,
    total_materials: i64,
    /// The mean of three shares, each at most 1: materials opened, questions asked of 50, office hours booked of 4.
    engagement_score: f64,
}

/// Questions of somebody who is as engaged as can be.
const QUESTIONS_FULL: f64 = 50.0;
/// Office hours of somebody who is as engaged as can be.
const BOOKINGS_FULL: f64 = 4.0;

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one learner are far below 2^52"
)]
fn engagement(activity: enrollment::Activity) -> f64 {
    let part = |done: i64, full: f64| (done as f64 / full.max(1.0)).min(1.0);
    let materials = part(activity.materials_accessed, activity.materials_total as f64);
    let questions = part(activity.chat_messages, QUESTIONS_FULL);
    let bookings = part(activity.bookings, BOOKINGS_FULL);
    hundredths((materials + questions + bookings) / 3.0)
}

impl Resource for Roster {
    const URI: &'static str = "academy://cohorts/{cohortId}/roster";
    const NAME: &'static str = "Cohort Roster";
    const DESCRIPTION: &'static str = "List of enrolled users with progress (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:cohorts"];
    type Output = Output;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:cohorts").await?;
        let cohort = cohort::get(call.tx, actor.realm, id).await?;
        let mut enrollments = Vec::new();
        for row in enrollment::roster(call.tx, &actor, &cohort.id, false).await? {
            let activity = enrollment::activity(call.tx, actor.realm, &row).await?;
            let organization = row
                .organization_id
                .clone()
                .zip(row.organization_name.clone());
            enrollments.push(RosterItem {
                status: State::of(&row, call.now),
                id: row.id,
                user: RosterUser {
                    id: row.person_id,
                    email: row.learner_email,
                    name: row.learner_name,
                },
                organization: organization.map(|(id, name)| RosterOrganization { id, name }),
                progress: RosterProgress {
                    materials_accessed: activity.materials_accessed,
                    total_materials: activity.materials_total,
                    engagement_score: engagement(activity),
                },
            });
        }
        Ok(Output {
            cohort_id: cohort.id,
            enrollments,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let realm = actor(call, "admin:cohorts").await?.realm;
        Ok(cohort::ids_like(call.tx, realm, pattern, COMPLETIONS_SOUGHT).await?)
    }
}
