//! The parameters of an authorization request that are the gateway's own.

/// Parameters that no provider's URL and no catalog may set.
const OURS: [&str; 9] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
];

/// Whether a parameter is one that nobody else may set.
pub(super) fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}
