//! The academy's first face (docs/inside/academy.md#63-first-face): camelCase, Unix milliseconds, keys `aea_…`.

mod check_enrollment_status;
mod create_enrollment;
mod error;
mod get_certificate;
mod get_cohort_roster;
mod get_course_details;
mod get_enablement_kit;
mod get_learner_enrollments;
mod get_upcoming_cohorts;
mod resources;
mod send_cohort_notification;
mod update_cohort_status;
mod view;

use crate::call::Call;
use crate::face::Face;
use crate::failure::Refusal;
use crate::tool::{ToolEntry, entry, long_entry};
use learning::academy::Actor;
use tenancy::auth::token::TokenKind;
use tenancy::rate_limit;

/// Who may use what everybody may (6.3.4.2).
const LEARNER: &[&str] = &["learner", "instructor", "admin"];
/// Who may see and write to cohorts.
const INSTRUCTOR: &[&str] = &["instructor", "admin"];
/// Who may change them.
const ADMIN: &[&str] = &["admin"];

/// The tools of 6.3.2, in its order.
const TOOLS: &[ToolEntry] = &[
    entry::<get_learner_enrollments::GetLearnerEnrollments>(),
    entry::<get_course_details::GetCourseDetails>(),
    entry::<get_upcoming_cohorts::GetUpcomingCohorts>(),
    entry::<check_enrollment_status::CheckEnrollmentStatus>(),
    entry::<get_enablement_kit::GetEnablementKit>(),
    entry::<get_certificate::GetCertificate>(),
    long_entry::<create_enrollment::CreateEnrollment>(),
    entry::<get_cohort_roster::GetCohortRoster>(),
    entry::<update_cohort_status::UpdateCohortStatus>(),
    entry::<send_cohort_notification::SendCohortNotification>(),
];

/// The face.
pub(crate) static FACE: Face = Face {
    name: "v1",
    server_name: "ai-enablement-academy",
    title: "AI Enablement Academy",
    version: "1.0.0",
    instructions: "Courses, cohorts, enrollments, materials and certificates of the AI Enablement Academy. \
                   Times are Unix milliseconds. A learner's key sees the learner's own data; cohort rosters and \
                   notifications need an instructor's key, changes an administrator's.",
    key: TokenKind::Aea,
    every_scope: "",
    file_bytes_max: 0,
    tools: TOOLS,
    resources: resources::RESOURCES,
    charges: |caller, _| rate_limit::v1(caller),
    spell: error::spell,
};

/// Who acts, with the rights of the key.
async fn actor(call: &mut Call<'_>) -> Result<Actor, Refusal> {
    super::actor(call, ADMIN, &["instructor"]).await
}
