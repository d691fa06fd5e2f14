//! Storing a grant as it comes out of a sign-in, noting its use, and deleting it.

use super::{ACCESS_TOKEN, Grant, GrantId, REFRESH_TOKEN, read, record};
use crate::registry::connection::OffBy;
use crate::registry::sealed::Change;
use crate::registry::server::ServerId;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// A grant as it comes out of a sign-in.
#[derive(Debug)]
pub struct NewGrant<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Whose it is.
    pub user: UserId,
    /// The provider's name.
    pub provider: &'a str,
    /// Who issues its tokens (RFC 8414); empty if that is not known.
    pub issuer: &'a str,
    /// The service's name.
    pub service: &'a str,
    /// The service's number.
    pub service_id: i64,
    /// The resource that it was asked for; empty for a service of the catalog.
    pub resource: &'a str,
    /// Who we are there.
    pub client_id: &'a str,
    /// Where it is refreshed.
    pub token_url: &'a str,
    /// The type of its tokens.
    pub token_type: &'a str,
    /// The scopes that were granted, separated by spaces.
    pub scope: &'a str,
    /// Those that were asked for and were not.
    pub refused_scope: String,
    /// The access token.
    pub access_token: &'a Secret,
    /// The refresh token, if one came.
    pub refresh_token: Option<&'a Secret>,
    /// When the access token ends.
    pub expires_at: Option<UnixMs>,
}

/// Stores a grant, or renews the one that the person has for the service: same number, next version, and whoever is
/// refreshing the old one loses.
///
/// # Errors
/// If the database fails.
pub async fn store(tx: &mut Tx, vault: &Vault, new: &NewGrant<'_>, now: UnixMs) -> Result<GrantId> {
    let before = before(tx, new).await?;
    let id = sql!(
        tx,
        scalar as GrantId,
        "INSERT INTO connected_services (tenant_id, user_id, provider, service, service_id, token_type,
             access_token_sealed, refresh_token_sealed, scope, version, issuer, token_url, client_id, resource,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, '', '', $7, 1, $8, $9, $10, $11, $12, $12)
         ON CONFLICT (tenant_id, user_id, provider, service) DO UPDATE SET service_id = excluded.service_id,
             token_type = excluded.token_type, scope = excluded.scope, issuer = excluded.issuer,
             token_url = excluded.token_url, client_id = excluded.client_id, resource = excluded.resource,
             version = connected_services.version + 1, needs_reauth = NULL, lease_holder = '', lease_until = 0,
             retry_at = 0, refresh_failures = 0, refresh_failure = '', updated_at = excluded.updated_at
         RETURNING id",
        new.tenant,
        new.user,
        new.provider,
        new.service,
        new.service_id,
        new.token_type,
        new.scope,
        new.issuer,
        new.token_url,
        new.client_id,
        new.resource,
        now
    )?;
    // A provider that gives no new refresh token means the old one, which is worth nothing to anybody else.
    let is_same = |before: &Grant| {
        before.issuer == new.issuer
            && before.token_url == new.token_url
            && before.client_id == new.client_id
    };
    let kept = before
        .filter(is_same)
        .map(|before| before.refresh_token_sealed);
    seal(tx, vault, (new, id), &kept.unwrap_or_default()).await?;
    Ok(id)
}

/// What the person has for the service already.
async fn before(tx: &mut Tx, new: &NewGrant<'_>) -> Result<Option<Grant>> {
    let id = sql!(
        tx,
        scalar_optional as GrantId,
        "SELECT id FROM connected_services WHERE tenant_id = $1 AND user_id = $2 AND provider = $3 AND service = $4",
        new.tenant,
        new.user,
        new.provider,
        new.service
    )?;
    match id {
        Some(id) => read(tx, id).await,
        None => Ok(None),
    }
}

/// Tokens are bound to the row's number, which exists only now.
async fn seal(
    tx: &mut Tx,
    vault: &Vault,
    (new, id): (&NewGrant<'_>, GrantId),
    kept_refresh_token: &str,
) -> Result<()> {
    let name = Grant::record_name(id);
    let record = record(new.tenant, &name);
    let access = Change::Set(new.access_token.clone());
    let refresh = new.refresh_token.cloned().map_or(Change::Keep, Change::Set);
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET access_token_sealed = $2, refresh_token_sealed = $3, expires_at = $4,
             refused_scope = $5 WHERE id = $1",
        id,
        record.seal(vault, ACCESS_TOKEN, &access, ""),
        record.seal(vault, REFRESH_TOKEN, &refresh, kept_refresh_token),
        new.expires_at,
        &new.refused_scope
    )?;
    Ok(())
}

/// Notes that a call travelled with a grant.
///
/// # Errors
/// If the database fails.
pub async fn touch(tx: &mut Tx, id: GrantId, now: UnixMs) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET last_used_at = $2 WHERE id = $1",
        id,
        now
    )?;
    Ok(())
}

/// Deletes a person's grant, and with it every connection that uses it, but for those that an administrator switched off:
/// they stay, and stay off, whatever the person signs in to later.
///
/// # Errors
/// `NotFound` if there is none, or it is another's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, user: UserId, id: GrantId) -> Result<Grant> {
    sql!(
        tx,
        execute,
        "UPDATE connections SET connected_service_id = NULL
         WHERE connected_service_id = $3 AND tenant_id = $1 AND user_id = $2 AND NOT is_active AND off_by = $4",
        tenant,
        user,
        id,
        OffBy::Admin.as_str()
    )?;
    sql!(
        tx,
        fetch_optional as Grant,
        "DELETE FROM connected_services WHERE id = $3 AND tenant_id = $1 AND user_id = $2
         RETURNING *, (SELECT u.role FROM users u WHERE u.id = user_id) AS role",
        tenant,
        user,
        id
    )?
    .ok_or(Error::NotFound("connected service"))
}

/// Deletes the grants that were asked for a server's resource and are of use for no other server: they go with it.
///
/// # Errors
/// If the database fails.
pub async fn delete_of_server(tx: &mut Tx, server: ServerId) -> Result<Vec<Grant>> {
    Ok(sql!(
        tx,
        fetch_all as Grant,
        "DELETE FROM connected_services WHERE resource <> ''
           AND (id IN (SELECT connected_service_id FROM connections
                       WHERE server_id = $1 AND connected_service_id IS NOT NULL)
                OR service_id IN (SELECT o.id FROM oauth_services o JOIN servers s ON s.url = o.server_url
                                  WHERE s.id = $1))
           AND id NOT IN (SELECT connected_service_id FROM connections
                          WHERE server_id <> $1 AND connected_service_id IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM servers gone JOIN servers other ON other.url = gone.url
                           WHERE gone.id = $1 AND other.id <> $1
                             AND (other.is_featured OR other.tenant_id = connected_services.tenant_id))
         RETURNING *, (SELECT u.role FROM users u WHERE u.id = user_id) AS role",
        server
    )?)
}
