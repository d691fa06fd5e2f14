//! Grants as their persons see them, and what they are used for.

use sqlx::FromRow;

use super::{Grant, GrantId};
use base::error::{Error, Result};
use base::sql;
use base::storage::{Tx, like};
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// Rows of a list at most; a person has one for each service.
const ROWS_MAX: i64 = 1000;

/// A grant with the names that answers show.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    /// The grant.
    #[sqlx(flatten)]
    pub grant: Grant,
    /// Its person's name.
    pub username: String,
    /// The service's name for people, if it is still known.
    pub display_name: Option<String>,
    /// The URL of the service's image.
    pub image: Option<String>,
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
) -> Result<Vec<Listed>> {
    Ok(sql!(
        tx,
        fetch_all as Listed,
        r"SELECT g.*, u.role, u.username, s.display_name, s.image
          FROM connected_services g JOIN users u ON u.id = g.user_id LEFT JOIN oauth_services s ON s.id = g.service_id
          WHERE g.tenant_id = $1 AND g.user_id = $2 AND ($3 IS NULL OR g.provider = $3) AND ($4 IS NULL OR g.service = $4)
            AND ($5 IS NULL OR lower(g.provider) LIKE lower($5) ESCAPE '\' OR lower(g.service) LIKE lower($5) ESCAPE '\'
                 OR lower(s.display_name) LIKE lower($5) ESCAPE '\')
          ORDER BY g.id LIMIT $6",
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
pub async fn get(tx: &mut Tx, tenant: TenantId, user: UserId, id: GrantId) -> Result<Listed> {
    sql!(
        tx,
        fetch_optional as Listed,
        "SELECT g.*, u.role, u.username, s.display_name, s.image
         FROM connected_services g JOIN users u ON u.id = g.user_id LEFT JOIN oauth_services s ON s.id = g.service_id
         WHERE g.id = $3 AND g.tenant_id = $1 AND g.user_id = $2",
        tenant,
        user,
        id
    )?
    .ok_or(Error::NotFound("connected service"))
}

/// The scopes that a person has granted for a provider's service; empty without a grant.
///
/// # Errors
/// If the database fails.
pub async fn scope_of(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    (provider, service): (&str, &str),
) -> Result<String> {
    let scope = sql!(
        tx,
        scalar_optional as String,
        "SELECT scope FROM connected_services
         WHERE tenant_id = $1 AND user_id = $2 AND provider = $3 AND service = $4",
        tenant,
        user,
        provider,
        service
    )?;
    Ok(scope.unwrap_or_default())
}

/// Whether a person has a grant for a provider's service that came without a way to renew it.
///
/// # Errors
/// If the database fails.
pub async fn is_without_refresh(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    (provider, service): (&str, &str),
) -> Result<bool> {
    let found = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM connected_services WHERE tenant_id = $1 AND user_id = $2 AND provider = $3
             AND service = $4 AND refresh_token_sealed = ''",
        tenant,
        user,
        provider,
        service
    )?;
    Ok(found > 0)
}

/// What a grant is used for.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Use {
    /// The grant.
    #[sqlx(rename = "connected_service_id")]
    pub grant: GrantId,
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
