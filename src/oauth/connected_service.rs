//! Connected services: the grants that people gave, as they are listed, stored and taken back.
//! Never shows a token; refreshing one is `refresh`'s.

use sqlx::FromRow;

use super::scope::words;
use super::service::Offer;
use super::tokens::Tokens;
use crate::clock::UnixMs;
use crate::error::{Error, Result};
use crate::registry::connected_service::ConnectedService as Reference;
use crate::registry::connection::OffBy;
use crate::registry::sealed::{ACCESS_TOKEN, Change, REFRESH_TOKEN, Record};
use crate::registry::server::ServerId;
use crate::secret::Vault;
use crate::sql;
use crate::storage::{Tx, like};
use crate::tenant::TenantId;
use crate::tenant::user::UserId;

/// What every access token is sent as, whatever its provider calls it (RFC 6750).
pub const TOKEN_TYPE: &str = "bearer";

/// Rows of a list at most; a person has one for each service.
pub const ROWS_MAX: i64 = 1000;

/// A grant with the names that answers show.
#[derive(Debug, Clone, FromRow)]
pub struct ConnectedService {
    /// Its number.
    pub id: i64,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Whose it is.
    pub user_id: UserId,
    /// That person's name.
    pub username: String,
    /// The provider's name.
    pub provider: String,
    /// The service's name.
    pub service: String,
    /// The service's number, if it is still known.
    pub service_id: Option<i64>,
    /// The service's name for people, if it is still known.
    pub display_name: Option<String>,
    /// The URL of the service's image.
    pub image: Option<String>,
    /// The type of the access token: `bearer`.
    pub token_type: String,
    /// The scopes granted, separated by spaces.
    pub scope: String,
    /// When the access token ends; `None` if it does not.
    pub expires_at: Option<UnixMs>,
    /// Why the person must sign in again, if they must.
    pub needs_reauth: Option<String>,
    /// When a call last travelled with it.
    pub last_used_at: Option<UnixMs>,
    /// When it was first given.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

/// What a list is narrowed to; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Exactly this provider.
    pub provider: Option<String>,
    /// Exactly this service.
    pub service: Option<String>,
    /// Part of the provider's or the service's name.
    pub search: Option<String>,
}

/// A person's grants, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    filter: &Filter,
) -> Result<Vec<ConnectedService>> {
    Ok(sql!(
        tx,
        fetch_all as ConnectedService,
        r"SELECT c.id, c.tenant_id, c.user_id, u.username, c.provider, c.service, c.service_id, s.display_name, s.image,
                 c.token_type, c.scope, c.expires_at, c.needs_reauth, c.last_used_at, c.created_at, c.updated_at
          FROM connected_services c JOIN users u ON u.id = c.user_id LEFT JOIN oauth_services s ON s.id = c.service_id
          WHERE c.tenant_id = $1 AND c.user_id = $2 AND ($3 IS NULL OR c.provider = $3) AND ($4 IS NULL OR c.service = $4)
            AND ($5 IS NULL OR lower(c.provider) LIKE lower($5) ESCAPE '\' OR lower(c.service) LIKE lower($5) ESCAPE '\'
                 OR lower(s.display_name) LIKE lower($5) ESCAPE '\')
          ORDER BY c.id LIMIT $6",
        tenant,
        user,
        filter.provider.as_deref(),
        filter.service.as_deref(),
        filter.search.as_deref().map(like),
        ROWS_MAX
    )?)
}

/// A person's grant of that number.
///
/// # Errors
/// `NotFound` if there is none, or it is another's.
pub async fn get(tx: &mut Tx, tenant: TenantId, user: UserId, id: i64) -> Result<ConnectedService> {
    sql!(
        tx,
        fetch_optional as ConnectedService,
        "SELECT c.id, c.tenant_id, c.user_id, u.username, c.provider, c.service, c.service_id, s.display_name, s.image,
                c.token_type, c.scope, c.expires_at, c.needs_reauth, c.last_used_at, c.created_at, c.updated_at
         FROM connected_services c JOIN users u ON u.id = c.user_id LEFT JOIN oauth_services s ON s.id = c.service_id
         WHERE c.id = $3 AND c.tenant_id = $1 AND c.user_id = $2",
        tenant,
        user,
        id
    )?
    .ok_or(Error::NotFound("connected service"))
}

/// The scopes that a person has granted for a service; empty without a grant.
///
/// # Errors
/// If the database fails.
pub async fn scope_of(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    offer: &Offer,
) -> Result<String> {
    let scope = sql!(
        tx,
        scalar_optional as String,
        "SELECT scope FROM connected_services
         WHERE tenant_id = $1 AND user_id = $2 AND provider = $3 AND service = $4",
        tenant,
        user,
        &offer.provider.name,
        &offer.service.name
    )?;
    Ok(scope.unwrap_or_default())
}

/// Whether a person has a grant for a service that came without a way to renew it.
///
/// # Errors
/// If the database fails.
pub async fn is_without_refresh(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    offer: &Offer,
) -> Result<bool> {
    let found = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM connected_services WHERE tenant_id = $1 AND user_id = $2 AND provider = $3
             AND service = $4 AND refresh_token_sealed = ''",
        tenant,
        user,
        &offer.provider.name,
        &offer.service.name
    )?;
    Ok(found > 0)
}

