//! Lists of servers: a tenant's own and what others feature, with the names that answers show.

use sqlx::FromRow;

use super::{Server, ServerId};
use crate::registry::{AuthType, Scope, Transport};
use base::error::{Error, Result};
use base::sql;
use base::storage::{Conditions, Page, PageRequest, Tx, like};
use tenancy::tenant::TenantId;

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
    let all = conditions(tenant, filter);
    let count = "SELECT COUNT(*) FROM servers s WHERE {all}";
    let total = all.count(tx, count).await?;
    let rows = all.page(
        tx,
        "SELECT s.*, t.key AS platform_key, m.unique_id AS mentor_unique_id
         FROM servers s JOIN tenants t ON t.id = s.tenant_id LEFT JOIN mentors m ON m.id = s.mentor_id
         WHERE s.id IN (SELECT s.id FROM servers s WHERE {all} ORDER BY s.created_at DESC, s.id DESC {page})
         ORDER BY s.created_at DESC, s.id DESC",
        page,
    );
    let rows = rows.await?;
    Ok(Page { total, rows })
}

fn conditions(tenant: TenantId, filter: &Filter) -> Conditions {
    let mut all = Conditions::of("s.tenant_id = ? OR s.is_featured = TRUE", tenant.0);
    let auth_scope = filter.auth_scope.map(Scope::as_str);
    all.and_if("s.auth_scope = ?", auth_scope);
    all.and_if("s.auth_type = ?", filter.auth_type.map(AuthType::as_str));
    all.and_if("s.transport = ?", filter.transport.map(Transport::as_str));
    all.and_if("s.is_enabled = ?", filter.is_enabled);
    all.and_if("s.is_featured = ?", filter.is_featured);
    all.and_if("s.url = ?", filter.url.as_deref());
    all.and_if(
        r"lower(s.name) LIKE lower(?) ESCAPE '\' OR lower(s.description) LIKE lower(?) ESCAPE '\'
          OR lower(s.url) LIKE lower(?) ESCAPE '\'",
        filter.search.as_deref().map(like),
    );
    let bound = "s.tenant_id = $1 AND s.mentor_id = (SELECT id FROM mentors WHERE unique_id = ?)";
    let bound_or_global = "s.mentor_id IS NULL OR s.tenant_id <> $1
          OR s.mentor_id = (SELECT id FROM mentors WHERE unique_id = ?)";
    let mentor = filter.mentor_unique_id.as_deref();
    match filter.include_global {
        true => all.and_if(bound_or_global, mentor),
        false => all.and_if(bound, mentor),
    }
    all
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
