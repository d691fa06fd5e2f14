//! `academy://courses`: every course with its kit, prices and next cohort (docs/inside/academy.md#832-what-they-hold).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::actor;
use super::super::time::Day;
use super::CATALOG;
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::Resource;
use learning::academy::cohort::{self, Filter};
use learning::academy::course::{self, Level};
use learning::academy::material::{self, Kind, Material};

pub(super) struct Courses;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    courses: Vec<CourseItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CourseItem {
    id: String,
    title: String,
    description: String,
    format: String,
    level: Level,
    enablement_kit: KitCounts,
    pricing: Pricing,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cohort: Option<NextCohort>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct KitCounts {
    slides: usize,
    prompts: usize,
    templates: usize,
    worksheets: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Pricing {
    b2c: i64,
    b2b: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct NextCohort {
    id: String,
    start_date: Day,
    spots_available: i64,
}

impl KitCounts {
    fn of(rows: &[Material]) -> Self {
        let count = |kind: Kind| rows.iter().filter(|row| row.kind == kind).count();
        Self {
            slides: count(Kind::Slides),
            prompts: count(Kind::Prompts),
            templates: count(Kind::Template),
            worksheets: count(Kind::Worksheet),
        }
    }
}

impl Resource for Courses {
    const URI: &'static str = "academy://courses";
    const NAME: &'static str = "Course Courses";
    const DESCRIPTION: &'static str = "List of all published courses with metadata";
    const SCOPES: &'static [&'static str] = CATALOG;
    type Output = Output;

    async fn read(call: &mut Call<'_>, _: &str) -> Result<Output, Refusal> {
        let realm = actor(call, "admin:cohorts").await?.realm;
        let mut courses = Vec::new();
        for course in course::list(call.tx, realm).await? {
            let kit = material::of_course(call.tx, realm, &course.id, None).await?;
            let filter = Filter {
                course: Some(course.id.clone()),
                is_upcoming: true,
                starts_after: Some(call.now),
                ..Filter::default()
            };
            let next = cohort::list(call.tx, realm, &filter, (1, 0))
                .await?
                .rows
                .pop();
            courses.push(CourseItem {
                id: course.id,
                title: course.title,
                description: course.summary,
                format: course.format,
                level: course.level,
                enablement_kit: KitCounts::of(&kit),
                pricing: Pricing {
                    b2c: course.price_individual,
                    b2b: course.price_corporate,
                },
                next_cohort: next.map(|cohort| NextCohort {
                    spots_available: cohort.seats_free(),
                    id: cohort.id,
                    start_date: Day(cohort.starts_at),
                }),
            });
        }
        Ok(Output { courses })
    }
}
