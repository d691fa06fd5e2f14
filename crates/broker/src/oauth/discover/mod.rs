//! Where a person signs in to an MCP server, from what the server itself says: its challenge, its protected-resource
//! metadata (RFC 9728), and the metadata of the authorization server that it names (RFC 8414, OpenID Discovery).
//! Asks with no credential, believes a document only about the place that it was found at, and registers nothing.

mod challenge;
mod document;
mod issuer;
mod resource;

pub use challenge::{Challenge, parameter};
pub use document::{
    DOCUMENT_BYTES_MAX, DOCUMENT_DEADLINE, NoDocument, document, first_document, places,
};
pub use issuer::{Issuer, OFFLINE_ACCESS};
pub use resource::{Resource, is_about};

use std::time::Duration;

use super::provider::NewProvider;
use super::service::NewService;
use egress::{Destination, Egress, Refused};

/// Longest time for everything that one discovery asks.
pub const DISCOVERY_DEADLINE: Duration = Duration::from_secs(10);
/// Authorization servers of one resource that are looked at.
const SERVERS_MAX: usize = 4;
/// Longest name that is made for a provider or service, in characters (docs/inside/contract.md#connected-services).
const NAME_CHARACTERS_MAX: usize = 128;

/// Why nobody can sign in to a server. The sentence is shown to an admin; it holds no text from outside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiscoverError {
    /// The server has an address that may not be dialled.
    #[error("The URL is not allowed.")]
    Address(#[from] Refused),
    /// Its metadata is about another resource.
    #[error("The server's protected-resource metadata is about another resource.")]
    OtherResource,
    /// Neither it nor its origin says where to sign in.
    #[error("The server does not say where to sign in.")]
    Nowhere,
    /// The authorization server calls itself otherwise than the server does.
    #[error("The authorization server's metadata has another issuer.")]
    OtherIssuer,
    /// The authorization server lacks an endpoint, or has one that may not be used.
    #[error("The authorization server has no usable endpoints.")]
    Endpoints,
    /// The authorization server does not promise PKCE with S256.
    #[error("The authorization server does not support PKCE with S256.")]
    NoPkce,
    /// The server, or the authorization server that it names, has a fault that may pass.
    #[error(
        "The server or its authorization server does not answer just now; try again in a minute."
    )]
    Silent,
}

impl From<NoDocument> for DiscoverError {
    fn from(failure: NoDocument) -> Self {
        match failure.is_passing() {
            true => Self::Silent,
            false => Self::Nowhere,
        }
    }
}

/// What was found: an authorization server and what to ask it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The authorization server.
    pub issuer: Issuer,
    /// The resource that tokens are for (RFC 8707).
    pub resource: String,
    /// The scopes to ask for, separated by spaces; may be empty.
    pub scope: String,
    /// The URL of the server.
    pub server_url: String,
    /// Whether the server did not say so itself: the endpoints are the defaults of 2025-03-26, or it did not answer.
    pub is_guess: bool,
}

/// Finds out where a person signs in to the MCP server at a URL, within one deadline for all that is asked.
///
/// # Errors
/// [`DiscoverError`], with the one reason that an admin can act on. What does not answer just now is
/// [`DiscoverError::Silent`], and never taken for something that is not there.
pub async fn discover(egress: &Egress, server_url: &str) -> Result<Found, DiscoverError> {
    tokio::time::timeout(DISCOVERY_DEADLINE, look(egress, server_url))
        .await
        .unwrap_or(Err(DiscoverError::Silent))
}

async fn look(egress: &Egress, server_url: &str) -> Result<Found, DiscoverError> {
    let destination = egress.check_url(server_url)?;
    let asked = challenge::ask(egress, &destination).await;
    let is_silent = asked.is_err();
    let challenge = asked.unwrap_or_default();
    let sought = match &challenge.resource_metadata {
        Some(url) => vec![url.clone()],
        None => places(destination.as_str(), &["oauth-protected-resource"]),
    };
    let resource = first_document(egress, &sought, resource::is_metadata).await?;
    let resource = resource.map(|(_, document)| Resource::read(&document));
    match resource {
        Some(resource) if !is_about(&resource.resource, destination.as_str()) => {
            Err(DiscoverError::OtherResource)
        }
        Some(resource) if !resource.authorization_servers.is_empty() => {
            let issuer = named_issuer(egress, &resource).await?;
            let scope = challenge.scope.unwrap_or_else(|| resource.scopes.join(" "));
            Ok(Found {
                scope: issuer.with_offline_access(scope),
                resource: resource.resource,
                issuer,
                server_url: server_url.to_owned(),
                is_guess: false,
            })
        }
        None if challenge.resource_metadata.is_some() => Err(DiscoverError::Nowhere),
        resource => {
            let found = at_origin(egress, &destination, (challenge, resource)).await;
            match found {
                Err(DiscoverError::Nowhere) if is_silent => Err(DiscoverError::Silent),
                // More may stand in the challenge that it could not make.
                found => found.map(|found| Found {
                    is_guess: found.is_guess || is_silent,
                    ..found
                }),
            }
        }
    }
}

