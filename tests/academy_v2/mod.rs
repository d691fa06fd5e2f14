//! The academy's second face: each example of docs/inside/academy.md#8-second-face on data that makes it true, and what
//! it refuses.

mod academy_admin_create_enrollment;
mod academy_admin_enrollment_stats;
mod academy_admin_list_cohorts;
mod academy_admin_send_email;
mod academy_book_office_hours;
mod academy_chat;
mod academy_get_availability;
mod academy_get_certificate;
mod academy_get_materials;
mod resources;
mod academy_get_enrollments;

use serde_json::Value;

/// Checks a signed link and puts the document's own in its place, so that whole answers can be compared.
#[track_caller]
pub fn link(value: &mut Value, path: &str, documented: &str) {
    let text = value.as_str().unwrap_or_else(|| panic!("no link: {value}"));
    assert!(text.contains(&format!("{path}?token=")), "{text}");
    *value = documented.into();
}
