//! A learner in figures: on each platform, and in sum.

use schemars::JsonSchema;
use serde::Serialize;

use super::over_time::{Granularity, Point, over_time};
use super::record::Record;
use super::window::Window;
use super::{Learner, UserInfo};
use base::clock::{Iso, UnixMs};
use base::error::{Error, Result};
use base::storage::{PageRequest, Tx};
use tenancy::tenant::Tenant;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// About whom.
    pub learner: &'a Learner,
    /// About which time.
    pub window: Window,
    /// Which page of platforms.
    pub page: PageRequest,
    /// Only with this mentor, by its UUID.
    pub mentor: Option<&'a str>,
    /// Time as a series of such steps, if it is wanted.
    pub series: Option<Granularity>,
    /// Whether the figures come with what they count.
    pub in_detail: bool,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Overview {
    user: UserInfo,
    summary: Total,
    results: Vec<Platform>,
    pagination: Pagination,
    generated_at: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    overtime: Option<Vec<Point>>,
}

/// Over all platforms.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Total {
    total_time_spent_seconds: i64,
}

/// Which page of how many.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Pagination {
    total_items: i64,
    current_page: i64,
    per_page: i64,
    total_pages: i64,
}

/// A learner on one platform.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Platform {
    platform_id: i64,
    platform_name: String,
    platform_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activity: Option<Activity>,
    last_updated: Iso,
    user_id: i64,
}

/// Figures.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Summary {
    enrollments: usize,
    /// The academy has no programs.
    programs: usize,
    /// The academy has no pathways.
    pathways: usize,
    /// Materials that were opened.
    resources: usize,
    /// Skills that certificates attest.
    reported_skills: usize,
    /// The academy does not ask for wishes.
    desired_skills: usize,
    /// Skills that the courses teach.
    assigned_skills: usize,
    total_skills: usize,
    credentials: usize,
    /// The progress of all courses, in percent, added up.
    points: i64,
    /// The mean of the courses' scores, in percent; null without any.
    average_grade: Option<f64>,
    /// The mean engagement with the courses, 0 to 100; null without any.
    engagement_index: Option<f64>,
    first_activity: Option<Iso>,
    last_activity: Option<Iso>,
    total_time_spent_seconds: i64,
    top_content: TopContent,
}

/// The course that took the most time; empty without any.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(inline)]
struct TopContent {
    course_identifier: String,
    course_name: String,
    time_spent_seconds: i64,
}

impl TopContent {
    /// Of a course that somebody is enrolled in several times, the times are one.
    fn of(record: &Record) -> Self {
        let mut top = Self::default();
        for course in &record.courses {
            let row = &course.enrollment;
            let same = record.courses.iter();
            let same = same.filter(|other| other.enrollment.course_id == row.course_id);
            let seconds = same.map(|other| other.seconds).sum();
            if seconds > top.time_spent_seconds {
                top = Self {
                    course_identifier: row.course_id.clone(),
                    course_name: row.course_title.clone(),
                    time_spent_seconds: seconds,
                };
            }
        }
        top
    }
}

/// Figures with what they count.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Metrics {
    enrollments: Counted,
    /// The academy has no programs.
    programs: Counted,
    /// The academy has no pathways.
    pathways: Counted,
    /// Materials that were opened.
    resources: Counted,
    skills: Skills,
    credentials: Counted,
    /// The progress of each course, in percent.
    points: Counted,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Counted {
    total: i64,
    details: Vec<Named>,
}

/// One of those that are counted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Named {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Skills {
    reported: usize,
    desired: usize,
    assigned: usize,
    total: usize,
    details: Vec<Named>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Activity {
    first_activity: Option<Iso>,
    last_activity: Option<Iso>,
}

