//! The authorization request: the URL that a person's browser is sent to.
//! What it must carry is ours, whatever the provider's URL or its parameters in the catalog say.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use sha2::{Digest, Sha256};
use url::Url;

use crate::oauth::parameters::is_ours;
use base::error::{Error, Result, SignInFailure};
use base::secret::Secret;

/// Longest authorization URL, in bytes; browsers and servers take no more.
const URL_BYTES_MAX: usize = 8 * 1024;

/// Parameters of an authorization request beyond the standard's, by name.
pub(in crate::oauth) type Parameters = BTreeMap<String, String>;

/// What an authorization request says.
pub(super) struct Request<'a> {
    pub(super) auth_url: &'a str,
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) scope: &'a str,
    /// The resource that tokens are for; may be empty.
    pub(super) resource: &'a str,
    pub(super) state: &'a Secret,
    pub(super) verifier: &'a Secret,
    /// What the provider wants to hear beside.
    pub(super) further: &'a Parameters,
}

impl Request<'_> {
    /// The URL.
    ///
    /// # Errors
    /// `SignIn` with `NoRequest` if the provider's URL or ours cannot be used.
    pub(super) fn url(&self) -> Result<String> {
        let unusable = || Error::SignIn(SignInFailure::NoRequest);
        let mut url = self.endpoint().ok_or_else(unusable)?;
        Url::parse(self.redirect_uri).map_err(|_| unusable())?;
        let challenge = BASE64_URL.encode(Sha256::digest(self.verifier.expose()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("state", self.state.expose())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("redirect_uri", self.redirect_uri);
        for (name, value) in [("scope", self.scope), ("resource", self.resource)] {
            if !value.is_empty() {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let text = String::from(url);
        (text.len() <= URL_BYTES_MAX)
            .then_some(text)
            .ok_or_else(unusable)
    }

    /// The provider's URL with the further parameters and without what is ours to say.
    fn endpoint(&self) -> Option<Url> {
        let mut url = Url::parse(self.auth_url).ok()?;
        if url.fragment().is_some() {
            return None;
        }
        let own = url.query_pairs().into_owned();
        let own = own.filter(|(name, _)| !self.further.contains_key(name));
        let further = self
            .further
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        let pairs = own.chain(further);
        let pairs: Vec<(String, String)> = pairs.filter(|(name, _)| !is_ours(name)).collect();
        url.set_query(None);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Some(url)
    }
}
