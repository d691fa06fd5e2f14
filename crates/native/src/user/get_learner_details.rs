//! `get_learner_details`: `GET /api/analytics/learner/details`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::spans::{DateFilter, window};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::learner::{DetailQuestion, Details, Granularity, Learner, metrics_of};

pub(super) struct GetLearnerDetails;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Learner username
    #[schemars(required)]
    username: Option<String>,
    /// Start date filter (ISO 8601)
    start_date: Option<String>,
    /// End date filter (ISO 8601)
    end_date: Option<String>,
    /// Preset filter, in days of the learner's time zone; not together with dates
    date_filter: Option<DateFilter>,
    /// Specific metrics to include, with commas: courses (the default), programs, pathways, mentors, skills, credentials, time_spent
    #[schemars(length(max = 255))]
    metrics: Option<String>,
}

impl Tool for GetLearnerDetails {
    const NAME: &'static str = "get_learner_details";
    const TITLE: &'static str = "Get learner details";
    const DESCRIPTION: &'static str = "Get detailed learner analytics across catalog, mentor, and credential data, including per-course breakdowns.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    const GATHERS: bool = true;
    type Args = Args;
    type Output = Details;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Details, Refusal> {
        let caller = &call.caller.user;
        // Where nobody is named, the rest is held against the caller's own clock, and all of it refused together.
        let username = args.username.as_deref().unwrap_or(&caller.username);
        let learner = Learner::of(call.tx, caller, username).await?;
        let metrics = metrics_of(args.metrics.as_deref(), &mut call.complaints);
        let span = (args.start_date, args.end_date, args.date_filter);
        let question = DetailQuestion {
            learner: &learner,
            window: window(call, &learner, span).await?,
            metrics,
            series: Granularity::Day,
            platform: &call.caller.tenant.key,
            base_url: call.base_url,
            now: call.now,
        };
        Ok(Details::of(call.tx, question).await?)
    }
}
