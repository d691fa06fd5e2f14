//! `academy://organizations/{organizationId}`: an organization in figures
//! (docs/inside/academy.md#6335-organizations-of-v1).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::view::Currency;
use super::super::{ADMIN, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use base::clock::UnixMs;
use learning::academy::cohort::Status;
use learning::academy::organization::{self, Contract};

pub(super) struct Organizations;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    organization_id: String,
    name: String,
    contact_email: String,
    contract_type: Contract,
    active_since: UnixMs,
    total_enrollments: i64,
    active_enrollments: i64,
    completed_enrollments: i64,
    total_spent: i64,
    currency: Currency,
    allocated_seats: i64,
    used_seats: i64,
    upcoming_cohorts: Vec<Share>,
    last_updated: UnixMs,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Share {
    cohort_id: String,
    cohort_name: String,
    enrolled_count: i64,
}

impl Resource for Organizations {
    const URI: &'static str = "academy://organizations/{organizationId}";
    const NAME: &'static str = "Organization";
    const DESCRIPTION: &'static str =
        "Retrieves organization details and aggregate enrollment statistics (admin-only).";
    const SCOPES: &'static [&'static str] = ADMIN;
    type Output = Output;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let realm = actor.realm;
        let found = organization::get_managed(call.tx, &actor, id).await?;
        let totals = organization::totals(call.tx, realm, id).await?;
        let shares = organization::shares(call.tx, realm, id).await?;
        let is_upcoming = |share: &organization::Share| {
            share.starts_at > call.now && matches!(share.status, Status::Scheduled | Status::Open)
        };
        let upcoming = shares.into_iter().filter(is_upcoming).map(|share| Share {
            cohort_id: share.cohort_id,
            cohort_name: share.cohort_name,
            enrolled_count: share.enrolled,
        });
        Ok(Output {
            upcoming_cohorts: upcoming.collect(),
            organization_id: found.id,
            name: found.name,
            contact_email: found.contact_email,
            contract_type: found.contract,
            active_since: found.active_since,
            total_enrollments: totals.total,
            active_enrollments: totals.active,
            completed_enrollments: totals.completed,
            total_spent: totals.spent,
            currency: Currency::Usd,
            allocated_seats: found.seats_allocated,
            used_seats: totals.seated,
            last_updated: call.now,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call).await?;
        Ok(organization::ids_like(call.tx, &actor, pattern, COMPLETIONS_SOUGHT).await?)
    }
}
