//! A learner in detail: each course, mentor, skill and credential, as far as they are wanted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::over_time::{Granularity, Point, over_time};
use super::record::{Course, Record};
use super::window::Window;
use super::{Learner, UserInfo};
use crate::academy::certificate::Certificate;
use crate::academy::enrollment::{COMPLETE, Status};
use base::clock::{Iso, UnixMs};
use base::error::{FieldErrors, Result};
use base::sql;
use base::storage::Tx;

/// What can be asked for.
const METRICS: [&str; 7] = [
    "courses",
    "programs",
    "pathways",
    "mentors",
    "skills",
    "credentials",
    "time_spent",
];
/// What is answered to a question for nothing in particular.
const DEFAULT: &str = "courses";

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Details {
    user: UserInfo,
    data: Data,
}

/// What was asked for.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(inline)]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    courses: Option<Vec<CourseDetail>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mentors: Option<Vec<MentorDetail>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skills: Option<SkillDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Vec<CredentialDetail>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_spent: Option<TimeDetail>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct CourseDetail {
    course_id: String,
    name: String,
    platform: String,
    enrollment: EnrollmentDetail,
    completion: CompletionDetail,
    /// The mean of its scores, in percent; null without any.
    grade: Option<f64>,
    /// 0 to 100.
    engagement_index: f64,
    last_access: Iso,
    time_spent: String,
    time_spent_secs: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct EnrollmentDetail {
    created: Iso,
    started: Iso,
    ended: Option<Iso>,
    active: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct CompletionDetail {
    completed: bool,
    completion_percentage: i64,
    passed: bool,
    passed_date: Option<Iso>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct MentorDetail {
    mentor_id: String,
    name: String,
    slug: String,
    platform_key: String,
    interactions: InteractionDetail,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct InteractionDetail {
    total_messages: i64,
    latest_interaction: Option<Iso>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct SkillDetail {
    /// Nobody is asked for wishes, so there are none.
    desired: Vec<Skill>,
    /// Attested by certificates.
    reported: Vec<Skill>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Skill {
    /// Drawn from the name, and the same wherever the name is.
    skill_id: u32,
    name: String,
    platform: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct CredentialDetail {
    credential_id: String,
    credential_url: String,
    name: String,
    /// What was attested stays so: false.
    revoked: bool,
    credential_type: String,
    issuer: String,
    issued_on: Iso,
    /// Certificates do not end: null.
    expires_at: Option<Iso>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct TimeDetail {
    courses: Vec<CourseTime>,
    total_time_spent: String,
    total_time_spent_secs: i64,
    overtime: Vec<Point>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct CourseTime {
    course_id: String,
    course_name: String,
    platform: String,
    time_spent: String,
    time_spent_secs: i64,
}

/// What is asked.
#[derive(Debug)]
pub struct DetailQuestion<'a> {
    /// About whom.
    pub learner: &'a Learner,
    /// About which time.
    pub window: Window,
    /// For what, as words; see [`metrics_of`].
    pub metrics: Vec<String>,
    /// The steps in which time is told.
    pub series: Granularity,
    /// The key of the tenant, the learner's platform.
    pub platform: &'a str,
    /// Scheme and host for absolute links, without a slash at the end.
    pub base_url: &'a str,
    /// The current time.
    pub now: UnixMs,
}

/// The words of a list with commas. Complaints go to `errors`.
pub fn metrics_of(list: Option<&str>, errors: &mut FieldErrors) -> Vec<String> {
    let list = list
        .filter(|list| !list.trim().is_empty())
        .unwrap_or(DEFAULT);
    let words: Vec<String> = list.split(',').map(|word| word.trim().to_owned()).collect();
    if words.iter().any(|word| !METRICS.contains(&word.as_str())) {
        let message = format!("Must be some of: {}.", METRICS.join(", "));
        errors.add("metrics", message);
    }
    words
}

impl Details {
    /// The answer to a question.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(tx: &mut Tx, question: DetailQuestion<'_>) -> Result<Self> {
        let DetailQuestion {
            learner,
            window,
            metrics,
            series,
            platform,
            base_url,
            now,
        } = question;
        let record = Record::of(tx, learner, window).await?;
        let mut data = Data::default();
        for metric in &metrics {
            match metric.as_str() {
                "courses" => {
                    let detail = |course| CourseDetail::of(course, platform, now);
                    data.courses = Some(record.courses.iter().map(detail).collect());
                }
                // The academy has none, so there is nothing to tell.
                "programs" | "pathways" => {}
                "mentors" => data.mentors = Some(mentors(tx, learner, &record, platform).await?),
                "skills" => data.skills = Some(SkillDetail::of(&record, platform)),
                "credentials" => {
                    let detail = |certificate| CredentialDetail::of(certificate, base_url);
                    data.credentials = Some(record.credentials().map(detail).collect());
                }
                _ => data.time_spent = Some(TimeDetail::of(&record, platform, series)),
            }
        }
        Ok(Self {
            user: learner.info.clone(),
            data,
        })
    }
}

impl CourseDetail {
    fn of(course: &Course, platform: &str, now: UnixMs) -> Self {
        let row = &course.enrollment;
        let is_completed = row.status == Status::Completed;
        Self {
            course_id: row.course_id.clone(),
            name: row.course_title.clone(),
            platform: platform.to_owned(),
            enrollment: EnrollmentDetail {
                created: Iso(row.enrolled_at),
                started: Iso(row.starts_at.max(row.enrolled_at)),
                ended: row.completed_at.map(Iso),
                active: row.require_access("", now).is_ok(),
            },
            completion: CompletionDetail {
                completed: is_completed,
                completion_percentage: if is_completed { COMPLETE } else { row.progress },
                passed: is_completed,
                passed_date: row.completed_at.map(Iso),
            },
            grade: course.grade,
            engagement_index: course.engagement(),
            last_access: Iso(course.last_access),
            time_spent: spoken(course.seconds),
            time_spent_secs: course.seconds,
        }
    }
}

impl SkillDetail {
    fn of(record: &Record, platform: &str) -> Self {
        let (_, reported) = record.skills();
        let skill = |name: &str| Skill {
            skill_id: skill_id(name),
            name: name.to_owned(),
            platform: platform.to_owned(),
        };
        Self {
            desired: Vec::new(),
            reported: reported.into_iter().map(skill).collect(),
        }
    }
}

impl CredentialDetail {
    fn of(certificate: &Certificate, base_url: &str) -> Self {
        Self {
            credential_id: certificate.id.clone(),
            credential_url: format!("{base_url}/verify/{}", certificate.id),
            name: certificate.course_title.clone(),
            revoked: false,
            credential_type: "certificate".to_owned(),
            issuer: certificate.signature.clone(),
            issued_on: Iso(certificate.issued_at),
            expires_at: None,
        }
    }
}

impl TimeDetail {
    fn of(record: &Record, platform: &str, step: Granularity) -> Self {
        let seconds = record.seconds();
        let courses = record.courses.iter().map(|course| CourseTime {
            course_id: course.enrollment.course_id.clone(),
            course_name: course.enrollment.course_title.clone(),
            platform: platform.to_owned(),
            time_spent: spoken(course.seconds),
            time_spent_secs: course.seconds,
        });
        Self {
            courses: courses.collect(),
            total_time_spent: spoken(seconds),
            total_time_spent_secs: seconds,
            overtime: over_time(&record.events, &record.window, step),
        }
    }
}

/// The mentors that were spoken to in the window, the latest first. One that is deleted is not told of.
async fn mentors(
    tx: &mut Tx,
    learner: &Learner,
    record: &Record,
    platform: &str,
) -> Result<Vec<MentorDetail>> {
    let mut spoken_to: BTreeMap<&str, (i64, UnixMs)> = BTreeMap::new();
    for event in &record.events {
        if let Some(mentor) = &event.mentor {
            let known = spoken_to.entry(mentor).or_insert((0, event.at));
            *known = (known.0 + 1, event.at);
        }
    }
    let names = sql!(
        tx,
        fetch_all as (String, String, String),
        "SELECT unique_id, name, slug FROM mentors WHERE tenant_id = $1",
        learner.tenant
    )?;
    let detail = |(id, name, slug): (String, String, String)| {
        let (messages, latest) = *spoken_to.get(id.as_str())?;
        let interactions = InteractionDetail {
            total_messages: messages,
            latest_interaction: Some(Iso(latest)),
        };
        Some(MentorDetail {
            mentor_id: id,
            name,
            slug,
            platform_key: platform.to_owned(),
            interactions,
        })
    };
    let mut found: Vec<MentorDetail> = names.into_iter().filter_map(detail).collect();
    found.sort_by_key(|mentor| std::cmp::Reverse(mentor.interactions.latest_interaction));
    Ok(found)
}

/// Skills are known by name; clients want a number for each.
fn skill_id(name: &str) -> u32 {
    let digest = Sha256::digest(name.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// `2h 05m`, as people say it.
fn spoken(seconds: i64) -> String {
    let minutes = seconds / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h {minutes:02}m"),
    }
}
