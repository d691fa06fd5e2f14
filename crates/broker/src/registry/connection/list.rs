//! Lists of a tenant's connections with the names that answers show.

use sqlx::FromRow;

use super::{Connection, ConnectionId};
use crate::registry::server::ServerId;
use crate::registry::{AuthType, Scope};
use base::error::{Error, Result};
use base::sql;
use base::storage::{Conditions, Page, PageRequest, Tx, like};
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

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
    let all = conditions(tenant, filter);
    let count = "SELECT COUNT(*) FROM connections c WHERE {all}";
    let total = all.count(tx, count).await?;
    // The page is found in an index; only its rows are read.
    let rows = all.page(
        tx,
        "SELECT c.*, s.name AS server_name, u.username, m.unique_id AS mentor_unique_id,
                g.provider AS grant_provider, g.service AS grant_service, gu.username AS grant_username,
                g.needs_reauth AS grant_needs_reauth
         FROM connections c JOIN servers s ON s.id = c.server_id
         LEFT JOIN users u ON u.id = c.user_id LEFT JOIN mentors m ON m.id = c.mentor_id
         LEFT JOIN connected_services g ON g.id = c.connected_service_id
         LEFT JOIN users gu ON gu.id = g.user_id
         WHERE c.id IN (SELECT c.id FROM connections c WHERE {all} ORDER BY c.created_at DESC, c.id DESC {page})
         ORDER BY c.created_at DESC, c.id DESC",
        page,
    );
    let rows = rows.await?;
    Ok(Page { total, rows })
}

fn conditions(tenant: TenantId, filter: &Filter) -> Conditions {
    let mut all = Conditions::of("c.tenant_id = ?", tenant.0);
    let own = filter.own.map(|own| own.0);
    all.and_if("c.scope = 'user' AND c.user_id = ?", own);
    all.and_if("c.auth_type = ?", filter.auth_type.map(AuthType::as_str));
    all.and_if("c.is_active = ?", filter.is_active);
    let mentor = "c.mentor_id = (SELECT id FROM mentors WHERE unique_id = ?)";
    all.and_if(mentor, filter.mentor.as_deref());
    all.and_if("c.scope = ?", filter.scope.map(Scope::as_str));
    all.and_if(
        r"c.server_id IN (SELECT id FROM servers WHERE lower(name) LIKE lower(?) ESCAPE '\')
          OR c.user_id IN (SELECT id FROM users WHERE tenant_id = $1 AND lower(username) LIKE lower(?) ESCAPE '\')",
        filter.search.as_deref().map(like),
    );
    all.and_if("c.server_id = ?", filter.server.map(|server| server.0));
    let user = "c.user_id = (SELECT id FROM users WHERE tenant_id = $1 AND username = ?)";
    all.and_if(user, filter.user.as_deref());
    all
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
