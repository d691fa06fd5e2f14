//! `academy_get_materials`: the enablement kit of a course for its learners
//! (docs/inside/academy.md#822-academy_get_materials).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actor;
use super::time::Iso;
use crate::academy::links::Files;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::material::{self, Kind, Material};
use learning::academy::{course, enrollment};

pub(super) struct GetMaterials;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Course ID
    course_id: String,
    /// Material type filter (default: all)
    #[serde(rename = "type")]
    kind: Option<Wanted>,
    /// Response format (default: metadata)
    format: Option<Form>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Wanted {
    Slides,
    Prompts,
    Template,
    Worksheet,
    All,
}

impl Wanted {
    fn takes(self, kind: Kind) -> bool {
        match self {
            Self::Slides => kind == Kind::Slides,
            Self::Prompts => kind == Kind::Prompts,
            Self::Template => kind == Kind::Template,
            Self::Worksheet => kind == Kind::Worksheet,
            Self::All => true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Form {
    Metadata,
    Content,
    DownloadUrl,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    materials: Vec<Item>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Item {
    id: String,
    #[serde(rename = "type")]
    kind: Kind,
    name: String,
    description: String,
    format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_count: Option<i64>,
    download_url: String,
    expires_at: Iso,
    metadata: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Item {
    fn new(material: Material, call: &Call<'_>, files: &Files) -> Self {
        Self {
            download_url: files.material(call, &material.id),
            expires_at: Iso(files.download.expires_at),
            id: material.id,
            kind: material.kind,
            name: material.title,
            description: material.description,
            format: material.format,
            size: material.size_bytes,
            page_count: material.page_count,
            metadata: material.metadata.0,
            content: None,
        }
    }
}

impl Tool for GetMaterials {
    const NAME: &'static str = "academy_get_materials";
    const TITLE: &'static str = "Get course materials";
    const DESCRIPTION: &'static str =
        "Get enablement kit items for a course (slides, prompts, templates, worksheets)";
    const SCOPES: &'static [&'static str] = &["materials:read"];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let realm = actor.realm;
        let course = course::get(call.tx, realm, &args.course_id).await?;
        let place = enrollment::open_in_course(call.tx, &actor, &course.id, call.now).await?;
        let organization = place.organization_id.as_deref();
        let rows = material::of_course(call.tx, realm, &course.id, organization).await?;
        let wanted = args.kind.unwrap_or(Wanted::All);
        let files = Files::new(call, realm);
        let mut materials = Vec::new();
        for row in rows.into_iter().filter(|row| wanted.takes(row.kind)) {
            let mut item = Item::new(row, call, &files);
            if args.format == Some(Form::Content) {
                item.content = Some(material::text(call.tx, realm, &item.id).await?);
            }
            materials.push(item);
        }
        Ok(Output { materials })
    }
}
