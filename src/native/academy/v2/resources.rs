//! The resources of v2 (specification 8.3).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::actor;
use super::time::{Day, Iso};
use super::view::{State, hundredths, tenths};
use crate::academy::cohort::{self, Filter, Status};
use crate::academy::course::{self, Block, Level};
use crate::academy::material::{self, Kind, Material};
use crate::academy::{enrollment, organization, person, statistics};
use crate::native::failure::Refusal;
use crate::native::resource::{COMPLETIONS_MAX, Resource};
use crate::native::tool::Call;

/// Scopes that open the catalog (8.4.1).
const CATALOG: &[&str] = &["materials:read"];

/// `academy://courses`.
pub(super) struct Catalog;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Courses {
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

impl Resource for Catalog {
    const URI: &'static str = "academy://courses";
    const NAME: &'static str = "Course Catalog";
    const DESCRIPTION: &'static str = "List of all published courses with metadata";
    const SCOPES: &'static [&'static str] = CATALOG;
    type Output = Courses;

    async fn read(call: &mut Call<'_>, _: &str) -> Result<Courses, Refusal> {
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
        Ok(Courses { courses })
    }
}

/// `academy://courses/{courseId}`.
pub(super) struct CourseDetail;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Course {
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

impl Resource for CourseDetail {
    const URI: &'static str = "academy://courses/{courseId}";
    const NAME: &'static str = "Course Detail";
    const DESCRIPTION: &'static str =
        "Detailed course information including syllabus and enablement kit";
    const SCOPES: &'static [&'static str] = CATALOG;
    type Output = Course;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Course, Refusal> {
        let realm = actor(call, "admin:cohorts").await?.realm;
        let course = course::get(call.tx, realm, id).await?;
        let kit = material::of_course(call.tx, realm, id, None).await?;
        let teachers = course::instructors(call.tx, realm, id).await?;
        let days = course.syllabus.0.into_iter().enumerate();
        Ok(Course {
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
        Ok(course::ids_like(call.tx, realm, pattern, COMPLETIONS_MAX).await?)
    }
}

/// `academy://enrollments/{userId}`.
pub(super) struct UserEnrollments;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    user_id: String,
    enrollments: Vec<HistoryItem>,
    statistics: HistoryTotals,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HistoryItem {
    id: String,
    course_id: String,
    cohort_id: String,
    status: State,
    enrolled_at: Iso,
    progress: HistoryProgress,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HistoryProgress {
    materials_accessed: i64,
    chat_messages: i64,
    office_hours_booked: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct HistoryTotals {
    total_enrollments: usize,
    completed_courses: usize,
    certificates_earned: usize,
}

impl Resource for UserEnrollments {
    const URI: &'static str = "academy://enrollments/{userId}";
    const NAME: &'static str = "User Enrollments";
    const DESCRIPTION: &'static str = "Complete enrollment history for a user";
    const SCOPES: &'static [&'static str] = &["enrollments:read"];
    type Output = History;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<History, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let person = person::get(call.tx, &actor, id).await?;
        let rows = enrollment::of_person(call.tx, actor.realm, &person.id).await?;
        let is_completed =
            |row: &&enrollment::Enrollment| row.status == enrollment::Status::Completed;
        let statistics = HistoryTotals {
            total_enrollments: rows.len(),
            completed_courses: rows.iter().filter(is_completed).count(),
            certificates_earned: rows
                .iter()
                .filter(|row| row.certificate_id.is_some())
                .count(),
        };
        let mut enrollments = Vec::new();
        for row in rows {
            let activity = enrollment::activity(call.tx, actor.realm, &row).await?;
            enrollments.push(HistoryItem {
                status: State::of(&row, call.now),
                id: row.id,
                course_id: row.course_id,
                cohort_id: row.cohort_id,
                enrolled_at: Iso(row.enrolled_at),
                progress: HistoryProgress {
                    materials_accessed: activity.materials_accessed,
                    chat_messages: activity.chat_messages,
                    office_hours_booked: activity.bookings,
                },
            });
        }
        Ok(History {
            user_id: person.id,
            enrollments,
            statistics,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        Ok(person::ids_like(call.tx, &actor, pattern, COMPLETIONS_MAX).await?)
    }
}

/// `academy://cohorts/{cohortId}/roster`.
pub(super) struct Roster;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RosterList {
    cohort_id: String,
    enrollments: Vec<RosterItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RosterItem {
    id: String,
    user: RosterUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<RosterOrganization>,
    status: State,
    progress: RosterProgress,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RosterUser {
    id: String,
    email: String,
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RosterOrganization {
    id: String,
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct RosterProgress {
    materials_accessed: i64,
    total_materials: i64,
    /// The mean of three shares, each at most 1: materials opened, questions asked of 50, office hours booked of 4.
    engagement_score: f64,
}

/// Questions of somebody who is as engaged as can be.
const QUESTIONS_FULL: f64 = 50.0;
/// Office hours of somebody who is as engaged as can be.
const BOOKINGS_FULL: f64 = 4.0;

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one learner are far below 2^52"
)]
fn engagement(activity: enrollment::Activity) -> f64 {
    let part = |done: i64, full: f64| (done as f64 / full.max(1.0)).min(1.0);
    let materials = part(activity.materials_accessed, activity.materials_total as f64);
    let questions = part(activity.chat_messages, QUESTIONS_FULL);
    let bookings = part(activity.bookings, BOOKINGS_FULL);
    hundredths((materials + questions + bookings) / 3.0)
}

impl Resource for Roster {
    const URI: &'static str = "academy://cohorts/{cohortId}/roster";
    const NAME: &'static str = "Cohort Roster";
    const DESCRIPTION: &'static str = "List of enrolled users with progress (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:cohorts"];
    type Output = RosterList;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<RosterList, Refusal> {
        let actor = actor(call, "admin:cohorts").await?;
        let cohort = cohort::get(call.tx, actor.realm, id).await?;
        let mut enrollments = Vec::new();
        for row in enrollment::roster(call.tx, &actor, &cohort.id, false).await? {
            let activity = enrollment::activity(call.tx, actor.realm, &row).await?;
            let organization = row
                .organization_id
                .clone()
                .zip(row.organization_name.clone());
            enrollments.push(RosterItem {
                status: State::of(&row, call.now),
                id: row.id,
                user: RosterUser {
                    id: row.person_id,
                    email: row.learner_email,
                    name: row.learner_name,
                },
                organization: organization.map(|(id, name)| RosterOrganization { id, name }),
                progress: RosterProgress {
                    materials_accessed: activity.materials_accessed,
                    total_materials: activity.materials_total,
                    engagement_score: engagement(activity),
                },
            });
        }
        Ok(RosterList {
            cohort_id: cohort.id,
            enrollments,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let realm = actor(call, "admin:cohorts").await?.realm;
        Ok(cohort::ids_like(call.tx, realm, pattern, COMPLETIONS_MAX).await?)
    }
}

/// `academy://organizations/{orgId}/dashboard`.
pub(super) struct Dashboard;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DashboardData {
    organization_id: String,
    name: String,
    enrollments: DashboardTotals,
    engagement: DashboardEngagement,
    cohorts: Vec<DashboardCohort>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DashboardTotals {
    total: i64,
    active: i64,
    completed: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct DashboardEngagement {
    average_materials_accessed: f64,
    average_chat_messages: f64,
    /// Completed of all that have ended or were given up; null while none has.
    completion_rate: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct DashboardCohort {
    cohort_id: String,
    course_name: String,
    enrollment_count: i64,
    status: Status,
}

impl Resource for Dashboard {
    const URI: &'static str = "academy://organizations/{orgId}/dashboard";
    const NAME: &'static str = "Organization Dashboard";
    const DESCRIPTION: &'static str = "B2B organization metrics and enrollment data (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:organizations"];
    type Output = DashboardData;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<DashboardData, Refusal> {
        let actor = actor(call, "admin:organizations").await?;
        let realm = actor.realm;
        let found = organization::get_managed(call.tx, &actor, id).await?;
        let totals = organization::totals(call.tx, realm, id).await?;
        let engaged = statistics::of_organization(call.tx, realm, id).await?;
        let shares = organization::shares(call.tx, realm, id).await?;
        let cohorts = shares.into_iter().map(|share| DashboardCohort {
            cohort_id: share.cohort_id,
            course_name: share.course_title,
            enrollment_count: share.enrolled,
            status: share.status,
        });
        Ok(DashboardData {
            organization_id: found.id,
            name: found.name,
            engagement: DashboardEngagement {
                average_materials_accessed: tenths(engaged.materials),
                average_chat_messages: tenths(engaged.questions),
                completion_rate: completion_rate(totals),
            },
            enrollments: DashboardTotals {
                total: totals.total,
                active: totals.active,
                completed: totals.completed,
            },
            cohorts: cohorts.collect(),
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call, "admin:organizations").await?;
        Ok(organization::ids_like(call.tx, &actor, pattern, COMPLETIONS_MAX).await?)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of people are far below 2^52"
)]
fn completion_rate(totals: organization::Totals) -> Option<f64> {
    let given_up = totals.total - totals.seated;
    let ended = totals.completed + given_up;
    (ended > 0).then(|| hundredths(totals.completed as f64 / ended as f64))
}
