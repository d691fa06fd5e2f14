//! What is known of a learner in a window: courses, events, certificates. Gathered once for each answer.

use std::collections::{BTreeSet, HashMap};

use super::Learner;
use super::event::{self, Event, Kind};
use super::window::Window;
use crate::academy::certificate::{self, Certificate};
use crate::academy::enrollment::{self, Activity, Enrollment, Status};
use crate::academy::material::{self, Opened};
use crate::academy::person;
use crate::academy::{RealmId, course};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::storage::Tx;
use tenancy::auth::token::Environment;

/// Questions to the course chat that make it fully used.
const QUESTIONS_FULL: i64 = 10;
/// Office hours that make them fully used.
const BOOKINGS_FULL: i64 = 2;

/// A course that a learner is or was enrolled in.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) enrollment: Enrollment,
    pub(super) activity: Activity,
    /// Materials that were opened with it, at any time.
    opened: Vec<Opened>,
    pub(super) certificate: Option<Certificate>,
    /// What it teaches.
    pub(super) skills: Vec<String>,
    /// Time with it in the window.
    pub(super) seconds: i64,
    /// The mean of its scores in the window, in percent.
    pub(super) grade: Option<f64>,
    /// When something was last done with it.
    pub(super) last_access: UnixMs,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) window: Window,
    pub(super) courses: Vec<Course>,
    pub(super) events: Vec<Event>,
}

/// The time zone of a learner; UTC without a profile.
pub async fn zone_of(tx: &mut Tx, learner: &Learner) -> Result<String> {
    let realm = RealmId::of(tx, learner.tenant, Environment::Live).await;
    let found = person::find_by_user(tx, realm.map_err(core)?, learner.user).await;
    let zone = found.map_err(core)?.map(|person| person.timezone);
    Ok(zone.unwrap_or_else(|| "UTC".to_owned()))
}

impl Record {
    /// What is known in a window: courses that were begun before its end, and what was done in it.
    pub(super) async fn of(tx: &mut Tx, learner: &Learner, window: Window) -> Result<Self> {
        let events = event::within(tx, learner.user, &window).await?;
        let realm = RealmId::of(tx, learner.tenant, Environment::Live).await;
        let realm = realm.map_err(core)?;
        let person = person::find_by_user(tx, realm, learner.user).await;
        let mut courses = Vec::new();
        if let Some(person) = person.map_err(core)? {
            let rows = enrollment::of_person(tx, realm, &person.id).await;
            // The latest comes first; what was done after it began belongs to it.
            let mut begun: HashMap<String, UnixMs> = HashMap::new();
            for row in rows.map_err(core)? {
                if row.enrolled_at >= window.until {
                    continue;
                }
                let until = begun.insert(row.course_id.clone(), row.enrolled_at);
                let is_its = |event: &&Event| {
                    event.course_id.as_deref() == Some(&row.course_id)
                        && event.at >= row.enrolled_at
                        && until.is_none_or(|until| event.at < until)
                };
                let own: Vec<&Event> = events.iter().filter(is_its).collect();
                courses.push(Course::of(tx, realm, row, &own).await.map_err(core)?);
            }
        }
        Ok(Self {
            window,
            courses,
            events,
        })
    }

    /// Time in the window, in seconds.
    pub(super) fn seconds(&self) -> i64 {
        self.events.iter().map(|event| event.seconds).sum()
    }

    /// Courses that were enrolled in during the window.
    pub(super) fn enrolled(&self) -> impl Iterator<Item = &Course> {
        let window = &self.window;
        let is_in = |course: &&Course| window.has(course.enrollment.enrolled_at);
        self.courses.iter().filter(is_in)
    }

    /// Materials that were last opened in the window.
    pub(super) fn resources(&self) -> impl Iterator<Item = &Opened> {
        let all = self.courses.iter().flat_map(|course| &course.opened);
        all.filter(|opened| self.window.has(opened.last_at))
    }

    /// Certificates that were issued in the window.
    pub(super) fn credentials(&self) -> impl Iterator<Item = &Certificate> {
        let all = self
            .courses
            .iter()
            .filter_map(|course| course.certificate.as_ref());
        all.filter(|certificate| self.window.has(certificate.issued_at))
    }

    /// What courses teach, and what certificates attest.
    pub(super) fn skills(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let assigned = self.courses.iter().flat_map(|course| &course.skills);
        let reported = self
            .credentials()
            .flat_map(|certificate| &certificate.skills.0);
        (
            assigned.map(String::as_str).collect(),
            reported.map(String::as_str).collect(),
        )
    }

    /// When something was first and last done in the window.
    pub(super) fn span(&self) -> (Option<UnixMs>, Option<UnixMs>) {
        let done = self.events.iter().map(|event| event.at);
        let enrolled = self
            .courses
            .iter()
            .map(|course| course.enrollment.enrolled_at);
        let used = self.courses.iter().map(|course| course.last_access);
        let all = done.chain(enrolled).chain(used);
        let all: Vec<UnixMs> = all.filter(|at| self.window.has(*at)).collect();
        (all.iter().min().copied(), all.iter().max().copied())
    }

    /// The mean of what is known of the courses, rounded; `None` if of none.
    pub(super) fn mean(&self, value: impl Fn(&Course) -> Option<f64>) -> Option<f64> {
        let known: Vec<f64> = self.courses.iter().filter_map(value).collect();
        let sum: f64 = known.iter().sum();
        (!known.is_empty()).then(|| (sum / known.len() as f64).round())
    }
}

impl Course {
    async fn of(
        tx: &mut Tx,
        realm: RealmId,
        row: Enrollment,
        own: &[&Event],
    ) -> crate::academy::Result<Self> {
        let activity = enrollment::activity(tx, realm, &row).await?;
        let opened = material::opened(tx, realm, &row.id).await?;
        let certificate = match row.status {
            Status::Completed if row.certificate_id.is_some() => {
                Some(certificate::of_enrollment(tx, realm, &row).await?)
            }
            _ => None,
        };
        let skills = course::get(tx, realm, &row.course_id).await?.skills.0;
        let scores: Vec<i64> = own
            .iter()
            .filter(|event| event.kind == Kind::Assessment)
            .filter_map(|event| event.score)
            .collect();
        let sum: i64 = scores.iter().sum();
        let grade = (!scores.is_empty()).then(|| (sum as f64 / scores.len() as f64).round());
        let last = own.iter().map(|event| event.at).max();
        Ok(Self {
            seconds: own.iter().map(|event| event.seconds).sum(),
            last_access: last.map_or(row.last_activity_at, |at| at.max(row.last_activity_at)),
            enrollment: row,
            activity,
            opened,
            certificate,
            skills,
            grade,
        })
    }

    /// 0 to 100: half for the materials that were opened, three tenths for questions, two for office hours.
    pub(super) fn engagement(&self) -> f64 {
        let share = |part: i64, whole: i64| match whole {
            0 => 0.0,
            whole => (part.min(whole) as f64) / (whole as f64),
        };
        let activity = &self.activity;
        let materials = share(activity.materials_accessed, activity.materials_total);
        let questions = share(activity.chat_messages, QUESTIONS_FULL);
        let bookings = share(activity.bookings, BOOKINGS_FULL);
        (50.0 * materials + 30.0 * questions + 20.0 * bookings).round()
    }
}

/// The academy refuses nothing that is only read about oneself.
fn core(error: crate::academy::Error) -> Error {
    match error {
        crate::academy::Error::Core(error) => error,
        error => Error::internal(error),
    }
}
