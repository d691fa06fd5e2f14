//! `get_learner_analytics`: `GET /api/analytics/learners/`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::spans::{DateFilter, window};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::storage::PageRequest;
use learning::learner::{Learner, Overview, Question};

/// Platforms in a page unless asked otherwise.
const LIMIT_DEFAULT: i64 = 20;

pub(super) struct GetLearnerAnalytics;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Learner username (default: the key's user)
    username: Option<String>,
    /// Page size
    #[schemars(range(min = 1, max = 100))]
    limit: Option<i64>,
    /// Page number
    #[schemars(range(min = 1))]
    page: Option<i64>,
    /// Start date filter (ISO 8601)
    start_date: Option<String>,
    /// End date filter (ISO 8601)
    end_date: Option<String>,
    /// Preset filter, in days of the learner's time zone; not together with dates
    date_filter: Option<DateFilter>,
}

impl Tool for GetLearnerAnalytics {
    const NAME: &'static str = "get_learner_analytics";
    const TITLE: &'static str = "Get learner analytics";
    const DESCRIPTION: &'static str = "Get unified learner analytics including enrollments, grades, time spent, engagement index, and last access \
         across platforms.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    const GATHERS: bool = true;
    type Args = Args;
    type Output = Overview;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Overview, Refusal> {
        let caller = call.caller;
        let username = args.username.as_deref().unwrap_or(&caller.user.username);
        let learner = Learner::of(call.tx, &caller.user, username).await?;
        let span = (args.start_date, args.end_date, args.date_filter);
        let question = Question {
            learner: &learner,
            window: window(call, &learner, span).await?,
            page: PageRequest {
                number: args.page.unwrap_or(1),
                size: args.limit.unwrap_or(LIMIT_DEFAULT),
            },
            mentor: None,
            series: None,
            in_detail: false,
        };
        Ok(Overview::of(call.tx, question, &caller.tenant, call.now).await?)
    }
}
