//! The resources of v1 (specification 6.3.3), which hold what its tools answer.

use schemars::JsonSchema;
use serde::Serialize;

use super::view::{Certificate, Enrollment, Pricing};
use super::{ADMIN, LEARNER, actor};
use crate::academy::cohort::{self, Availability, Cohort, Filter, Modality, Status};
use crate::academy::course::{self, Level};
use crate::academy::organization::{self, Contract};
use crate::academy::{certificate, enrollment, person};
use crate::clock::UnixMs;
use crate::native::academy::links::Files;
use crate::native::academy::v1::view::Currency;
use crate::native::failure::Refusal;
use crate::native::resource::{COMPLETIONS_MAX, Resource};
use crate::native::tool::Call;

/// Cohorts that the list of all names at most.
const COHORTS_MAX: i64 = 1000;

/// `academy://courses` (6.3.3.1).
pub(super) struct Courses;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CourseList {
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
    type Output = CourseList;

    async fn read(call: &mut Call<'_>, _: &str) -> Result<CourseList, Refusal> {
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
        Ok(CourseList {
            total_count: courses.len(),
            courses,
            last_updated: call.now,
        })
    }
}

fn one_decimal(rating: f64) -> f64 {
    (rating * 10.0).round() / 10.0
}

/// `academy://cohorts` (6.3.3.2).
pub(super) struct Cohorts;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CohortList {
    cohorts: Vec<CohortInList>,
    total_count: i64,
    last_updated: UnixMs,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CohortInList {
    cohort_id: String,
    cohort_name: String,
    course_title: String,
    start_date: UnixMs,
    end_date: UnixMs,
    modality: Modality,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    available_seats: i64,
    total_seats: i64,
    status: Availability,
}

impl From<Cohort> for CohortInList {
    fn from(cohort: Cohort) -> Self {
        Self {
            location: cohort.place().map(str::to_owned),
            available_seats: cohort.seats_free(),
            status: cohort.availability(),
            cohort_id: cohort.id,
            cohort_name: cohort.name,
            course_title: cohort.course_title,
            start_date: cohort.starts_at,
            end_date: cohort.ends_at,
            modality: cohort.modality,
            total_seats: cohort.seats_total,
        }
    }
}

impl Resource for Cohorts {
    const URI: &'static str = "academy://cohorts";
    const NAME: &'static str = "Cohorts";
    const DESCRIPTION: &'static str = "Lists all upcoming cohorts across all courses.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = CohortList;

    async fn read(call: &mut Call<'_>, _: &str) -> Result<CohortList, Refusal> {
        let realm = actor(call).await?.realm;
        let filter = Filter {
            is_upcoming: true,
            starts_after: Some(call.now),
            ..Filter::default()
        };
        let page = cohort::list(call.tx, realm, &filter, (COHORTS_MAX, 0)).await?;
        Ok(CohortList {
            total_count: page.total,
            cohorts: page.rows.into_iter().map(Into::into).collect(),
            last_updated: call.now,
        })
    }
}

/// `academy://enrollments/{userId}` (6.3.3.3).
pub(super) struct Enrollments;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnrollmentList {
    user_id: String,
    enrollments: Vec<Enrollment>,
    total_count: usize,
    last_updated: UnixMs,
}

impl Resource for Enrollments {
    const URI: &'static str = "academy://enrollments/{userId}";
    const NAME: &'static str = "Enrollments of a user";
    const DESCRIPTION: &'static str = "Retrieves all enrollments for a specific user.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = EnrollmentList;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<EnrollmentList, Refusal> {
        let actor = actor(call).await?;
        let person = person::get(call.tx, &actor, id).await?;
        let rows = enrollment::of_person(call.tx, actor.realm, &person.id).await?;
        let files = Files::new(call, actor.realm);
        let enrollments: Vec<Enrollment> = rows
            .into_iter()
            .map(|row| Enrollment::new(row, call, &files))
            .collect();
        Ok(EnrollmentList {
            user_id: person.id,
            total_count: enrollments.len(),
            enrollments,
            last_updated: call.now,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call).await?;
        Ok(person::ids_like(call.tx, &actor, pattern, COMPLETIONS_MAX).await?)
    }
}

/// `academy://certificates/{enrollmentId}` (6.3.3.4).
pub(super) struct CertificateOf;

impl Resource for CertificateOf {
    const URI: &'static str = "academy://certificates/{enrollmentId}";
    const NAME: &'static str = "Certificate of an enrollment";
    const DESCRIPTION: &'static str = "Retrieves certificate details for a specific enrollment.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = Certificate;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Certificate, Refusal> {
        let actor = actor(call).await?;
        let enrollment = enrollment::get(call.tx, &actor, id).await?;
        let row = certificate::of_enrollment(call.tx, actor.realm, &enrollment).await?;
        let files = Files::new(call, actor.realm);
        Ok(Certificate::new(row, call, &files))
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call).await?;
        Ok(certificate::enrollments_like(call.tx, &actor, pattern, COMPLETIONS_MAX).await?)
    }
}

/// `academy://organizations/{organizationId}` (6.3.3.5).
pub(super) struct Organization;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrganizationDetails {
    organization_id: String,
    name: String,
    contact_email: String,
    contract_type: Contract,
    active_since: UnixMs,
    total_enrollments: i64,
    active_enrollments: i64,
    completed_enrollments: i64,
    total_spent: i64,
    currency: Currency,
    allocated_seats: i64,
    used_seats: i64,
    upcoming_cohorts: Vec<Share>,
    last_updated: UnixMs,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Share {
    cohort_id: String,
    cohort_name: String,
    enrolled_count: i64,
}

impl Resource for Organization {
    const URI: &'static str = "academy://organizations/{organizationId}";
    const NAME: &'static str = "Organization";
    const DESCRIPTION: &'static str =
        "Retrieves organization details and aggregate enrollment statistics (admin-only).";
    const SCOPES: &'static [&'static str] = ADMIN;
    type Output = OrganizationDetails;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<OrganizationDetails, Refusal> {
        let actor = actor(call).await?;
        let realm = actor.realm;
        let found = organization::get_managed(call.tx, &actor, id).await?;
        let totals = organization::totals(call.tx, realm, id).await?;
        let shares = organization::shares(call.tx, realm, id).await?;
        let is_upcoming = |share: &organization::Share| {
            share.starts_at > call.now && matches!(share.status, Status::Scheduled | Status::Open)
        };
        let upcoming = shares.into_iter().filter(is_upcoming).map(|share| Share {
            cohort_id: share.cohort_id,
            cohort_name: share.cohort_name,
            enrolled_count: share.enrolled,
        });
        Ok(OrganizationDetails {
            upcoming_cohorts: upcoming.collect(),
            organization_id: found.id,
            name: found.name,
            contact_email: found.contact_email,
            contract_type: found.contract,
            active_since: found.active_since,
            total_enrollments: totals.total,
            active_enrollments: totals.active,
            completed_enrollments: totals.completed,
            total_spent: totals.spent,
            currency: Currency::Usd,
            allocated_seats: found.seats_allocated,
            used_seats: totals.seated,
            last_updated: call.now,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call).await?;
        Ok(organization::ids_like(call.tx, &actor, pattern, COMPLETIONS_MAX).await?)
    }
}
