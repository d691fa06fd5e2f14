//! `get_education`: `GET /api/career/orgs/{org}/education/users/{username}/`.

use super::records::{self, OfUser, Records};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Education;

pub(super) struct GetEducation;

impl Tool for GetEducation {
    const NAME: &'static str = "get_education";
    const TITLE: &'static str = "Get education";
    const DESCRIPTION: &'static str = "Fetch education records for a user.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    type Args = OfUser;
    type Output = Records<Education>;

    async fn call(call: &mut Call<'_>, args: OfUser) -> Result<Records<Education>, Refusal> {
        records::list(call, &args).await
    }
}
