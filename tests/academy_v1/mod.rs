//! The academy's first face: each example of docs/inside/academy.md#63-first-face on data that makes it true, and what
//! it refuses.

mod bulk;
mod create_enrollment;
mod send_cohort_notification;
mod update_cohort_status;
mod check_enrollment_status;
mod get_certificate;
mod get_cohort_roster;
mod get_course_details;
mod get_enablement_kit;
mod get_learner_enrollments;
mod get_upcoming_cohorts;
mod resources;

use serde_json::Value;

/// Checks a signed link and puts the document's own in its place, so that whole answers can be compared.
#[track_caller]
pub fn link(value: &mut Value, ends_with: &str, documented: &str) {
    let text = value.as_str().unwrap_or_else(|| panic!("no link: {value}"));
    let (path, token) = text.split_once("?token=").unwrap();
    assert!(path.starts_with("http://127.0.0.1:"), "{text}");
    assert!(path.ends_with(ends_with), "{text}");
    assert_eq!(token.split('.').count(), 5, "{text}");
    *value = documented.into();
}
