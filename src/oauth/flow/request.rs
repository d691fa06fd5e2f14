//! The authorization request: the URL that a person's browser is sent to.
//! What it must carry is ours, whatever the provider's URL or its parameters in the catalog say.

use std::collections::BTreeMap;

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use url::Url;

use super::super::service::Offer;
use crate::error::{Error, Result, SignInFailure};
use crate::secret::Secret;

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

/// Longest authorization URL, in bytes; browsers and servers take no more.
const URL_BYTES_MAX: usize = 8 * 1024;

/// What an authorization request says.
pub(super) struct Request<'a> {
    pub(super) offer: &'a Offer,
    pub(super) auth_url: &'a str,
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) scope: &'a str,
    pub(super) state: &'a Secret,
    pub(super) verifier: &'a Secret,
}

impl Request<'_> {
    /// The URL.
    ///
    /// # Errors
    /// `SignIn` with `NoRequest` if the provider's URL or ours cannot be used.
    pub(super) fn url(&self) -> Result<String> {
        let unusable = || Error::SignIn(SignInFailure::NoRequest);
        let endpoint = self.endpoint().ok_or_else(unusable)?;
        let redirect = RedirectUrl::new(self.redirect_uri.to_owned()).map_err(|_| unusable())?;
        let client = BasicClient::new(ClientId::new(self.client_id.to_owned()))
            .set_auth_uri(AuthUrl::from_url(endpoint))
            .set_redirect_uri(redirect);
        let verifier = PkceCodeVerifier::new(self.verifier.expose().to_owned());
        let mut request = client
            .authorize_url(|| CsrfToken::new(self.state.expose().to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(
                self.scope
                    .split_whitespace()
                    .map(|word| Scope::new(word.to_owned())),
            );
        let resource = &self.offer.service.resource;
        if !resource.is_empty() {
            request = request.add_extra_param("resource", resource.clone());
        }
        let (url, _) = request.url();
        let text = String::from(url);
        (text.len() <= URL_BYTES_MAX)
            .then_some(text)
            .ok_or_else(unusable)
    }

    /// The provider's URL with the catalog's parameters and without what is ours to say.
    fn endpoint(&self) -> Option<Url> {
        let mut url = Url::parse(self.auth_url).ok()?;
        if url.fragment().is_some() {
            return None;
        }
        let text = &self.offer.provider.auth_parameters;
        let more: BTreeMap<String, String> = serde_json::from_str(text).unwrap_or_default();
        let own = url.query_pairs().into_owned();
        let kept =
            own.filter(|(name, _)| !OURS.contains(&name.as_str()) && !more.contains_key(name));
        let more = more
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        let more = more.filter(|(name, _)| !OURS.contains(&name.as_str()));
        let pairs: Vec<(String, String)> = kept.chain(more).collect();
        url.set_query(None);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Some(url)
    }
}