/// The scopes that the last sign-in for a grant asked for and did not get, separated by spaces.
///
/// # Errors
/// If the database fails.
pub async fn refused_scope_of(tx: &mut Tx, id: i64) -> Result<String> {
    let scope = sql!(
        tx,
        scalar_optional as String,
        "SELECT refused_scope FROM connected_services WHERE id = $1",
        id
    )?;
    Ok(scope.unwrap_or_default())
}

/// What was asked for and is not among what was granted; nothing where the provider does not say what it granted.
fn refused_scope(new: &NewGrant<'_>) -> String {
    let Some(granted) = &new.tokens.scope else {
        return String::new();
    };
    let is_granted = |word: &&str| words(granted).any(|given| given == *word);
    // It is never granted by name.
    let asked = words(new.asked_scope).filter(|word| *word != "offline_access");
    let refused = asked.filter(|word| !is_granted(word));
    refused.collect::<Vec<_>>().join(" ")
}

/// What a grant is used for.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Use {
    /// The grant.
    pub connected_service_id: i64,
    /// The server that is called with it.
    pub server_name: String,
    /// A mentor that has the server, if one has.
    pub mentor_name: Option<String>,
}

/// What a person's grants are used for, by server and mentor.
///
/// # Errors
/// If the database fails.
pub async fn uses(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Vec<Use>> {
    Ok(sql!(
        tx,
        fetch_all as Use,
        "SELECT c.connected_service_id, s.name AS server_name, m.name AS mentor_name
         FROM connections c JOIN servers s ON s.id = c.server_id
         LEFT JOIN (mentor_servers a JOIN mentors m ON m.id = a.mentor_id AND m.tenant_id = $1 AND NOT m.is_deleted)
           ON a.server_id = s.id
         WHERE c.tenant_id = $1 AND c.user_id = $2 AND c.connected_service_id IS NOT NULL AND c.is_active
         ORDER BY s.name, m.name LIMIT $3",
        tenant,
        user,
        ROWS_MAX
    )?)
}

/// A grant as it comes out of a sign-in.
#[derive(Debug)]
pub struct NewGrant<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Whose it is.
    pub user: UserId,
    /// For what.
    pub offer: &'a Offer,
    /// Who we are there.
    pub client_id: &'a str,
    /// Where it is refreshed.
    pub token_url: &'a str,
    /// The scopes that were asked for.
    pub asked_scope: &'a str,
    /// What was given.
    pub tokens: &'a Tokens,
}

/// What a grant was before it is given again.
#[derive(Debug, FromRow)]
struct Before {
    issuer: String,
    token_url: String,
    client_id: String,
    refresh_token_sealed: String,
}

