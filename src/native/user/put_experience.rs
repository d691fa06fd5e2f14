//! `put_experience`: `PUT /api/career/orgs/{org}/experience/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Experience;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PutExperience;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Experience record ID
    id: i64,
    /// Company ID
    company_id: i64,
    /// Job title
    #[schemars(length(max = 100))]
    title: String,
    /// Start date in YYYY-MM-DD format
    #[schemars(extend("format" = "date"))]
    start_date: String,
}

impl Tool for PutExperience {
    const NAME: &'static str = "put_experience";
    const TITLE: &'static str = "Update an experience";
    const DESCRIPTION: &'static str =
        "Update an existing experience entry. Fields that it does not name stay as they are.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const IS_IDEMPOTENT: bool = true;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Experience;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Experience, Refusal> {
        records::replace(call, args.fields).await
    }
}
