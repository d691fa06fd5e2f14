//! `get_institution`: `GET /api/career/orgs/{org}/institutions/users/{username}/`.

use super::records::{self, OfUser, Records};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::career::Institution;

pub(super) struct GetInstitution;

impl Tool for GetInstitution {
    const NAME: &'static str = "get_institution";
    const TITLE: &'static str = "Get institutions";
    const DESCRIPTION: &'static str = "Fetch institutions list.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    type Args = OfUser;
    type Output = Records<Institution>;

    async fn call(call: &mut Call<'_>, args: OfUser) -> Result<Records<Institution>, Refusal> {
        records::list(call, &args).await
    }
}
