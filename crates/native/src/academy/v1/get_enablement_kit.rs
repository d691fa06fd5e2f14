//! `get_enablement_kit`: the materials that come with an enrollment (docs/inside/academy.md#6325-get_enablement_kit).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LEARNER, actor};
use crate::academy::links::Files;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::clock::UnixMs;
use learning::academy::enrollment;
use learning::academy::material::{self, Kind, Material};

pub(super) struct GetEnablementKit;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// The enrollment whose kit is wanted
    enrollment_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    kit: EnablementKit,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct EnablementKit {
    enrollment_id: String,
    cohort_name: String,
    course_title: String,
    generated_at: UnixMs,
    materials: Vec<KitMaterial>,
    custom_resources: CustomResources,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CustomResources {
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_templates: Option<Vec<KitMaterial>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct KitMaterial {
    id: String,
    title: String,
    #[serde(rename = "type")]
    kind: MaterialType,
    description: String,
    download_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    updated_at: UnixMs,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum MaterialType {
    Pdf,
    Video,
    Interactive,
    Template,
    Tool,
}

impl From<Kind> for MaterialType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Slides | Kind::Prompts | Kind::Worksheet | Kind::Guide => Self::Pdf,
            Kind::Template => Self::Template,
            Kind::Video => Self::Video,
            Kind::Interactive => Self::Interactive,
            Kind::Tool => Self::Tool,
        }
    }
}

impl KitMaterial {
    fn new(material: Material, call: &Call<'_>, files: &Files) -> Self {
        Self {
            download_url: files.material(call, &material.id),
            id: material.id,
            title: material.title,
            kind: material.kind.into(),
            description: material.description,
            file_size: material.size_bytes,
            duration: material.duration,
            updated_at: material.updated_at,
        }
    }
}

impl Tool for GetEnablementKit {
    const NAME: &'static str = "get_enablement_kit";
    const TITLE: &'static str = "Get an enablement kit";
    const DESCRIPTION: &'static str = "Retrieves the Enablement Kit materials for a specific enrollment, including \
                                       downloadable resources.";
    const SCOPES: &'static [&'static str] = LEARNER;
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let enrollment = enrollment::get(call.tx, &actor, &args.enrollment_id).await?;
        enrollment.require_access("these materials", call.now)?;
        let organization = enrollment.organization_id.as_deref();
        let course = &enrollment.course_id;
        let rows = material::of_course(call.tx, actor.realm, course, organization).await?;
        let files = Files::new(call, actor.realm);
        let (own, common): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| row.organization_id.is_some());
        let listed = |rows: Vec<Material>| -> Vec<KitMaterial> {
            let rows = rows.into_iter();
            rows.map(|row| KitMaterial::new(row, call, &files))
                .collect()
        };
        let kit = EnablementKit {
            generated_at: call.now,
            materials: listed(common),
            custom_resources: CustomResources {
                custom_templates: organization.is_some().then(|| listed(own)),
                organization_name: enrollment.organization_name,
            },
            enrollment_id: enrollment.id,
            cohort_name: enrollment.cohort_name,
            course_title: enrollment.course_title,
        };
        Ok(Output { kit })
    }
}