/// Stores a grant, or renews the one that the person has for the service: same number, next version, and whoever is
/// refreshing the old one loses.
///
/// # Errors
/// If the database fails.
pub async fn store(tx: &mut Tx, vault: &Vault, new: &NewGrant<'_>, now: UnixMs) -> Result<i64> {
    let (provider, service) = (&new.offer.provider, &new.offer.service);
    let before = sql!(
        tx,
        fetch_optional as Before,
        "SELECT issuer, token_url, client_id, refresh_token_sealed FROM connected_services
         WHERE tenant_id = $1 AND user_id = $2 AND provider = $3 AND service = $4",
        new.tenant,
        new.user,
        &provider.name,
        &service.name
    )?;
    let id = sql!(
        tx,
        scalar as i64,
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
        &provider.name,
        &service.name,
        service.id,
        TOKEN_TYPE,
        new.tokens.scope.as_deref().unwrap_or(new.asked_scope),
        &provider.issuer,
        new.token_url,
        new.client_id,
        &service.resource,
        now
    )?;
    // A provider that gives no new refresh token means the old one, which is worth nothing to anybody else.
    let is_same = |before: &Before| {
        before.issuer == provider.issuer
            && before.token_url == new.token_url
            && before.client_id == new.client_id
    };
    let kept = before
        .filter(is_same)
        .map(|before| before.refresh_token_sealed);
    seal(tx, vault, (new, id), &kept.unwrap_or_default(), now).await?;
    Ok(id)
}

/// Tokens are bound to the row's number, which exists only now.
async fn seal(
    tx: &mut Tx,
    vault: &Vault,
    (new, id): (&NewGrant<'_>, i64),
    kept_refresh_token: &str,
    now: UnixMs,
) -> Result<()> {
    let name = Reference::record_name(id);
    let record = Record {
        tenant: new.tenant,
        name: &name,
        origin: "",
    };
    let access = Change::Set(new.tokens.access_token.clone());
    let refresh = new
        .tokens
        .refresh_token
        .clone()
        .map_or(Change::Keep, Change::Set);
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET access_token_sealed = $2, refresh_token_sealed = $3, expires_at = $4,
             refused_scope = $5 WHERE id = $1",
        id,
        record.seal(vault, ACCESS_TOKEN, &access, ""),
        record.seal(vault, REFRESH_TOKEN, &refresh, kept_refresh_token),
        new.tokens.expires_in.map(|life| now.plus(life)),
        refused_scope(new)
    )?;
    Ok(())
}

/// What is needed to give a deleted grant back to its provider.
#[derive(Debug, FromRow)]
pub struct Deleted {
    /// The number that it had.
    pub id: i64,
    /// The tenant.
    pub tenant_id: TenantId,
    /// For what it was, if that is still known.
    pub service_id: Option<i64>,
    /// Who we were there.
    pub client_id: String,
    /// The access token, sealed.
    pub access_token_sealed: String,
    /// The refresh token, sealed; empty if none.
    pub refresh_token_sealed: String,
}

/// Deletes a person's grant, and with it every connection that uses it, but for those that an administrator switched off:
/// they stay, and stay off, whatever the person signs in to later.
///
/// # Errors
/// `NotFound` if there is none, or it is another's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, user: UserId, id: i64) -> Result<Deleted> {
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
        fetch_optional as Deleted,
        "DELETE FROM connected_services WHERE id = $3 AND tenant_id = $1 AND user_id = $2
         RETURNING id, tenant_id, service_id, client_id, access_token_sealed, refresh_token_sealed",
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
pub async fn delete_of_server(tx: &mut Tx, server: ServerId) -> Result<Vec<Deleted>> {
    Ok(sql!(
        tx,
        fetch_all as Deleted,
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
         RETURNING id, tenant_id, service_id, client_id, access_token_sealed, refresh_token_sealed",
        server
    )?)
}
