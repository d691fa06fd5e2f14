//! `post_company`: `POST /api/career/orgs/{org}/companies/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Company;

pub(super) struct PostCompany;

impl Writes for PostCompany {
    type Record = Company;
    const FIELDS: &'static [&'static str] = &["name", "industry", "website"];
}

impl Tool for PostCompany {
    const NAME: &'static str = "post_company";
    const TITLE: &'static str = "Add a company";
    const DESCRIPTION: &'static str = "Create a new company entry.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Args<Self>;
    type Output = Company;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Company, Refusal> {
        records::create(call, args.fields).await
    }
}