/// The first of the authorization servers of a resource that can be used, or why the first one cannot.
async fn named_issuer(egress: &Egress, resource: &Resource) -> Result<Issuer, DiscoverError> {
    let mut first_failure = None;
    for name in resource.authorization_servers.iter().take(SERVERS_MAX) {
        match issuer::find(egress, name).await {
            Ok(issuer) => return Ok(issuer),
            // The next one is another place to sign in at, and not a stand-in.
            Err(DiscoverError::Silent) => return Err(DiscoverError::Silent),
            Err(failure) => first_failure = first_failure.or(Some(failure)),
        }
    }
    Err(first_failure.unwrap_or(DiscoverError::Nowhere))
}

/// A server of 2025-03-26, or one whose metadata names no authorization server: its own origin is it, with metadata or
/// with the endpoints of that revision's defaults. Only of a server that wants a credential, so that no open one is taken
/// for one.
async fn at_origin(
    egress: &Egress,
    destination: &Destination,
    (challenge, resource): (Challenge, Option<Resource>),
) -> Result<Found, DiscoverError> {
    let origin = document::http_url(destination.as_str())
        .map(|url| url.origin().ascii_serialization())
        .ok_or(DiscoverError::Nowhere)?;
    let (issuer, is_guess) = match issuer::find(egress, &origin).await {
        Ok(issuer) => (issuer, false),
        Err(DiscoverError::Nowhere) if challenge.is_made => {
            (issuer::of_defaults(egress, &origin)?, true)
        }
        Err(failure) => return Err(failure),
    };
    let (named, scopes) = match resource {
        Some(resource) => (resource.resource, resource.scopes.join(" ")),
        None => (destination.as_str().to_owned(), String::new()),
    };
    Ok(Found {
        scope: issuer.with_offline_access(challenge.scope.unwrap_or(scopes)),
        resource: named,
        issuer,
        server_url: destination.as_str().to_owned(),
        is_guess,
    })
}

impl Found {
    /// The provider to store. Its name is made of the issuer, so that the servers of one issuer share it.
    pub(crate) fn to_provider(&self) -> NewProvider {
        let issuer = &self.issuer;
        NewProvider {
            name: name_of(&issuer.issuer),
            display_name: host_of(&issuer.issuer),
            issuer: issuer.issuer.clone(),
            auth_url: issuer.authorization_endpoint.clone(),
            token_url: issuer.token_endpoint.clone(),
            revocation_url: issuer.revocation_endpoint.clone(),
            registration_url: issuer.registration_endpoint.clone(),
            token_auth_method: issuer.token_auth_method,
            sends_iss: issuer.sends_iss,
            takes_client_id_documents: issuer.takes_client_id_documents,
            auth_parameters: "{}".to_owned(),
        }
    }

    /// The service to store, under the name that an admin gives it; the server's host if they give none.
    pub(crate) fn to_service(&self, display_name: &str) -> NewService {
        let host = host_of(&self.server_url);
        NewService {
            name: name_of(&self.server_url),
            display_name: match display_name.trim() {
                "" => host.clone(),
                name => name.to_owned(),
            },
            description: format!("Discovered at {host}"),
            scope: self.scope.clone(),
            image: None,
            resource: self.resource.clone(),
            server_url: self.server_url.clone(),
        }
    }
}

fn host_of(url: &str) -> String {
    let url = document::http_url(url);
    let host = url.as_ref().and_then(|url| url.host_str());
    host.unwrap_or("unknown").to_owned()
}

/// A URL as a name that may stand in a path and between the colons of a state.
fn name_of(url: &str) -> String {
    let text = url.split_once("://").map_or(url, |(_, rest)| rest);
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') => c,
        _ => '-',
    };
    let name: String = text.trim_end_matches('/').chars().map(plain).collect();
    name.chars().take(NAME_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_path_and_a_state() {
        assert_eq!(name_of("https://mcp.example.com/"), "mcp.example.com");
        assert_eq!(
            name_of("http://127.0.0.1:80/a:b/c?d"),
            "127.0.0.1-80-a-b-c-d"
        );
        assert_eq!(name_of(&format!("https://{}", "x".repeat(300))).len(), 128);
    }
}
