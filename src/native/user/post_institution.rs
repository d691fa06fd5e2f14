//! `post_institution`: `POST /api/career/orgs/{org}/institutions/users/{username}/`.

use schemars::JsonSchema;

use super::records;
use crate::career::{Institution, InstitutionType};
use crate::native::call::Call;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Given, Tool};

pub(super) struct PostInstitution;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema; the rules read the fields as they came"
)]
pub(super) struct Args {
    /// User's username
    username: String,
    /// Institution name
    #[schemars(length(max = 100))]
    name: String,
    /// Type (e.g. "university", "academy", "institute")
    institution_type: Option<InstitutionType>,
    /// Location
    #[schemars(length(max = 100))]
    location: Option<String>,
    /// Institution website URL
    #[schemars(length(max = 255))]
    website: Option<String>,
}

impl Tool for PostInstitution {
    const NAME: &'static str = "post_institution";
    const TITLE: &'static str = "Add an institution";
    const DESCRIPTION: &'static str = "Create a new institution entry.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Given<Args>;
    type Output = Institution;

    async fn call(call: &mut Call<'_>, args: Given<Args>) -> Result<Institution, Refusal> {
        records::create(call, args.fields).await
    }
}
