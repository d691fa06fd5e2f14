//! What keys of each kind may be granted, and which role that takes.
//! Decides about grants only; each face checks its own calls.

use super::ACT_AS_SCOPE;
use super::kind::TokenKind;
use crate::tenant::user::Role;
use base::error::FieldErrors;

/// Scopes of the academy server v1, weakest first (6.3.4.2).
pub const V1: [&str; 3] = ["learner", "instructor", "admin"];

/// Scopes of the academy server v2 (8.4.1).
pub const V2: [&str; 10] = [
    "enrollments:read",
    "materials:read",
    "chat:write",
    "bookings:read",
    "bookings:write",
    "certificates:read",
    "admin:cohorts",
    "admin:enrollments",
    "admin:email",
    "admin:organizations",
];

/// Every scope that a key of this kind may have.
pub fn of_kind(kind: TokenKind) -> &'static [&'static str] {
    match kind {
        TokenKind::Token => &[],
        TokenKind::Platform => &[ACT_AS_SCOPE],
        TokenKind::Aea => &V1,
        TokenKind::Mcp => &V2,
    }
}

/// Every scope of this kind that a role allows.
pub fn of_role(kind: TokenKind, role: Role) -> Vec<String> {
    let all = of_kind(kind).iter();
    let within = all.filter(|scope| is_within(role, scope));
    within.map(ToString::to_string).collect()
}

/// Complains about scopes that the kind does not know, about none where there must be one, and about those that would
/// give a key more than its user's role.
pub fn check(kind: TokenKind, role: Role, scopes: &[String], errors: &mut FieldErrors) {
    const FIELD: &str = "scopes";
    if scopes.is_empty() && matches!(kind, TokenKind::Aea | TokenKind::Mcp) {
        errors.add(FIELD, format!("An {kind} key needs at least one scope."));
    }
    for scope in scopes {
        if !of_kind(kind).contains(&scope.as_str()) {
            errors.add(FIELD, format!("{scope:?} is not a scope of {kind} keys."));
        } else if !is_within(role, scope) {
            errors.add(
                FIELD,
                format!("The scope {scope:?} exceeds what the role {role} allows."),
            );
        }
    }
}

/// Whether a role allows a scope.
pub(super) fn is_within(role: Role, scope: &str) -> bool {
    match scope {
        "instructor" => matches!(role, Role::Admin | Role::Instructor),
        ACT_AS_SCOPE | "admin" => role == Role::Admin,
        _ => role == Role::Admin || !scope.starts_with("admin:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(kind: TokenKind, role: Role, scopes: &[&str]) -> String {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let mut errors = FieldErrors::default();
        check(kind, role, &scopes, &mut errors);
        errors.to_string()
    }

    #[test]
    fn a_key_is_granted_what_its_kind_knows_and_its_role_allows() {
        let (admin, learner) = (Role::Admin, Role::Learner);
        assert_eq!(complaints(TokenKind::Mcp, admin, &V2), "");
        assert_eq!(complaints(TokenKind::Aea, admin, &V1), "");
        assert_eq!(
            complaints(TokenKind::Aea, Role::Instructor, &["instructor"]),
            ""
        );
        assert_eq!(complaints(TokenKind::Mcp, learner, &["chat:write"]), "");
        assert_eq!(complaints(TokenKind::Token, learner, &[]), "");
        assert_eq!(
            complaints(TokenKind::Aea, learner, &[]),
            "scopes: An aea key needs at least one scope."
        );
        assert_eq!(
            complaints(TokenKind::Mcp, admin, &["admin", "*"]),
            "scopes: \"admin\" is not a scope of mcp keys. \"*\" is not a scope of mcp keys."
        );
        for (kind, scope) in [
            (TokenKind::Aea, "admin"),
            (TokenKind::Aea, "instructor"),
            (TokenKind::Mcp, "admin:email"),
            (TokenKind::Platform, "act-as"),
        ] {
            let expected =
                format!("scopes: The scope {scope:?} exceeds what the role learner allows.");
            assert_eq!(complaints(kind, learner, &[scope]), expected);
        }
    }
}
