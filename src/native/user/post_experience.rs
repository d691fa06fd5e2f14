//! `post_experience`: `POST /api/career/orgs/{org}/experience/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Experience;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PostExperience;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Company ID
    company_id: i64,
    /// Job title
    #[schemars(length(max = 100))]
    title: String,
    /// Start date in YYYY-MM-DD format
    #[schemars(extend("format" = "date"))]
    start_date: String,
    /// Employment type (e.g. "Full-time", "Part-time")
    #[schemars(length(max = 50))]
    employment_type: Option<String>,
    /// Work location
    #[schemars(length(max = 100))]
    location: Option<String>,
    /// End date in YYYY-MM-DD format
    #[schemars(extend("format" = "date"))]
    end_date: Option<String>,
    /// Whether this is the current position
    is_current: Option<bool>,
    /// Role description
    #[schemars(length(max = 5000))]
    description: Option<String>,
}

impl Tool for PostExperience {
    const NAME: &'static str = "post_experience";
    const TITLE: &'static str = "Add an experience";
    const DESCRIPTION: &'static str = "Create a new experience entry. Needs the id of a company: see get_company, or make one with post_company.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Experience;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Experience, Refusal> {
        records::create(call, args.fields).await
    }
}
