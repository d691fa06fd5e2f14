//! `put_user_resume`: `PUT /api/career/resume/orgs/{org}/users/{username}/`.

use super::resumes::{self, Args, Output};
use crate::failure::Refusal;
use crate::long::{LongCall, LongTool};

pub(super) struct PutUserResume;

impl LongTool for PutUserResume {
    const NAME: &'static str = "put_user_resume";
    const TITLE: &'static str = "Update the resume";
    const DESCRIPTION: &'static str = "Update an existing resume. Takes a small file as base64; without a file it answers with a link to upload one.";
    const SCOPES: &'static [&'static str] = &[];
    const IS_IDEMPOTENT: bool = true;
    const GATHERS: bool = true;
    type Args = Args;
    type Output = Output;

    async fn call(call: &LongCall<'_>, args: Args) -> Result<Output, Refusal> {
        resumes::save(call, args, true).await
    }
}
