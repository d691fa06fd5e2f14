//! `academy://cohorts`: every cohort that is still to begin (docs/inside/academy.md#6332-cohorts-of-v1).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{LEARNER, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::Resource;
use base::clock::UnixMs;
use learning::academy::cohort::{self, Availability, Cohort, Filter, Modality};

/// Cohorts that the list of all names at most.
const COHORTS_MAX: i64 = 1000;

pub(super) struct Cohorts;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohorts: Vec<CohortInList>,
    total_count: i64,
    last_updated: UnixMs,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CohortInList {
    cohort_id: String,
    cohort_name: String,
    course_title: String,
    start_date: UnixMs,
    end_date: UnixMs,
    modality: Modality,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    available_seats: i64,
    total_seats: i64,
    status: Availability,
}

impl From<Cohort> for CohortInList {
    fn from(cohort: Cohort) -> Self {
        Self {
            location: cohort.place().map(str::to_owned),
            available_seats: cohort.seats_free(),
            status: cohort.availability(),
            cohort_id: cohort.id,
            cohort_name: cohort.name,
            course_title: cohort.course_title,
            start_date: cohort.starts_at,
            end_date: cohort.ends_at,
            modality: cohort.modality,
            total_seats: cohort.seats_total,
        }
    }
}

impl Resource for Cohorts {
    const URI: &'static str = "academy://cohorts";
    const NAME: &'static str = "Cohorts";
    const DESCRIPTION: &'static str = "Lists all upcoming cohorts across all courses.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = Output;

    async fn read(call: &mut Call<'_>, _: &str) -> Result<Output, Refusal> {
        let realm = actor(call).await?.realm;
        let filter = Filter {
            is_upcoming: true,
            starts_after: Some(call.now),
            ..Filter::default()
        };
        let page = cohort::list(call.tx, realm, &filter, (COHORTS_MAX, 0)).await?;
        Ok(Output {
            total_count: page.total,
            cohorts: page.rows.into_iter().map(Into::into).collect(),
            last_updated: call.now,
        })
    }
}
