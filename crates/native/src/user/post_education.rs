//! `post_education`: `POST /api/career/orgs/{org}/education/users/{username}/`.

use super::records::{self, Args, Writes};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Education;

pub(super) struct PostEducation;

impl Writes for PostEducation {
    type Record = Education;
    const FIELDS: &'static [&'static str] = &[
        "institution_id",
        "start_date",
        "degree",
        "field_of_study",
        "end_date",
        "description",
    ];
}

impl Tool for PostEducation {
    const NAME: &'static str = "post_education";
    const TITLE: &'static str = "Add an education";
    const DESCRIPTION: &'static str = "Create a new education entry. Needs the id of an institution: see get_institution, or make one with post_institution.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Write;
    const GATHERS: bool = true;
    type Args = Args<Self>;
    type Output = Education;

    async fn call(call: &mut Call<'_>, args: Args<Self>) -> Result<Education, Refusal> {
        records::create(call, args.fields).await
    }
}
