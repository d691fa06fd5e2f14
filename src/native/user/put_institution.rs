//! `put_institution`: `PUT /api/career/orgs/{org}/institutions/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Institution;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PutInstitution;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Institution record ID
    id: i64,
    /// Institution name
    #[schemars(length(max = 100))]
    name: String,
}

impl Tool for PutInstitution {
    const NAME: &'static str = "put_institution";
    const TITLE: &'static str = "Update an institution";
    const DESCRIPTION: &'static str =
        "Update an existing institution entry. Fields that it does not name stay as they are.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const IS_IDEMPOTENT: bool = true;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Institution;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Institution, Refusal> {
        records::replace(call, args.fields).await
    }
}
