//! Which redirect URIs a sign-in may use: exact texts that we or the operator set, and nothing that a request invents.

use super::Flow;

/// Our own page that takes a provider's answer, below the base URL.
pub const CALLBACK_PATH: &str = "/api/accounts/connected-services/callback/";

/// The published front end's page that takes a provider's answer, below its origin
/// (docs/inside/contract.md#connected-services).
pub const FRONT_END_CALLBACK_PATH: &str = "/google-oauth-callback/";

/// The redirect URI of a new request: the one that is asked for if it is allowed, else the one that the client is
/// registered with, else our own page.
pub(super) fn choose(
    flow: &Flow,
    registered: &[String],
    asked: Option<&str>,
    base_url: &str,
) -> String {
    let asked = asked.filter(|uri| is_allowed(flow, registered, uri));
    match (asked, registered.first()) {
        (Some(uri), _) => uri.to_owned(),
        (None, Some(uri)) => uri.clone(),
        (None, None) => own(flow, base_url),
    }
}

/// Our own page under the URL that people know.
pub(super) fn own(flow: &Flow, base_url: &str) -> String {
    let base = flow.public_url.as_deref().unwrap_or(base_url);
    format!("{base}{CALLBACK_PATH}")
}

/// Whether a redirect URI that came with a request is one of the configured ones, to the letter.
pub(super) fn is_allowed(flow: &Flow, registered: &[String], uri: &str) -> bool {
    let is_front_end = |origin: &String| uri == format!("{origin}{FRONT_END_CALLBACK_PATH}");
    let is_own = |url: &String| uri == format!("{url}{CALLBACK_PATH}");
    registered.iter().any(|known| known == uri)
        || flow.front_ends.iter().any(is_front_end)
        || flow.public_url.iter().any(is_own)
}
