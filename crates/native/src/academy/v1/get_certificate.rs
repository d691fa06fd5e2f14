//! `get_certificate`: the certificate of a completed enrollment (docs/inside/academy.md#6326-get_certificate).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::Certificate;
use super::{LEARNER, actor};
use crate::academy::links::Files;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::{certificate, enrollment};

pub(super) struct GetCertificate;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// The enrollment whose certificate is wanted
    enrollment_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    certificate: Certificate,
}

impl Tool for GetCertificate {
    const NAME: &'static str = "get_certificate";
    const TITLE: &'static str = "Get a certificate";
    const DESCRIPTION: &'static str =
        "Retrieves certificate details and download URL for a completed enrollment.";
    const SCOPES: &'static [&'static str] = LEARNER;
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let enrollment = enrollment::get(call.tx, &actor, &args.enrollment_id).await?;
        let row = certificate::of_enrollment(call.tx, actor.realm, &enrollment).await?;
        let files = Files::new(call, actor.realm);
        Ok(Output {
            certificate: Certificate::new(row, call, &files),
        })
    }
}
