//! `get_course_details`: a course with its curriculum and the cohorts still to begin
//! (docs/inside/academy.md#6322-get_course_details).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{Pricing, UpcomingCohort};
use super::{LEARNER, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::cohort::{self, Filter};
use learning::academy::course::{self, Level, Module};

/// Cohorts that a course names at most.
const COHORTS_MAX: i64 = 100;

pub(super) struct GetCourseDetails;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// URL-friendly course identifier
    #[schemars(length(min = 1, max = 200))]
    course_slug: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    course: CourseDetails,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CourseDetails {
    id: String,
    title: String,
    slug: String,
    description: String,
    long_description: String,
    duration: String,
    level: Level,
    prerequisites: Vec<String>,
    learning_objectives: Vec<String>,
    curriculum: Vec<Module>,
    pricing: Pricing,
    upcoming_cohorts: Vec<UpcomingCohort>,
    enablement_kit_included: bool,
    certificate_offered: bool,
}

impl Tool for GetCourseDetails {
    const NAME: &'static str = "get_course_details";
    const TITLE: &'static str = "Get a course";
    const DESCRIPTION: &'static str = "Retrieves comprehensive information about a specific course, including \
                                       curriculum, prerequisites, and upcoming cohorts.";
    const SCOPES: &'static [&'static str] = LEARNER;
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let realm = actor(call).await?.realm;
        let course = course::get_by_slug(call.tx, realm, &args.course_slug).await?;
        let filter = Filter {
            course: Some(course.id.clone()),
            is_upcoming: true,
            starts_after: Some(call.now),
            ..Filter::default()
        };
        let cohorts = cohort::list(call.tx, realm, &filter, (COHORTS_MAX, 0)).await?;
        let course = CourseDetails {
            pricing: Pricing::from(&course),
            id: course.id,
            title: course.title,
            slug: course.slug,
            description: course.description,
            long_description: course.long_description,
            duration: course.duration,
            level: course.level,
            prerequisites: course.prerequisites.0,
            learning_objectives: course.objectives.0,
            curriculum: course.curriculum.0,
            upcoming_cohorts: cohorts.rows.into_iter().map(Into::into).collect(),
            enablement_kit_included: course.has_kit,
            certificate_offered: course.has_certificate,
        };
        Ok(Output { course })
    }
}
