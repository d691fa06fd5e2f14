//! `post_experience`: `POST /api/career/orgs/{org}/experience/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Experience;

pub(super) struct PostExperience;

impl Writes for PostExperience {
    type Record = Experience;
    const FIELDS: &'static [&'static str] = &[
        "company_id",
        "title",
        "start_date",
        "employment_type",
        "location",
        "end_date",
        "is_current",
        "description",
    ];
}

impl Tool for PostExperience {
    const NAME: &'static str = "post_experience";
    const TITLE: &'static str = "Add an experience";
    const DESCRIPTION: &'static str = "Create a new experience entry. Needs the id of a company: see get_company, or make one with post_company.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Args<Self>;
    type Output = Experience;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Experience, Refusal> {
        records::create(call, args.fields).await
    }
}
