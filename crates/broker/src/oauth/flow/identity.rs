//! Who we are at the provider of a service: what an admin stored, else the address of our document where the provider
//! takes one, else what we register (2025-11-25, authorization, client registration approaches).
//! Never uses at one issuer what belongs to another.

use std::time::Duration;

use super::super::Client;
use super::super::client::{self, NewRegistered};
use super::super::discover::NoDocument;
use super::super::integration::{self, Identity};
use super::super::provider::{self, Provider};
use super::super::register::{self, RegisterError, Registration};
use super::super::service::Offer;
use super::Flow;
use base::error::{Error, Result, SignInFailure};
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// A client is not registered anew so soon after it was: a person who closes the page and begins again means nothing.
const REGISTERED_ANEW_AFTER: Duration = Duration::from_secs(600);

/// Whether an issuer still knows a client of ours.
enum Standing {
    /// As far as is known.
    Good,
    /// Somebody who went there with it did not come back.
    Doubtful,
}

/// What an admin stored, if they did. For a provider of the catalog nothing else counts.
///
/// # Errors
/// `SignIn` with `NoCredentials` for one of the catalog that nothing is stored for.
pub(super) async fn stored(
    flow: &Flow,
    tenant: TenantId,
    provider: &Provider,
) -> Result<Option<Identity>> {
    let mut tx = flow.db.read().await?;
    match integration::identity(&mut tx, &flow.vault, tenant, provider).await {
        Ok(identity) => Ok(Some(identity)),
        Err(Error::SignIn(SignInFailure::NoCredentials)) if !provider.is_of_catalog() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who we are for a new sign-in at a discovered provider; we register if we must.
///
/// # Errors
/// `SignIn` with `NoCredentials` if there is no way.
pub(super) async fn new(
    flow: &Flow,
    (tenant, user): (TenantId, UserId),
    provider: &Provider,
    redirect_uri: &str,
) -> Result<Identity> {
    if provider.takes_client_id_documents
        && flow
            .public_url
            .as_ref()
            .is_some_and(|url| redirect_uri.starts_with(url))
        && let Some(id) = register::document_id(flow.public_url.as_deref())
    {
        return Ok(of_client(provider, Client::public(id)));
    }
    let known = registered(flow, (tenant, user), provider, redirect_uri).await?;
    let known = match known {
        Some((client, Standing::Good)) => return Ok(of_client(provider, client)),
        Some((client, Standing::Doubtful)) => Some(client),
        None => None,
    };
    match register(flow, tenant, provider, redirect_uri).await? {
        Some(client) => Ok(of_client(provider, client)),
        // What may have been forgotten is better than nothing.
        None => known
            .map(|client| of_client(provider, client))
            .ok_or(Error::SignIn(SignInFailure::NoCredentials)),
    }
}

/// Registers us anew at a provider; `None` if it does not do that.
pub(super) async fn register(
    flow: &Flow,
    tenant: TenantId,
    provider: &Provider,
    redirect_uri: &str,
) -> Result<Option<Client>> {
    if provider.registration_url.is_empty() {
        return Ok(None);
    }
    let asked = (&provider.registration_url, provider.token_auth_method);
    match register::register(&flow.egress, asked.0, redirect_uri, asked.1).await {
        Ok(registration) => {
            remember(flow, tenant, (provider, redirect_uri), &registration).await?;
            Ok(Some(registration.client))
        }
        Err(error) => {
            tracing::warn!(issuer = %provider.issuer, %error, "the registration as a client failed");
            if let RegisterError::Refused(status) = error
                && !NoDocument::Status(status).is_passing()
            {
                let mut tx = flow.db.write().await?;
                provider::set_registration_refused(&mut tx, provider.id, Some(status)).await?;
                tx.commit().await?;
            }
            Ok(None)
        }
    }
}

/// Who we were when a client id was used at a provider, if we still are.
///
/// # Errors
/// `SignIn` with `NoCredentials` if the catalog's credential is gone.
pub(super) async fn known(
    flow: &Flow,
    tenant: TenantId,
    offer: &Offer,
    client_id: &str,
) -> Result<Option<Identity>> {
    let provider = &offer.provider;
    if let Some(identity) = stored(flow, tenant, provider).await? {
        if identity.client.id == client_id {
            return Ok(Some(identity));
        }
        if provider.is_of_catalog() {
            return Ok(None);
        }
    }
    if register::document_id(flow.public_url.as_deref()).as_deref() == Some(client_id) {
        return Ok(Some(of_client(provider, Client::public(client_id))));
    }
    let mut tx = flow.db.read().await?;
    let found = client::registered_as(&mut tx, tenant, &provider.issuer, client_id).await?;
    let client = found.map(|found| found.open(&flow.vault)).transpose()?;
    Ok(client.map(|client| of_client(provider, client)))
}

async fn registered(
    flow: &Flow,
    (tenant, user): (TenantId, UserId),
    provider: &Provider,
    redirect_uri: &str,
) -> Result<Option<(Client, Standing)>> {
    let now = flow.clock.now();
    let mut tx = flow.db.read().await?;
    let place = (provider.issuer.as_str(), redirect_uri);
    let Some(found) = client::registered_for(&mut tx, tenant, place, now).await? else {
        return Ok(None);
    };
    let is_doubtful = found.created_at.plus(REGISTERED_ANEW_AFTER) <= now
        && client::led_nowhere(&mut tx, (tenant, user), &found.client_id).await?;
    let standing = match is_doubtful {
        true => Standing::Doubtful,
        false => Standing::Good,
    };
    Ok(Some((found.open(&flow.vault)?, standing)))
}

async fn remember(
    flow: &Flow,
    tenant: TenantId,
    (provider, redirect_uri): (&Provider, &str),
    registration: &Registration,
) -> Result<()> {
    let new = NewRegistered {
        issuer: &provider.issuer,
        redirect_uri,
        client: &registration.client,
        expires_at: registration.expires_at,
    };
    let mut tx = flow.db.write().await?;
    client::remember(&mut tx, &flow.vault, tenant, &new, flow.clock.now()).await?;
    provider::set_registration_refused(&mut tx, provider.id, None).await?;
    Ok(tx.commit().await?)
}

fn of_client(provider: &Provider, client: Client) -> Identity {
    Identity {
        client,
        is_of_main: false,
        redirect_uris: Vec::new(),
        auth_url: provider.auth_url.clone(),
        token_url: provider.token_url.clone(),
        revocation_url: provider.revocation_url.clone(),
    }
}
