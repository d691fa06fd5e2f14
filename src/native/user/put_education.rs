//! `put_education`: `PUT /api/career/orgs/{org}/education/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Education;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PutEducation;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Education record ID
    id: i64,
    /// Institution ID
    institution_id: i64,
    /// Start date in YYYY-MM-DD format
    #[schemars(extend("format" = "date"))]
    start_date: String,
}

impl Tool for PutEducation {
    const NAME: &'static str = "put_education";
    const TITLE: &'static str = "Update an education";
    const DESCRIPTION: &'static str =
        "Update an existing education entry. Fields that it does not name stay as they are.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const IS_IDEMPOTENT: bool = true;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Education;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Education, Refusal> {
        records::replace(call, args.fields).await
    }
}