impl Overview {
    /// The answer to a question. A learner of ours is on one platform, their tenant.
    ///
    /// # Errors
    /// `NotFound` of a page beyond the last.
    pub async fn of(
        tx: &mut Tx,
        question: Question<'_>,
        tenant: &Tenant,
        now: UnixMs,
    ) -> Result<Self> {
        const PLATFORMS: i64 = 1;
        if question.page.number > PLATFORMS {
            return Err(Error::NotFound("page"));
        }
        let learner = question.learner;
        let mut record = Record::of(tx, learner, question.window).await?;
        if let Some(mentor) = question.mentor {
            record
                .events
                .retain(|event| event.mentor.as_deref() == Some(mentor));
        }
        let (first, last) = record.span();
        let activity = Activity {
            first_activity: first.map(Iso),
            last_activity: last.map(Iso),
        };
        let platform = Platform {
            platform_id: tenant.id.0,
            platform_name: tenant.name.clone(),
            platform_key: tenant.key.clone(),
            summary: (!question.in_detail).then(|| Summary::of(&record)),
            metrics: question.in_detail.then(|| Metrics::of(&record)),
            activity: question.in_detail.then_some(activity),
            last_updated: Iso(last.unwrap_or(now)),
            user_id: learner.user.0,
        };
        Ok(Self {
            user: learner.info.clone(),
            summary: Total {
                total_time_spent_seconds: record.seconds(),
            },
            results: vec![platform],
            pagination: Pagination {
                total_items: PLATFORMS,
                current_page: question.page.number,
                per_page: question.page.size,
                total_pages: PLATFORMS,
            },
            generated_at: Iso(now),
            overtime: question
                .series
                .map(|step| over_time(&record.events, &record.window, step)),
        })
    }
}

impl Summary {
    fn of(record: &Record) -> Self {
        let (assigned, reported) = record.skills();
        let (first, last) = record.span();
        Self {
            enrollments: record.enrolled().count(),
            programs: 0,
            pathways: 0,
            resources: record.resources().count(),
            reported_skills: reported.len(),
            desired_skills: 0,
            assigned_skills: assigned.len(),
            total_skills: assigned.union(&reported).count(),
            credentials: record.credentials().count(),
            points: points(record),
            average_grade: record.mean(|course| course.grade),
            engagement_index: record.mean(|course| Some(course.engagement())),
            first_activity: first.map(Iso),
            last_activity: last.map(Iso),
            total_time_spent_seconds: record.seconds(),
            top_content: TopContent::of(record),
        }
    }
}

impl Metrics {
    fn of(record: &Record) -> Self {
        let (assigned, reported) = record.skills();
        let all = assigned.union(&reported);
        let courses = record.enrolled().map(|course| &course.enrollment);
        let progress = record.courses.iter().map(|course| Named {
            points: Some(course.enrollment.progress),
            ..Named::new(
                &course.enrollment.course_id,
                &course.enrollment.course_title,
            )
        });
        let resources = record.resources();
        Self {
            enrollments: counted(courses.map(|row| Named::new(&row.course_id, &row.course_title))),
            programs: counted(std::iter::empty()),
            pathways: counted(std::iter::empty()),
            resources: counted(resources.map(|one| Named::new(&one.material_id, &one.title))),
            skills: Skills {
                reported: reported.len(),
                desired: 0,
                assigned: assigned.len(),
                total: assigned.union(&reported).count(),
                details: all.map(|name| Named::only(name)).collect(),
            },
            credentials: counted(
                record
                    .credentials()
                    .map(|row| Named::new(&row.id, &row.course_title)),
            ),
            points: Counted {
                total: points(record),
                details: progress.collect(),
            },
        }
    }
}

impl Named {
    fn new(id: &str, name: &str) -> Self {
        Self {
            id: Some(id.to_owned()),
            ..Self::only(name)
        }
    }

    fn only(name: &str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            points: None,
        }
    }
}

fn counted(all: impl Iterator<Item = Named>) -> Counted {
    let details: Vec<Named> = all.collect();
    Counted {
        total: details.len() as i64,
        details,
    }
}

fn points(record: &Record) -> i64 {
    record
        .courses
        .iter()
        .map(|course| course.enrollment.progress)
        .sum()
}
