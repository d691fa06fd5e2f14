//! Lists of a tenant's connections with the names that answers show.

use sqlx::FromRow;

use super::{Connection, ConnectionId};
use crate::error::{Error, Result};
use crate::registry::server::ServerId;
use crate::registry::{AuthType, Scope};
use crate::sql;
use crate::storage::{Page, PageRequest, Tx, like};
use crate::tenant::TenantId;
use crate::tenant::user::UserId;

/// A connection with the names of what it refers to.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    /// The record.
    #[sqlx(flatten)]
    pub connection: Connection,
    /// The server's name.
    pub server_name: String,
    /// The username of a user scope.
    pub username: Option<String>,
    /// The UUID of a mentor scope's mentor.
    pub mentor_unique_id: Option<String>,
    /// The provider of the grant.
    pub grant_provider: Option<String>,
    /// The service of the grant.
    pub grant_service: Option<String>,
    /// Whose grant it is.
    pub grant_username: Option<String>,
    /// Why that person must sign in again, if they must.
    pub grant_needs_reauth: Option<String>,
}

#[derive(FromRow)]
struct Counted {
    #[sqlx(flatten)]
    listed: Listed,
    total: i64,
}

/// What a list is narrowed to; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this person's own, of the user scope: what a member sees.
    pub own: Option<UserId>,
    /// Exactly this authentication.
    pub auth_type: Option<AuthType>,
    /// Only active or only inactive ones.
    pub is_active: Option<bool>,
    /// The UUID of the mentor.
    pub mentor: Option<String>,
    /// Exactly this scope.
    pub scope: Option<Scope>,
    /// Part of the server's name or the username.
    pub search: Option<String>,
    /// Exactly this server.
    pub server: Option<ServerId>,
    /// Exactly this username.
    pub user: Option<String>,
}

/// A page of a tenant's connections, newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page<Listed>> {
    let rows = sql!(
        tx,
        fetch_all as Counted,
        r"SELECT c.*, s.name AS server_name, u.username, m.unique_id AS mentor_unique_id,
                 g.provider AS grant_provider, g.service AS grant_service, gu.username AS grant_username,
                 g.needs_reauth AS grant_needs_reauth, COUNT(*) OVER () AS total
          FROM connections c JOIN servers s ON s.id = c.server_id
          LEFT JOIN users u ON u.id = c.user_id LEFT JOIN mentors m ON m.id = c.mentor_id
          LEFT JOIN connected_services g ON g.id = c.connected_service_id
          LEFT JOIN users gu ON gu.id = g.user_id
          WHERE c.tenant_id = $1 AND ($2 IS NULL OR (c.scope = 'user' AND c.user_id = $2))
            AND ($3 IS NULL OR c.auth_type = $3) AND ($4 IS NULL OR c.is_active = $4)
            AND ($5 IS NULL OR m.unique_id = $5) AND ($6 IS NULL OR c.scope = $6)
            AND ($7 IS NULL OR lower(s.name) LIKE lower($7) ESCAPE '\'
                 OR lower(u.username) LIKE lower($7) ESCAPE '\')
            AND ($8 IS NULL OR c.server_id = $8) AND ($9 IS NULL OR u.username = $9)
          ORDER BY c.created_at DESC, c.id DESC LIMIT $10 OFFSET $11",
        tenant,
        filter.own,
        filter.auth_type.map(AuthType::as_str),
        filter.is_active,
        filter.mentor.as_deref(),
        filter.scope.map(Scope::as_str),
        filter.search.as_deref().map(like),
        filter.server,
        filter.user.as_deref(),
        page.size,
        page.offset()
    )?;
    Ok(Page {
        total: rows.first().map_or(0, |row| row.total),
        rows: rows.into_iter().map(|row| row.listed).collect(),
    })
}

/// One connection of a tenant.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_listed(tx: &mut Tx, tenant: TenantId, id: ConnectionId) -> Result<Listed> {
    sql!(
        tx,
        fetch_optional as Listed,
        "SELECT c.*, s.name AS server_name, u.username, m.unique_id AS mentor_unique_id,
                g.provider AS grant_provider, g.service AS grant_service, gu.username AS grant_username,
                g.needs_reauth AS grant_needs_reauth
         FROM connections c JOIN servers s ON s.id = c.server_id
         LEFT JOIN users u ON u.id = c.user_id LEFT JOIN mentors m ON m.id = c.mentor_id
         LEFT JOIN connected_services g ON g.id = c.connected_service_id
         LEFT JOIN users gu ON gu.id = g.user_id
         WHERE c.tenant_id = $1 AND c.id = $2",
        tenant,
        id
    )?
    .ok_or(Error::NotFound("connection"))
}
