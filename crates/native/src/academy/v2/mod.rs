//! The academy's second face (docs/inside/academy.md#8-second-face): snake-case tools, ISO 8601, keys `sk_mcp_…` bound
//! to a user.

mod academy_admin_create_enrollment;
mod academy_admin_enrollment_stats;
mod academy_admin_list_cohorts;
mod academy_admin_send_email;
mod academy_book_office_hours;
mod academy_chat;
mod academy_get_availability;
mod academy_get_certificate;
mod academy_get_enrollments;
mod academy_get_materials;
mod error;
mod resources;
mod time;
mod view;

use crate::call::Call;
use crate::face::Face;
use crate::failure::Refusal;
use crate::tool::{ToolEntry, entry, long_entry};
use learning::academy::Actor;
use tenancy::auth::token::TokenKind;
use tenancy::rate_limit;

/// The tools of 8.2, in its order.
const TOOLS: &[ToolEntry] = &[
    entry::<academy_get_enrollments::GetEnrollments>(),
    entry::<academy_get_materials::GetMaterials>(),
    long_entry::<academy_chat::Chat>(),
    entry::<academy_get_availability::GetAvailability>(),
    entry::<academy_book_office_hours::BookOfficeHours>(),
    entry::<academy_get_certificate::GetCertificate>(),
    entry::<academy_admin_list_cohorts::AdminListCohorts>(),
    entry::<academy_admin_enrollment_stats::AdminEnrollmentStats>(),
    long_entry::<academy_admin_send_email::AdminSendEmail>(),
    entry::<academy_admin_create_enrollment::AdminCreateEnrollment>(),
];

/// The scope that stands for every other: what `token create --scope all` gives.
const EVERY_SCOPE: &str = "all";

/// The face.
pub(crate) static FACE: Face = Face {
    name: "v2",
    server_name: "ai-enablement-academy",
    title: "AI Enablement Academy",
    version: "1.0.0",
    instructions: "MCP server for AI Enablement Academy platform: enrollments, course materials, course chat, office \
                   hours and certificates of the key's user, and cohorts, enrollments and mail for administrators. \
                   Times are ISO 8601 in UTC.",
    key: TokenKind::Mcp,
    every_scope: EVERY_SCOPE,
    file_bytes_max: 0,
    tools: TOOLS,
    resources: resources::RESOURCES,
    charges: rate_limit::v2,
    spell: error::spell,
};

/// Who acts; an administrator is a caller with `scope`, which opens what belongs to others.
async fn actor(call: &mut Call<'_>, scope: &str) -> Result<Actor, Refusal> {
    super::actor(call, &[scope, EVERY_SCOPE], &[]).await
}
