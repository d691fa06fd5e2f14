//! `get_company`: `GET /api/career/orgs/{org}/companies/users/{username}/`.

use super::records::{self, OfUser, Records};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Company;

pub(super) struct GetCompany;

impl Tool for GetCompany {
    const NAME: &'static str = "get_company";
    const TITLE: &'static str = "Get companies";
    const DESCRIPTION: &'static str = "Fetch companies associated with a user.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    type Args = OfUser;
    type Output = Records<Company>;

    async fn call(call: &mut Call<'_>, args: OfUser) -> Result<Records<Company>, Refusal> {
        records::list(call, &args).await
    }
}
