//! `put_company`: `PUT /api/career/orgs/{org}/companies/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Company;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PutCompany;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Company record ID
    id: i64,
    /// Company name
    #[schemars(length(max = 100))]
    name: String,
}

impl Tool for PutCompany {
    const NAME: &'static str = "put_company";
    const TITLE: &'static str = "Update a company";
    const DESCRIPTION: &'static str =
        "Update an existing company entry. Fields that it does not name stay as they are.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const IS_IDEMPOTENT: bool = true;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Company;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Company, Refusal> {
        records::replace(call, args.fields).await
    }
}
