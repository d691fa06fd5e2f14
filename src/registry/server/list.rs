//! Lists of servers: a tenant's own and what others feature, with the names that answers show.

use sqlx::FromRow;

use super::{Server, ServerId};
use crate::error::{Error, Result};
use crate::registry::{AuthType, Scope, Transport};
use crate::sql;
use crate::storage::{Page, PageRequest, Tx, like};
use crate::tenant::TenantId;

/// A server with the names of what it refers to.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    /// The record.
    #[sqlx(flatten)]
    pub server: Server,
    /// The key of its tenant.
    pub platform_key: String,
    /// The UUID of the mentor that it is bound to.
    pub mentor_unique_id: Option<String>,
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
    /// Exactly this strategy.
    pub auth_scope: Option<Scope>,
    /// Exactly this authentication.
    pub auth_type: Option<AuthType>,
    /// Exactly this wire protocol.
    pub transport: Option<Transport>,
    /// Only enabled or only disabled ones.
    pub is_enabled: Option<bool>,
    /// Only featured or only private ones.
    pub is_featured: Option<bool>,
    /// Exactly this URL.
    pub url: Option<String>,
    /// Part of the name, the description or the URL.
    pub search: Option<String>,
    /// Bound to this mentor.
    pub mentor_unique_id: Option<String>,
    /// With a mentor: also those bound to none, and other tenants' featured ones.
    pub include_global: bool,
}

/// A page of what a tenant may see, newest first.
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
        r"SELECT s.*, t.key AS platform_key, m.unique_id AS mentor_unique_id, COUNT(*) OVER () AS total
          FROM servers s JOIN tenants t ON t.id = s.tenant_id LEFT JOIN mentors m ON m.id = s.mentor_id
          WHERE (s.tenant_id = $1 OR s.is_featured)
            AND ($2 IS NULL OR s.auth_scope = $2) AND ($3 IS NULL OR s.auth_type = $3)
            AND ($4 IS NULL OR s.transport = $4) AND ($5 IS NULL OR s.is_enabled = $5)
            AND ($6 IS NULL OR s.is_featured = $6) AND ($7 IS NULL OR s.url = $7)
            AND ($8 IS NULL OR lower(s.name) LIKE lower($8) ESCAPE '\'
                 OR lower(s.description) LIKE lower($8) ESCAPE '\' OR lower(s.url) LIKE lower($8) ESCAPE '\')
            AND ($9 IS NULL OR (m.unique_id = $9 AND s.tenant_id = $1)
                 OR ($10 AND (s.mentor_id IS NULL OR s.tenant_id <> $1)))
          ORDER BY s.created_at DESC, s.id DESC LIMIT $11 OFFSET $12",
        tenant,
        filter.auth_scope.map(Scope::as_str),
        filter.auth_type.map(AuthType::as_str),
        filter.transport.map(Transport::as_str),
        filter.is_enabled,
        filter.is_featured,
        filter.url.as_deref(),
        filter.search.as_deref().map(like),
        filter.mentor_unique_id.as_deref(),
        filter.include_global,
        page.size,
        page.offset()
    )?;
    Ok(Page {
        total: rows.first().map_or(0, |row| row.total),
        rows: rows.into_iter().map(|row| row.listed).collect(),
    })
}

/// One server that a tenant may see.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_listed(tx: &mut Tx, tenant: TenantId, id: ServerId) -> Result<Listed> {
    sql!(
        tx,
        fetch_optional as Listed,
        "SELECT s.*, t.key AS platform_key, m.unique_id AS mentor_unique_id
         FROM servers s JOIN tenants t ON t.id = s.tenant_id LEFT JOIN mentors m ON m.id = s.mentor_id
         WHERE s.id = $1 AND (s.tenant_id = $2 OR s.is_featured)",
        id,
        tenant
    )?
    .ok_or(Error::NotFound("server"))
}
