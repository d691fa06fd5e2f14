//! `put_experience`: `PUT /api/career/orgs/{org}/experience/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Experience;

pub(super) struct PutExperience;

impl Writes for PutExperience {
    type Record = Experience;
    const ID: Option<&'static str> = Some("Experience record ID");
    const FIELDS: &'static [&'static str] = &["company_id", "title", "start_date"];
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
    type Args = Args<Self>;
    type Output = Experience;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Experience, Refusal> {
        records::replace(call, args.fields).await
    }
}
