//! `get_upcoming_cohorts`: the cohorts still to begin, of every course or of one
//! (docs/inside/academy.md#6323-get_upcoming_cohorts).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::CohortListing;
use super::{LEARNER, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::clock::UnixMs;
use learning::academy::cohort::{self, Filter, Modality};

/// Cohorts in an answer unless another number is asked for.
const LIMIT_DEFAULT: i64 = 20;

pub(super) struct GetUpcomingCohorts;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Optional filter by specific course
    course_id: Option<String>,
    /// Optional modality filter
    modality: Option<Modality>,
    /// Optional: only cohorts starting after this timestamp (Unix milliseconds)
    // Below stand the seconds of our time, which somebody mistook for milliseconds.
    #[schemars(range(min = 100_000_000_000_i64, max = 253_402_300_799_999_i64))]
    start_date_after: Option<i64>,
    /// Default: 20, Max: 100
    #[schemars(range(min = 1, max = 100))]
    limit: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohorts: Vec<CohortListing>,
    total_count: i64,
    has_more: bool,
}

impl Tool for GetUpcomingCohorts {
    const NAME: &'static str = "get_upcoming_cohorts";
    const TITLE: &'static str = "List upcoming cohorts";
    const DESCRIPTION: &'static str =
        "Lists all upcoming cohorts across all courses, optionally filtered by course.";
    const SCOPES: &'static [&'static str] = LEARNER;
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let realm = actor(call).await?.realm;
        let after = UnixMs(args.start_date_after.unwrap_or_default()).max(call.now);
        let filter = Filter {
            course: args.course_id,
            modality: args.modality,
            is_upcoming: true,
            starts_after: Some(after),
            ..Filter::default()
        };
        let limit = args.limit.unwrap_or(LIMIT_DEFAULT);
        let page = cohort::list(call.tx, realm, &filter, (limit, 0)).await?;
        Ok(Output {
            has_more: page.total > limit,
            total_count: page.total,
            cohorts: page.rows.into_iter().map(Into::into).collect(),
        })
    }
}
