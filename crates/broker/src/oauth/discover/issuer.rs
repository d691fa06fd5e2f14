//! Authorization-server metadata (RFC 8414, OpenID Discovery).
//! Refuses a server that calls itself otherwise, has an endpoint that may not be used, or promises no PKCE with S256.

use serde_json::Value;

use super::DiscoverError;
use super::document::{first_document, places};
use super::resource::texts;
use crate::oauth::TokenAuthMethod;
use egress::Egress;

/// The scope that asks for a refresh token where the issuer knows it (OpenID Connect Core section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// An authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its issuer identifier.
    pub issuer: String,
    /// Where a person is sent.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where tokens are revoked; empty where that is not offered.
    pub revocation_endpoint: String,
    /// Where clients register themselves; empty where that is not offered.
    pub registration_endpoint: String,
    /// How a client proves itself, of what the server takes the best that we can.
    pub token_auth_method: TokenAuthMethod,
    /// Whether its answers carry `iss`.
    pub sends_iss: bool,
    /// Whether it takes https client ids.
    pub takes_client_id_documents: bool,
    /// The scopes that it knows.
    pub scopes: Vec<String>,
}

/// The authorization server of an issuer identifier.
pub(super) async fn find(egress: &Egress, issuer: &str) -> Result<Issuer, DiscoverError> {
    let kinds = ["oauth-authorization-server", "openid-configuration"];
    let found = first_document(egress, &places(issuer, &kinds), is_metadata).await;
    let (_, document) = found?.ok_or(DiscoverError::Nowhere)?;
    read(egress, issuer, &document)
}

/// Whether a document speaks of an authorization server at all.
fn is_metadata(document: &Value) -> bool {
    ["issuer", "authorization_endpoint", "token_endpoint"]
        .into_iter()
        .any(|name| document[name].is_string())
}

fn read(egress: &Egress, issuer: &str, document: &Value) -> Result<Issuer, DiscoverError> {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    if !is_same(&text("issuer"), issuer) {
        return Err(DiscoverError::OtherIssuer);
    }
    let challenges = texts(&document["code_challenge_methods_supported"]);
    if !challenges.iter().any(|method| method == "S256") {
        return Err(DiscoverError::NoPkce);
    }
    let found = Issuer {
        issuer: text("issuer"),
        authorization_endpoint: text("authorization_endpoint"),
        token_endpoint: text("token_endpoint"),
        revocation_endpoint: text("revocation_endpoint"),
        registration_endpoint: text("registration_endpoint"),
        token_auth_method: auth_method(&document["token_endpoint_auth_methods_supported"]),
        sends_iss: document["authorization_response_iss_parameter_supported"] == true,
        takes_client_id_documents: document["client_id_metadata_document_supported"] == true,
        scopes: texts(&document["scopes_supported"]),
    };
    found.checked(egress)
}

/// Equal to the letter (RFC 8414 section 3.3), save the slash that a URL without a path has or has not.
fn is_same(claimed: &str, issuer: &str) -> bool {
    let without_path = |text: &str| {
        text.split("://")
            .nth(1)
            .is_some_and(|rest| !rest.trim_end_matches('/').contains('/'))
    };
    claimed == issuer
        || (without_path(claimed) && claimed.trim_end_matches('/') == issuer.trim_end_matches('/'))
}

/// The endpoints of 2025-03-26 for an origin without metadata. That revision demands PKCE of every server.
pub(super) fn of_defaults(egress: &Egress, origin: &str) -> Result<Issuer, DiscoverError> {
    let issuer = Issuer {
        issuer: origin.to_owned(),
        authorization_endpoint: format!("{origin}/authorize"),
        token_endpoint: format!("{origin}/token"),
        revocation_endpoint: String::new(),
        registration_endpoint: format!("{origin}/register"),
        token_auth_method: TokenAuthMethod::ClientSecretPost,
        sends_iss: false,
        takes_client_id_documents: false,
        scopes: Vec::new(),
    };
    issuer.checked(egress)
}

/// RFC 8414: without a list it is `client_secret_basic`.
fn auth_method(supported: &Value) -> TokenAuthMethod {
    let supported = texts(supported);
    let takes = |method: TokenAuthMethod| supported.iter().any(|word| word == method.as_str());
    match () {
        () if supported.is_empty() || takes(TokenAuthMethod::ClientSecretBasic) => {
            TokenAuthMethod::ClientSecretBasic
        }
        () if takes(TokenAuthMethod::ClientSecretPost) => TokenAuthMethod::ClientSecretPost,
        () => TokenAuthMethod::None,
    }
}

impl Issuer {
    /// The same, if its endpoints are there and may be used; one that may not and that is not needed is left out.
    fn checked(mut self, egress: &Egress) -> Result<Self, DiscoverError> {
        let is_usable = |url: &str| egress.check_url(url).is_ok_and(|to| !to.is_websocket());
        if !is_usable(&self.authorization_endpoint) || !is_usable(&self.token_endpoint) {
            return Err(DiscoverError::Endpoints);
        }
        for optional in [
            &mut self.revocation_endpoint,
            &mut self.registration_endpoint,
        ] {
            if !is_usable(optional) {
                optional.clear();
            }
        }
        Ok(self)
    }

    /// The scopes to ask for, with the one for a refresh token if the issuer knows it.
    pub(super) fn with_offline_access(&self, mut scope: String) -> String {
        let is_known = self.scopes.iter().any(|word| word == OFFLINE_ACCESS);
        if is_known && !scope.split(' ').any(|word| word == OFFLINE_ACCESS) {
            if !scope.is_empty() {
                scope.push(' ');
            }
            scope.push_str(OFFLINE_ACCESS);
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_that_names_no_authorization_server_is_none() {
        for (document, expected) in [
            (json!({"issuer": "https://a.example"}), true),
            (json!({"token_endpoint": "https://a.example/token"}), true),
            (json!({}), false),
            (json!({"error": "not found"}), false),
            (json!({"issuer": null}), false),
        ] {
            assert_eq!(is_metadata(&document), expected, "{document}");
        }
    }

    #[test]
    fn an_issuer_is_the_same_to_the_letter() {
        assert!(is_same("https://a.example/t", "https://a.example/t"));
        assert!(is_same("https://a.example", "https://a.example/"));
        for (claimed, issuer) in [
            ("https://a.example/t/", "https://a.example/t"),
            ("https://A.example", "https://a.example"),
            ("", "https://a.example"),
            ("https://b.example", "https://a.example"),
        ] {
            assert!(!is_same(claimed, issuer), "{claimed}");
        }
    }

    #[test]
    fn the_best_proof_that_the_server_takes_is_used() {
        for (supported, method) in [
            (json!(null), "client_secret_basic"),
            (
                json!(["none", "client_secret_post", "client_secret_basic"]),
                "client_secret_basic",
            ),
            (
                json!(["private_key_jwt", "client_secret_post"]),
                "client_secret_post",
            ),
            (json!(["none"]), "none"),
        ] {
            assert_eq!(auth_method(&supported).as_str(), method, "{supported}");
        }
    }
}
