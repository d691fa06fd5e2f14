//! `academy://courses/{courseId}`: a course with its syllabus, kit and instructors
//! (docs/inside/academy.md#832-what-they-hold).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::actor;
use super::CATALOG;
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use learning::academy::course::{self, Block};
use learning::academy::material::{self, Kind};

pub(super) struct Course;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    id: String,
    title: String,
    description: String,
    /// `day1`, `day2` and so on.
    syllabus: BTreeMap<String, Vec<Block>>,
    enablement_kit: Vec<KitItem>,
    instructors: Vec<Instructor>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct KitItem {
    id: String,
    #[serde(rename = "type")]
    kind: Kind,
    name: String,
    description: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Instructor {
    id: String,
    name: String,
    bio: String,
}

impl Resource for Course {
    const URI: &'static str = "academy://courses/{courseId}";
    const NAME: &'static str = "Output Detail";
    const DESCRIPTION: &'static str =
        "Detailed course information including syllabus and enablement kit";
    const SCOPES: &'static [&'static str] = CATALOG;
    type Output = Output;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Output, Refusal> {
        let realm = actor(call, "admin:cohorts").await?.realm;
        let course = course::get(call.tx, realm, id).await?;
        let kit = material::of_course(call.tx, realm, id, None).await?;
        let teachers = course::instructors(call.tx, realm, id).await?;
        let days = course.syllabus.0.into_iter().enumerate();
        Ok(Output {
            id: course.id,
            title: course.title,
            description: course.summary,
            syllabus: days
                .map(|(at, day)| (format!("day{}", at + 1), day))
                .collect(),
            enablement_kit: kit
                .into_iter()
                .map(|row| KitItem {
                    id: row.id,
                    kind: row.kind,
                    name: row.title,
                    description: row.description,
                })
                .collect(),
            instructors: teachers
                .into_iter()
                .map(|row| Instructor {
                    id: row.id,
                    name: row.name,
                    bio: row.bio,
                })
                .collect(),
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let realm = actor(call, "admin:cohorts").await?.realm;
        Ok(course::ids_like(call.tx, realm, pattern, COMPLETIONS_SOUGHT).await?)
    }
}
