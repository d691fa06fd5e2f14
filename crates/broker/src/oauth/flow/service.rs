//! The service at which a person signs in to a server, discovered if nobody has named one.
//! Never holds a transaction while the server is asked.

use super::super::discover::{self, DiscoverError};
use super::super::found;
use super::super::service::{self, Offer};
use super::Flow;
use crate::registry::server::Server;
use base::error::{Error, Result, SignInFailure};
use tenancy::tenant::TenantId;

/// Why there is no service to sign in at.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The server does not lead to one.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// Something else failed.
    #[error(transparent)]
    Other(#[from] Error),
}

/// Finds the service of the server at a URL: one of the catalog that it is registered with, else the one that the
/// server leads to now, which is kept under the name that is given. A server may move to another authorization server;
/// one that does not answer is signed in to where it was before.
///
/// # Errors
/// [`FindError::Discover`] with the reason for an admin.
pub async fn find_service(
    flow: &Flow,
    tenant: TenantId,
    (url, name): (&str, &str),
) -> Result<Offer, FindError> {
    let destination = flow.egress.check_url(url).map_err(DiscoverError::from)?;
    let url = destination.as_str();
    let known = known(flow, tenant, url).await?;
    if known.as_ref().is_some_and(|known| !known.is_discovered()) {
        return known.ok_or(FindError::Other(Error::NotFound("service")));
    }
    let kept = known
        .as_ref()
        .map(|known| known.service.display_name.clone());
    let found = match (discover::discover(&flow.egress, url).await, known) {
        // Nobody said that it moved.
        (Ok(found), Some(known)) if found.is_guess => return Ok(known),
        (Ok(found), _) => found,
        (Err(DiscoverError::Nowhere | DiscoverError::Silent), Some(known)) => return Ok(known),
        (Err(error), _) => return Err(error.into()),
    };
    let mut tx = flow.db.write().await.map_err(Error::from)?;
    let name = kept.as_deref().unwrap_or(name);
    let offer = found::store(&mut tx, tenant, (&found, name), flow.clock.now()).await?;
    tx.commit().await.map_err(Error::from)?;
    Ok(offer)
}

async fn known(flow: &Flow, tenant: TenantId, url: &str) -> Result<Option<Offer>> {
    let mut tx = flow.db.read().await?;
    found::find(&mut tx, tenant, url).await
}

/// The service at which a person of a tenant signs in to a server: the one that it is registered with, else the one
/// that it leads to by itself.
///
/// # Errors
/// `SignIn` with the reason if there is none.
pub async fn service_of(flow: &Flow, tenant: TenantId, server: &Server) -> Result<Offer> {
    if server.oauth_service_id.is_some() {
        let mut tx = flow.db.read().await?;
        let registered = service::of_server(&mut tx, server).await?;
        if !registered.is_discovered() {
            return Ok(registered);
        }
    }
    match find_service(flow, tenant, (&server.url, &server.name)).await {
        Ok(offer) => Ok(offer),
        Err(FindError::Other(error)) => Err(error),
        Err(FindError::Discover(error)) => {
            tracing::warn!(server.id = server.id.0, %error, "no service to sign in at");
            Err(Error::SignIn(failure(&error)))
        }
    }
}

/// What a person is told.
fn failure(error: &DiscoverError) -> SignInFailure {
    match error {
        DiscoverError::Address(_) => SignInFailure::NoRequest,
        DiscoverError::Nowhere => SignInFailure::Nowhere,
        DiscoverError::Silent => SignInFailure::Silent,
        DiscoverError::OtherResource
        | DiscoverError::OtherIssuer
        | DiscoverError::Endpoints
        | DiscoverError::NoPkce => SignInFailure::Unsafe,
    }
}
