//! `post_education`: `POST /api/career/orgs/{org}/education/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Education;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PostEducation;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Institution ID
    institution_id: i64,
    /// Start date in YYYY-MM-DD format
    #[schemars(extend("format" = "date"))]
    start_date: String,
    /// Degree name
    #[schemars(length(max = 100))]
    degree: Option<String>,
    /// Field of study
    #[schemars(length(max = 100))]
    field_of_study: Option<String>,
    /// End date in YYYY-MM-DD format
    #[schemars(extend("format" = "date"))]
    end_date: Option<String>,
    /// Description of studies
    #[schemars(length(max = 5000))]
    description: Option<String>,
}

impl Tool for PostEducation {
    const NAME: &'static str = "post_education";
    const TITLE: &'static str = "Add an education";
    const DESCRIPTION: &'static str = "Create a new education entry. Needs the id of an institution: see get_institution, or make one with post_institution.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Education;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Education, Refusal> {
        records::create(call, args.fields).await
    }
}
