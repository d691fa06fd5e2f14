//! `academy_get_certificate`: a certificate, its verification page and its files
//! (docs/inside/academy.md#826-academy_get_certificate).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::time::{Day, Iso};
use crate::academy::links::{Files, verification};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::{certificate, enrollment};

pub(super) struct GetCertificate;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Enrollment ID
    enrollment_id: String,
    /// Response format (default: metadata)
    format: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Form {
    Metadata,
    PdfUrl,
    ImageUrl,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    certificate: Certificate,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Certificate {
    id: String,
    enrollment_id: String,
    status: Issued,
    issued_at: Iso,
    verification_url: String,
    credential: Credential,
    /// The files of the format that was asked for; of every format with the metadata.
    downloads: Downloads,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Issued {
    Issued,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Attests {
    Completion,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Credential {
    #[serde(rename = "type")]
    kind: Attests,
    course_name: String,
    learner_name: String,
    completion_date: Day,
    credential_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Downloads {
    #[serde(skip_serializing_if = "Option::is_none")]
    pdf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    png: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    svg: Option<String>,
}

impl Tool for GetCertificate {
    const NAME: &'static str = "academy_get_certificate";
    const TITLE: &'static str = "Get a certificate";
    const DESCRIPTION: &'static str =
        "Get certificate details and verification URL for completed enrollment";
    const SCOPES: &'static [&'static str] = &["certificates:read"];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let enrollment = enrollment::get(call.tx, &actor, &args.enrollment_id).await?;
        let row = certificate::of_enrollment(call.tx, actor.realm, &enrollment).await?;
        let files = Files::new(call, actor.realm);
        let form = args.format.unwrap_or(Form::Metadata);
        let link = |format: &str, only: Form| {
            let is_wanted = form == Form::Metadata || form == only;
            is_wanted.then(|| files.certificate(call, &row.id, format))
        };
        let downloads = Downloads {
            pdf: link("pdf", Form::PdfUrl),
            png: link("png", Form::ImageUrl),
            svg: link("svg", Form::ImageUrl),
        };
        let certificate = Certificate {
            verification_url: verification(call, &row.id),
            downloads,
            id: row.id,
            enrollment_id: row.enrollment_id,
            status: Issued::Issued,
            issued_at: Iso(row.issued_at),
            credential: Credential {
                kind: Attests::Completion,
                course_name: row.course_title,
                learner_name: row.learner_name,
                completion_date: Day(row.completed_at),
                credential_id: row.credential_id,
            },
        };
        Ok(Output { certificate })
    }
}
