//! OAuth services: what a provider gives access to, and with which scopes it is asked for.
//! Never holds a grant; that is `registry::grant`.

use std::collections::BTreeSet;

use sqlx::FromRow;
use url::Url;

use super::provider::{self, Provider, ProviderId};
use crate::registry::audience;
use crate::registry::server::Server;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;

/// The number of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ServiceId(pub i64);

/// Something at a provider that a person can grant access to.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Service {
    /// Its number.
    pub id: ServiceId,
    /// Where it is.
    pub provider_id: ProviderId,
    /// The name in paths and states.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// The scopes to ask for, separated by spaces.
    pub scope: String,
    /// The URL of its image.
    pub image: Option<String>,
    /// What tokens are asked for (RFC 8707); empty for a service of the catalog.
    pub resource: String,
    /// The MCP server that it was discovered at; empty for the catalog.
    pub server_url: String,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// When it became known.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Service {
    /// Whether its tokens may be sent to this address: those of a discovered service go to the resource that they are
    /// asked for and nowhere else.
    pub fn is_for(&self, url: &str) -> bool {
        self.server_url.is_empty() || audience::contains(&self.resource, url)
    }

    /// Whether it was discovered at the host of this address.
    pub fn is_at_host_of(&self, url: &str) -> bool {
        let place = |url: &str| {
            let url = Url::parse(url).ok()?;
            Some((url.host_str()?.to_owned(), url.port_or_known_default()))
        };
        place(&self.server_url) == place(url)
    }
}

/// A service with its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The authorization server.
    pub provider: Provider,
    /// What it gives access to.
    pub service: Service,
}

impl Offer {
    /// The provider's name and the service's.
    pub fn names(&self) -> (&str, &str) {
        (&self.provider.name, &self.service.name)
    }

    /// Whether both may be used.
    pub fn is_enabled(&self) -> bool {
        self.provider.is_enabled && self.service.is_enabled
    }

    /// Whether an MCP server led to it, and not the catalog.
    pub(crate) fn is_discovered(&self) -> bool {
        !self.service.server_url.is_empty()
    }
}

/// What is known of a service before it has a number.
#[derive(Debug, Clone)]
pub struct NewService {
    /// The name in paths.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// The scopes to ask for.
    pub scope: String,
    /// The URL of its image.
    pub image: Option<String>,
    /// What tokens are asked for; may be empty.
    pub resource: String,
    /// The MCP server that it was discovered at; may be empty.
    pub server_url: String,
}

/// Makes a service of a provider known, or brings the known one up to date. Whether it is enabled stays.
///
/// # Errors
/// If the database fails.
pub async fn store(
    tx: &mut Tx,
    provider: ProviderId,
    new: &NewService,
    now: UnixMs,
) -> Result<ServiceId> {
    Ok(sql!(
        tx,
        scalar as ServiceId,
        "INSERT INTO oauth_services (provider_id, name, display_name, description, scope, image, resource, server_url,
             is_enabled, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, TRUE, $9, $9)
         ON CONFLICT (provider_id, name) DO UPDATE SET display_name = excluded.display_name,
             description = excluded.description, scope = excluded.scope, image = excluded.image,
             resource = excluded.resource, server_url = excluded.server_url, updated_at = excluded.updated_at
         RETURNING id",
        provider,
        &new.name,
        &new.display_name,
        &new.description,
        &new.scope,
        new.image.as_deref(),
        &new.resource,
        &new.server_url,
        now
    )?)
}

/// Everything that a tenant may see, the services of a provider together, by name.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Offer>> {
    let providers = provider::list(tx, tenant).await?;
    let services = sql!(
        tx,
        fetch_all as Service,
        "SELECT s.* FROM oauth_services s JOIN oauth_providers p ON p.id = s.provider_id
         WHERE p.tenant_id IS NULL OR p.tenant_id = $1 ORDER BY p.name, p.id, s.name",
        tenant
    )?;
    let with_provider = |service: Service| {
        let provider = providers.iter().find(|p| p.id == service.provider_id)?;
        Some(Offer {
            provider: provider.clone(),
            service,
        })
    };
    Ok(services.into_iter().filter_map(with_provider).collect())
}

/// The services of the catalog, by provider and name. For the operator's command line.
///
/// # Errors
/// If the database fails.
pub async fn list_of(tx: &mut Tx, provider: ProviderId) -> Result<Vec<Service>> {
    Ok(sql!(
        tx,
        fetch_all as Service,
        "SELECT * FROM oauth_services WHERE provider_id = $1 ORDER BY name",
        provider
    )?)
}

/// The service that two names mean in a tenant, whether or not it is enabled.
///
/// # Errors
/// If the database fails.
pub async fn find_by_names(
    tx: &mut Tx,
    tenant: TenantId,
    (provider, service): (&str, &str),
) -> Result<Option<Offer>> {
    let Some(provider) = provider::find_by_name(tx, tenant, provider).await? else {
        return Ok(None);
    };
    let service = sql!(
        tx,
        fetch_optional as Service,
        "SELECT * FROM oauth_services WHERE provider_id = $1 AND name = $2",
        provider.id,
        service
    )?;
    Ok(service.map(|service| Offer { provider, service }))
}

/// The service of that number, whoever it is for.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: ServiceId) -> Result<Option<Offer>> {
    let service = sql!(
        tx,
        fetch_optional as Service,
        "SELECT * FROM oauth_services WHERE id = $1",
        id
    )?;
    let Some(service) = service else {
        return Ok(None);
    };
    let provider = provider::find(tx, service.provider_id).await?;
    Ok(provider.map(|provider| Offer { provider, service }))
}

/// The service of that number, if a tenant may name it: the catalog's, or one discovered for it.
///
/// # Errors
/// If the database fails.
pub async fn find_visible(tx: &mut Tx, tenant: TenantId, id: ServiceId) -> Result<Option<Offer>> {
    let may_see = |offer: &Offer| offer.provider.tenant_id.is_none_or(|owner| owner == tenant);
    Ok(find(tx, id).await?.filter(may_see))
}

/// The service at which a person signs in to a server that they may see.
///
/// # Errors
/// `NotFound` if the server names none, or it is switched off.
pub async fn of_server(tx: &mut Tx, server: &Server) -> Result<Offer> {
    let offer = match server.oauth_service_id {
        Some(id) => find(tx, ServiceId(id)).await?,
        None => None,
    };
    offer
        .filter(Offer::is_enabled)
        .ok_or(Error::NotFound("service"))
}

/// The services of some servers, each once.
///
/// # Errors
/// If the database fails.
pub async fn of_servers<'a>(
    tx: &mut Tx,
    servers: impl IntoIterator<Item = &'a Server>,
) -> Result<Vec<Offer>> {
    let ids: BTreeSet<i64> = servers
        .into_iter()
        .filter_map(|server| server.oauth_service_id)
        .collect();
    let mut offers = Vec::new();
    for id in ids {
        offers.extend(find(tx, ServiceId(id)).await?);
    }
    Ok(offers)
}

/// Switches a service of the catalog on or off. Returns whether there is one of those names.
///
/// # Errors
/// If the database fails.
pub async fn enable(
    tx: &mut Tx,
    (provider, service): (&str, &str),
    is_enabled: bool,
    now: UnixMs,
) -> Result<bool> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE oauth_services SET is_enabled = $3, updated_at = $4 WHERE name = $2
           AND provider_id IN (SELECT id FROM oauth_providers WHERE name = $1 AND tenant_id IS NULL)",
        provider,
        service,
        is_enabled,
        now
    )?;
    Ok(changed > 0)
}
