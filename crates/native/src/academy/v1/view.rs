//! Shapes that several tools and resources of v1 share.

use schemars::JsonSchema;
use serde::Serialize;

use crate::academy::links::{Files, verification};
use crate::call::Call;
use base::clock::UnixMs;
use learning::academy::certificate as noun;
use learning::academy::cohort::{Availability, Cohort, Modality};
use learning::academy::course::Course;
use learning::academy::enrollment::{self, Status};

/// What a course costs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Pricing {
    individual: i64,
    corporate: i64,
    currency: Currency,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum Currency {
    #[serde(rename = "USD")]
    Usd,
}

impl From<&Course> for Pricing {
    fn from(course: &Course) -> Self {
        Self {
            individual: course.price_individual,
            corporate: course.price_corporate,
            currency: Currency::Usd,
        }
    }
}

impl From<&Cohort> for Pricing {
    fn from(cohort: &Cohort) -> Self {
        Self {
            individual: cohort.price_individual,
            corporate: cohort.price_corporate,
            currency: Currency::Usd,
        }
    }
}

/// An enrollment of a learner (6.3.2.1).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Enrollment {
    id: String,
    cohort_id: String,
    cohort_name: String,
    course_title: String,
    course_slug: String,
    status: Status,
    enrolled_at: UnixMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_url: Option<String>,
    progress_percentage: i64,
    start_date: UnixMs,
    end_date: UnixMs,
    instructor_name: String,
    modality: Modality,
}

impl Enrollment {
    pub(super) fn new(row: enrollment::Enrollment, call: &Call<'_>, files: &Files) -> Self {
        let certificate = row.certificate_id.as_deref();
        let certificate_url = certificate.map(|id| files.certificate(call, id, "pdf"));
        Self {
            id: row.id,
            cohort_id: row.cohort_id,
            cohort_name: row.cohort_name,
            course_title: row.course_title,
            course_slug: row.course_slug,
            status: row.status,
            enrolled_at: row.enrolled_at,
            completed_at: row.completed_at,
            certificate_url,
            progress_percentage: row.progress,
            start_date: row.starts_at,
            end_date: row.ends_at,
            instructor_name: row.instructor_name,
            modality: row.modality,
        }
    }
}

/// A certificate (6.3.2.6).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Certificate {
    id: String,
    enrollment_id: String,
    learner_name: String,
    course_title: String,
    cohort_name: String,
    completed_at: UnixMs,
    issued_at: UnixMs,
    certificate_url: String,
    verification_url: String,
    verification_code: String,
    credential_id: String,
    skills: Vec<String>,
    instructor_signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_name: Option<String>,
}

impl Certificate {
    pub(super) fn new(row: noun::Certificate, call: &Call<'_>, files: &Files) -> Self {
        Self {
            certificate_url: files.certificate(call, &row.id, "pdf"),
            verification_url: verification(call, &row.id),
            id: row.id,
            enrollment_id: row.enrollment_id,
            learner_name: row.learner_name,
            course_title: row.course_title,
            cohort_name: row.cohort_name,
            completed_at: row.completed_at,
            issued_at: row.issued_at,
            verification_code: row.verification_code,
            credential_id: row.credential_id,
            skills: row.skills.0,
            instructor_signature: row.signature,
            organization_name: row.organization_name,
        }
    }
}

/// A cohort that is still to begin, as a course names it (6.3.2.2).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct UpcomingCohort {
    cohort_id: String,
    cohort_name: String,
    start_date: UnixMs,
    end_date: UnixMs,
    modality: Modality,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    available_seats: i64,
    total_seats: i64,
    instructor_name: String,
}

impl From<Cohort> for UpcomingCohort {
    fn from(cohort: Cohort) -> Self {
        Self {
            location: cohort.place().map(str::to_owned),
            available_seats: cohort.seats_free(),
            cohort_id: cohort.id,
            cohort_name: cohort.name,
            start_date: cohort.starts_at,
            end_date: cohort.ends_at,
            modality: cohort.modality,
            total_seats: cohort.seats_total,
            instructor_name: cohort.instructor_name,
        }
    }
}

/// A cohort in the list of all that are still to begin (6.3.2.3).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct CohortListing {
    cohort_id: String,
    cohort_name: String,
    course_id: String,
    course_title: String,
    course_slug: String,
    start_date: UnixMs,
    end_date: UnixMs,
    modality: Modality,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    available_seats: i64,
    total_seats: i64,
    instructor_name: String,
    instructor_bio: String,
    pricing: Pricing,
    registration_deadline: UnixMs,
    status: Availability,
}

impl From<Cohort> for CohortListing {
    fn from(cohort: Cohort) -> Self {
        Self {
            location: cohort.place().map(str::to_owned),
            available_seats: cohort.seats_free(),
            pricing: Pricing::from(&cohort),
            status: cohort.availability(),
            cohort_id: cohort.id,
            cohort_name: cohort.name,
            course_id: cohort.course_id,
            course_title: cohort.course_title,
            course_slug: cohort.course_slug,
            start_date: cohort.starts_at,
            end_date: cohort.ends_at,
            modality: cohort.modality,
            total_seats: cohort.seats_total,
            instructor_name: cohort.instructor_name,
            instructor_bio: cohort.instructor_bio,
            registration_deadline: cohort.registration_deadline,
        }
    }
}
