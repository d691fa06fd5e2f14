//! `put_education`: `PUT /api/career/orgs/{org}/education/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Education;

pub(super) struct PutEducation;

impl Writes for PutEducation {
    type Record = Education;
    const ID: Option<&'static str> = Some("Education record ID");
    const FIELDS: &'static [&'static str] = &["institution_id", "start_date"];
}

impl Tool for PutEducation {
    const NAME: &'static str = "put_education";
    const TITLE: &'static str = "Update an education";
    const DESCRIPTION: &'static str =
        "Update an existing education entry. Fields that it does not name stay as they are.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const IS_IDEMPOTENT: bool = true;
    const GATHERS: bool = true;
    type Args = Args<Self>;
    type Output = Education;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Education, Refusal> {
        records::replace(call, args.fields).await
    }
}
