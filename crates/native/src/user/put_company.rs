//! `put_company`: `PUT /api/career/orgs/{org}/companies/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Company;

pub(super) struct PutCompany;

impl Writes for PutCompany {
    type Record = Company;
    const ID: Option<&'static str> = Some("Company record ID");
    const FIELDS: &'static [&'static str] = &["name"];
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
    type Args = Args<Self>;
    type Output = Company;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Company, Refusal> {
        records::replace(call, args.fields).await
    }
}
