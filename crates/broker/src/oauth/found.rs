//! Keeping what was discovered as a provider and a service of one tenant.
//! Never lets one issuer or server take the place of another that happens to make the same name.

use sha2::{Digest, Sha256};

use super::discover::Found;
use super::provider::{self, Provider, ProviderId};
use super::service::{self, Offer};
use crate::registry::server;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;

/// The enabled service at which people of a tenant sign in to the server at a URL: of a server that they may see, or
/// discovered before.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, tenant: TenantId, server_url: &str) -> Result<Option<Offer>> {
    let id = sql!(
        tx,
        scalar_optional as i64,
        "SELECT o.id FROM oauth_services o JOIN oauth_providers p ON p.id = o.provider_id
         WHERE o.is_enabled AND p.is_enabled AND (p.tenant_id IS NULL OR p.tenant_id = $1)
           AND (o.server_url = $2 OR o.id IN (SELECT oauth_service_id FROM servers
                    WHERE url = $2 AND (tenant_id = $1 OR is_featured)))
         ORDER BY o.id LIMIT 1",
        tenant,
        server_url
    )?;
    match id {
        Some(id) => service::find(tx, service::ServiceId(id)).await,
        None => Ok(None),
    }
}

/// Keeps what was discovered for a tenant, or brings what is kept up to date.
///
/// # Errors
/// If the database fails.
pub async fn store(
    tx: &mut Tx,
    tenant: TenantId,
    (found, display_name): (&Found, &str),
    now: UnixMs,
) -> Result<Offer> {
    let mut new = found.to_provider();
    match of_issuer(tx, tenant, &new.issuer).await? {
        Some(known) => new.name = known.name,
        None if provider::find_by_name(tx, tenant, &new.name)
            .await?
            .is_some() =>
        {
            new.name = distinct(&new.name, &new.issuer);
        }
        None => {}
    }
    let id = provider::store(tx, Some(tenant), &new, now).await?;
    let mut new = found.to_service(display_name);
    let is_other = |known: &service::Service| known.server_url != new.server_url;
    let others = service::list_of(tx, id).await?;
    if others
        .iter()
        .any(|known| known.name == new.name && is_other(known))
    {
        new.name = distinct(&new.name, &new.server_url);
    }
    let id = service::store(tx, id, &new, now).await?;
    supersede(tx, tenant, (id, &new.server_url)).await?;
    let stored = service::find(tx, id).await?;
    stored.ok_or_else(|| Error::internal("a service that was just stored is not there"))
}

/// A server that has moved to another authorization server is signed in to there and nowhere else. What was granted at
/// the old one stays and is used no more (2026-07-28, authorization: credentials belong to their issuer).
async fn supersede(
    tx: &mut Tx,
    tenant: TenantId,
    (service, server_url): (service::ServiceId, &str),
) -> Result<()> {
    let old = sql!(
        tx,
        fetch_all as (i64,),
        "SELECT o.id FROM oauth_services o JOIN oauth_providers p ON p.id = o.provider_id
         WHERE p.tenant_id = $1 AND o.server_url = $2 AND o.id <> $3",
        tenant,
        server_url,
        service
    )?;
    for (old,) in old {
        server::replace_service(tx, tenant, (old, service.0)).await?;
    }
    sql!(
        tx,
        execute,
        "UPDATE oauth_services SET is_enabled = (id = $3) WHERE server_url = $2
             AND provider_id IN (SELECT id FROM oauth_providers WHERE tenant_id = $1)",
        tenant,
        server_url,
        service
    )?;
    Ok(())
}

/// The provider of an issuer that was discovered for a tenant.
async fn of_issuer(tx: &mut Tx, tenant: TenantId, issuer: &str) -> Result<Option<Provider>> {
    let id = sql!(
        tx,
        scalar_optional as ProviderId,
        "SELECT MIN(id) FROM oauth_providers WHERE tenant_id = $1 AND issuer = $2 GROUP BY issuer",
        tenant,
        issuer
    )?;
    match id {
        Some(id) => provider::find(tx, id).await,
        None => Ok(None),
    }
}

/// A name with a few digits of what it stands for.
fn distinct(name: &str, of: &str) -> String {
    let digest = Sha256::digest(of.as_bytes());
    let digits: String = digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name: String = name.chars().take(100).collect();
    format!("{name}-{digits}")
}
