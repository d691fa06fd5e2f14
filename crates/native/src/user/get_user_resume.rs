//! `get_user_resume`: `GET /api/career/resume/orgs/{org}/users/{username}/`.

use super::records::OfUser;
use super::resumes;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::resume::{self, Resume};
use learning::learner::Learner;

pub(super) struct GetUserResume;

impl Tool for GetUserResume {
    const NAME: &'static str = "get_user_resume";
    const TITLE: &'static str = "Get the resume";
    const DESCRIPTION: &'static str = "Fetch resume and media files for a user.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    type Args = OfUser;
    type Output = Resume;

    async fn call(call: &mut Call<'_>, args: OfUser) -> Result<Resume, Refusal> {
        let learner = Learner::of(call.tx, &call.caller.user, &args.username).await?;
        let links = resumes::links(call);
        Ok(resume::get(call.tx, &learner, &links).await?)
    }
}
