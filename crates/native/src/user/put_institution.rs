//! `put_institution`: `PUT /api/career/orgs/{org}/institutions/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Institution;

pub(super) struct PutInstitution;

impl Writes for PutInstitution {
    type Record = Institution;
    const ID: Option<&'static str> = Some("Institution record ID");
    const FIELDS: &'static [&'static str] = &["name"];
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
    type Args = Args<Self>;
    type Output = Institution;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Institution, Refusal> {
        records::replace(call, args.fields).await
    }
}
