//! `post_company`: `POST /api/career/orgs/{org}/companies/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::Company;
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PostCompany;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Company name
    #[schemars(length(max = 100))]
    name: String,
    /// Industry sector
    #[schemars(length(max = 100))]
    industry: Option<String>,
    /// Company website URL
    #[schemars(length(max = 255))]
    website: Option<String>,
}

impl Tool for PostCompany {
    const NAME: &'static str = "post_company";
    const TITLE: &'static str = "Add a company";
    const DESCRIPTION: &'static str = "Create a new company entry.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Company;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Company, Refusal> {
        records::create(call, args.fields).await
    }
}
