//! `post_institution`: `POST /api/career/orgs/{org}/institutions/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Institution;

pub(super) struct PostInstitution;

impl Writes for PostInstitution {
    type Record = Institution;
    const FIELDS: &'static [&'static str] = &["name", "institution_type", "location", "website"];
}

impl Tool for PostInstitution {
    const NAME: &'static str = "post_institution";
    const TITLE: &'static str = "Add an institution";
    const DESCRIPTION: &'static str = "Create a new institution entry.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Args<Self>;
    type Output = Institution;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Institution, Refusal> {
        records::create(call, args.fields).await
    }
}
