//! `academy://certificates/{enrollmentId}`: the certificate of an enrollment
//! (docs/inside/academy.md#6334-certificates-of-v1).

use super::super::view::Certificate;
use super::super::{LEARNER, actor};
use crate::academy::links::Files;
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use learning::academy::{certificate, enrollment};

pub(super) struct Certificates;

impl Resource for Certificates {
    const URI: &'static str = "academy://certificates/{enrollmentId}";
    const NAME: &'static str = "Certificate of an enrollment";
    const DESCRIPTION: &'static str = "Retrieves certificate details for a specific enrollment.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = Certificate;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Certificate, Refusal> {
        let actor = actor(call).await?;
        let enrollment = enrollment::get(call.tx, &actor, id).await?;
        let row = certificate::of_enrollment(call.tx, actor.realm, &enrollment).await?;
        let files = Files::new(call, actor.realm);
        Ok(Certificate::new(row, call, &files))
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call).await?;
        Ok(certificate::enrollments_like(call.tx, &actor, pattern, COMPLETIONS_SOUGHT).await?)
    }
}
