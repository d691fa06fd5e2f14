//! `post_user_resume`: `POST /api/career/resume/orgs/{org}/users/{username}/`.

use super::resumes::{self, Args, Output};
use crate::failure::Refusal;
use crate::long::{LongCall, LongTool};

pub(super) struct PostUserResume;

impl LongTool for PostUserResume {
    const NAME: &'static str = "post_user_resume";
    const TITLE: &'static str = "Upload a resume";
    const DESCRIPTION: &'static str = "Upload a resume file. Takes a small file as base64; without a file it answers with a link to upload one.";
    const SCOPES: &'static [&'static str] = &[];
    const GATHERS: bool = true;
    type Args = Args;
    type Output = Output;

    async fn call(call: &LongCall<'_>, args: Args) -> Result<Output, Refusal> {
        resumes::save(call, args, false).await
    }
}
