//! `academy://courses`: every course (docs/inside/academy.md#6331-courses-of-v1).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::view::Pricing;
use super::super::{LEARNER, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::Resource;
use base::clock::UnixMs;
use learning::academy::course::{self, Level};

pub(super) struct Courses;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    courses: Vec<CourseListing>,
    total_count: usize,
    last_updated: UnixMs,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CourseListing {
    id: String,
    title: String,
    slug: String,
    description: String,
    level: Level,
    duration: String,
    pricing: Pricing,
    upcoming_cohort_count: i64,
    total_enrollments: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_rating: Option<f64>,
}

impl Resource for Courses {
    const URI: &'static str = "academy://courses";
    const NAME: &'static str = "Courses";
    const DESCRIPTION: &'static str = "Lists all available courses with metadata.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = Output;

    async fn read(call: &mut Call<'_>, _: &str) -> Result<Output, Refusal> {
        let realm = actor(call).await?.realm;
        let mut courses = Vec::new();
        for course in course::list(call.tx, realm).await? {
            let popularity = course::popularity(call.tx, realm, &course.id, call.now).await?;
            courses.push(CourseListing {
                pricing: Pricing::from(&course),
                id: course.id,
                title: course.title,
                slug: course.slug,
                description: course.summary,
                level: course.level,
                duration: course.duration_short,
                upcoming_cohort_count: popularity.upcoming,
                total_enrollments: popularity.enrollments,
                average_rating: popularity.average_rating.map(one_decimal),
            });
        }
        Ok(Output {
            total_count: courses.len(),
            courses,
            last_updated: call.now,
        })
    }
}

fn one_decimal(rating: f64) -> f64 {
    (rating * 10.0).round() / 10.0
}
