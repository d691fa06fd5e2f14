//! An OAuth service as clients read it, alone or with what the published list has of its provider
//! (docs/inside/contract.md#oauth-services). Never the client's secret, not even to who stored it.

use schemars::JsonSchema;
use serde::Serialize;

use broker::oauth::integration::Identity;
use broker::oauth::service::Offer;

/// A service that people can grant access to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "OAuthService")]
pub(crate) struct ServiceAnswer {
    id: i64,
    /// The provider's name.
    oauth_provider: String,
    oauth_provider_id: Option<i64>,
    name: String,
    display_name: String,
    description: String,
    /// The scopes to ask for, separated by spaces.
    scope: String,
    /// The URL of its image.
    image: Option<String>,
    created_at: String,
    updated_at: String,
}

impl ServiceAnswer {
    /// A service.
    pub(crate) fn new(offer: &Offer) -> Self {
        let service = &offer.service;
        Self {
            id: service.id.0,
            oauth_provider: offer.provider.name.clone(),
            oauth_provider_id: Some(offer.provider.id.0),
            name: service.name.clone(),
            display_name: service.display_name.clone(),
            description: service.description.clone(),
            scope: service.scope.clone(),
            image: service.image.clone(),
            created_at: service.created_at.to_iso(),
            updated_at: service.updated_at.to_iso(),
        }
    }

    /// What stands where there is none; the published model forbids null.
    pub(crate) fn blank(at: &str) -> Self {
        Self {
            id: 0,
            oauth_provider: String::new(),
            oauth_provider_id: None,
            name: String::new(),
            display_name: String::new(),
            description: String::new(),
            scope: String::new(),
            image: None,
            created_at: at.to_owned(),
            updated_at: at.to_owned(),
        }
    }
}

/// A row of the list: a service, and its provider as the published model of a provider has it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OAuthServiceWithProvider")]
pub(crate) struct ServiceRow {
    #[serde(flatten)]
    service: ServiceAnswer,
    /// The issuer, or where there is none the authorization URL.
    url: String,
    auth_url: String,
    token_url: String,
    scope_map: Option<String>,
    is_enabled: bool,
    use_basic_auth: bool,
    /// The services of the same provider.
    services: Vec<ServiceAnswer>,
    credentials: CredentialsAnswer,
}

/// Who the tenant is at the provider; blank if nobody has said so.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OauthCredentialsMasked")]
struct CredentialsAnswer {
    id: i64,
    /// The name of the integration credential.
    name: String,
    /// Whether it is not the tenant's own.
    is_global: bool,
    client_id: String,
    /// `****` if there is one.
    client_secret: &'static str,
    redirect_uris: Vec<String>,
}

impl ServiceRow {
    /// A service among all of `offers`, with who the tenant is at its provider.
    pub(crate) fn new(offer: &Offer, offers: &[Offer], identity: Option<&Identity>) -> Self {
        let provider = &offer.provider;
        let auth_url = identity.map_or(&provider.auth_url, |found| &found.auth_url);
        let token_url = identity.map_or(&provider.token_url, |found| &found.token_url);
        let siblings = offers
            .iter()
            .filter(|other| other.provider.id == provider.id);
        Self {
            service: ServiceAnswer::new(offer),
            url: match provider.issuer.as_str() {
                "" => auth_url.clone(),
                issuer => issuer.to_owned(),
            },
            auth_url: auth_url.clone(),
            token_url: token_url.clone(),
            scope_map: None,
            is_enabled: offer.is_enabled(),
            use_basic_auth: provider.token_auth_method.as_str() == "client_secret_basic",
            services: siblings.map(ServiceAnswer::new).collect(),
            credentials: CredentialsAnswer {
                id: provider.id.0,
                name: provider.credential_name(),
                is_global: identity.is_some_and(|found| found.is_of_main),
                client_id: identity.map_or(String::new(), |found| found.client.id.clone()),
                client_secret: match identity {
                    Some(found) if !found.client.secret.is_empty() => "****",
                    _ => "",
                },
                redirect_uris: identity.map_or(Vec::new(), |found| found.redirect_uris.clone()),
            },
        }
    }
}
