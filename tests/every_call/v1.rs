//! The academy's first face (docs/inside/academy.md#63-first-face): a call of each tool and each resource that works,
//! and what it says to those that do not.

use mentor_gateway::auth::token::TokenKind;
use serde_json::{Value, json};

use super::{Codes, Described};
use crate::harness::Academy;

/// The face.
pub const V1: Described = Described {
    name: "v1",
    key: TokenKind::Aea,
    codes: Codes {
        no_key: "MISSING_API_KEY",
        other_key: "INVALID_API_KEY",
        other_scope: "INSUFFICIENT_PERMISSIONS",
        over_the_limit: "RATE_LIMIT_EXCEEDED",
        wrong: "VALIDATION_ERROR",
    },
    fields: "/details/fields",
    academy: || Box::pin(Academy::v1()),
    calls,
    uris: &[
        ("academy://courses", "academy://courses"),
        ("academy://cohorts", "academy://cohorts"),
        (
            "academy://enrollments/{userId}",
            "academy://enrollments/usr_jane_smith",
        ),
        (
            "academy://certificates/{enrollmentId}",
            "academy://certificates/enr_def456",
        ),
        (
            "academy://organizations/{organizationId}",
            "academy://organizations/org_acme_corp",
        ),
    ],
    without_scope,
};

fn calls() -> Vec<(&'static str, Value)> {
    let cohort = json!({ "cohortId": "coh_xyz789" });
    vec![
        ("get_learner_enrollments", json!({})),
        (
            "get_course_details",
            json!({ "courseSlug": "ai-fundamentals" }),
        ),
        ("get_upcoming_cohorts", json!({ "modality": "online" })),
        ("check_enrollment_status", cohort.clone()),
        (
            "get_enablement_kit",
            json!({ "enrollmentId": "enr_abc123" }),
        ),
        ("get_certificate", json!({ "enrollmentId": "enr_def456" })),
        (
            "create_enrollment",
            json!({ "userId": "usr_john_doe_123", "cohortId": "coh_xyz789", "enrollmentType": "trial" }),
        ),
        ("get_cohort_roster", cohort),
        (
            "update_cohort_status",
            json!({ "cohortId": "coh_xyz789", "status": "in_progress" }),
        ),
        (
            "send_cohort_notification",
            json!({ "cohortId": "coh_xyz789", "subject": "S", "message": "M", "priority": "low" }),
        ),
    ]
}

fn without_scope(required: &str, held: &str) -> (String, Value) {
    (
        format!("This operation requires '{required}' scope. Your key has '{held}' scope."),
        json!({ "requiredScope": required, "currentScope": held }),
    )
}
