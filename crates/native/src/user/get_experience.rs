//! `get_experience`: `GET /api/career/orgs/{org}/experience/users/{username}/`.

use super::records::{self, OfUser, Records};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Experience;

pub(super) struct GetExperience;

impl Tool for GetExperience {
    const NAME: &'static str = "get_experience";
    const TITLE: &'static str = "Get experience";
    const DESCRIPTION: &'static str = "Fetch experience records for a user.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    type Args = OfUser;
    type Output = Records<Experience>;

    async fn call(call: &mut Call<'_>, args: OfUser) -> Result<Records<Experience>, Refusal> {
        records::list(call, &args).await
    }
}
