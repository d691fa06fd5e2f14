//! The academy's second face (docs/inside/academy.md#8-second-face): a call of each tool and each resource that works,
//! and what it says to those that do not.

use mentor_gateway::auth::token::TokenKind;
use serde_json::{Value, json};

use super::{Codes, Described};
use crate::harness::Academy;

/// The face.
pub const V2: Described = Described {
    name: "v2",
    key: TokenKind::Mcp,
    codes: Codes {
        no_key: "INVALID_API_KEY",
        other_key: "INVALID_API_KEY",
        other_scope: "SCOPE_REQUIRED",
        over_the_limit: "RATE_LIMITED",
        wrong: "VALIDATION_ERROR",
    },
    fields: "/details/fields",
    academy: || Box::pin(Academy::v2()),
    calls,
    uris: &[
        ("academy://courses", "academy://courses"),
        (
            "academy://courses/{courseId}",
            "academy://courses/crs_ai_foundations",
        ),
        (
            "academy://enrollments/{userId}",
            "academy://enrollments/usr_456",
        ),
        (
            "academy://cohorts/{cohortId}/roster",
            "academy://cohorts/coh_456/roster",
        ),
        (
            "academy://organizations/{orgId}/dashboard",
            "academy://organizations/org_789/dashboard",
        ),
    ],
    without_scope,
};

fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("academy_get_enrollments", json!({ "status": "all" })),
        (
            "academy_get_materials",
            json!({ "courseId": "crs_ai_foundations" }),
        ),
        (
            "academy_chat",
            json!({ "enrollmentId": "enr_123", "message": "What is AI?" }),
        ),
        (
            "academy_get_availability",
            json!({ "enrollmentId": "enr_123" }),
        ),
        (
            "academy_book_office_hours",
            json!({ "enrollmentId": "enr_123", "slotId": "slot_123" }),
        ),
        (
            "academy_get_certificate",
            json!({ "enrollmentId": "enr_100" }),
        ),
        ("academy_admin_list_cohorts", json!({})),
        (
            "academy_admin_enrollment_stats",
            json!({ "cohortId": "coh_456" }),
        ),
        (
            "academy_admin_send_email",
            json!({ "cohortId": "coh_456", "templateId": 42, "params": { "startDate": "9 December" } }),
        ),
        (
            "academy_admin_create_enrollment",
            json!({ "userId": "usr_456", "cohortId": "coh_123", "organizationId": "org_789" }),
        ),
    ]
}

fn without_scope(required: &str, held: &str) -> (String, Value) {
    (
        format!("This tool requires the '{required}' scope"),
        json!({
            "requiredScope": required,
            "currentScopes": [held],
            "documentation": "https://docs.academy.com/mcp/scopes"
        }),
    )
}
