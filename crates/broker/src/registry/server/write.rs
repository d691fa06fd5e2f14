//! Creating, changing and deleting servers, with what that does to the connections of every tenant.

use sqlx::FromRow;

use super::image;
use super::rules::{check_origin, check_prefix, check_scheme, free_prefix};
use super::{Server, ServerId};
use crate::registry::audience;
use crate::registry::connection::{ConnectionId, OffBy};
use crate::registry::sealed::{CREDENTIALS, Change, EXTRA_HEADERS, Record};
use crate::registry::{AuthType, Scope, Transport};
use base::clock::UnixMs;
use base::error::{FieldErrors, Result};
use base::secret::Vault;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::MentorId;

/// A server as it shall be.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The mentor that it is bound to.
    pub mentor: Option<MentorId>,
    /// Who registered it.
    pub owner: String,
    /// Its display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The endpoint.
    pub url: String,
    /// The endpoint's origin, from [`super::check_url`].
    pub origin: String,
    /// A new image; `None` keeps, `Some(None)` removes.
    pub image: Option<Option<image::Image>>,
    /// The wire protocol.
    pub transport: Transport,
    /// Its own header value.
    pub credentials: Change,
    /// Headers for every request.
    pub extra_headers: Change,
    /// How calls are authenticated.
    pub auth_type: AuthType,
    /// Whose credentials are used.
    pub auth_scope: Scope,
    /// The OAuth service of its grants.
    pub oauth_service: Option<i64>,
    /// Whether other tenants may use it.
    pub is_featured: bool,
    /// The hard off switch.
    pub is_enabled: bool,
    /// Without effect: a relay never alters an answer.
    pub clean_output: bool,
    /// What tool names start with; `None` derives it from the name.
    pub tool_prefix: Option<String>,
}

/// Registers a server. `errors` holds what the caller found already; all complaints are answered together.
///
/// # Errors
/// `Invalid` with every complaint.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    tenant: TenantId,
    (draft, mut errors): (Draft, FieldErrors),
    now: UnixMs,
) -> Result<ServerId> {
    if let Some(prefix) = &draft.tool_prefix {
        check_prefix(tx, tenant, None, prefix, &mut errors).await?;
    }
    check_scheme(&draft.url, draft.transport, &mut errors);
    errors.into_result()?;
    let prefix = match draft.tool_prefix.clone() {
        Some(prefix) => prefix,
        None => free_prefix(tx, tenant, &draft.name).await?,
    };
    let id = sql!(
        tx,
        scalar as ServerId,
        "INSERT INTO servers (tenant_id, owner, name, description, url, origin, transport, credentials_sealed,
             extra_headers_sealed, auth_type, auth_scope, is_featured, is_enabled, clean_output, tool_prefix,
             created_at, updated_at)
         VALUES ($1, $2, $3, '', $4, $5, $6, '', '', $7, $8, FALSE, FALSE, FALSE, $9, $10, $10) RETURNING id",
        tenant,
        &draft.owner,
        &draft.name,
        &draft.url,
        &draft.origin,
        draft.transport.as_str(),
        draft.auth_type.as_str(),
        draft.auth_scope.as_str(),
        prefix,
        now
    )?;
    // Secrets are bound to the row's number, which exists only now.
    store(tx, vault, (tenant, id), &draft, now).await?;
    Ok(id)
}

/// A connection that was switched off because what it holds is not for the server's new address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct LeftBehind {
    /// The connection.
    pub id: ConnectionId,
    /// Its tenant.
    pub tenant_id: TenantId,
}

/// Changes a server. A new origin deactivates every connection to it, in every tenant
/// (docs/inside/decisions.md#featured-servers), and an address outside of the resource that a grant was asked for
/// deactivates those that hold it (docs/inside/decisions.md#grants); those are returned.
///
/// # Errors
/// `Invalid` with every complaint.
pub async fn update(
    tx: &mut Tx,
    vault: &Vault,
    stored: &Server,
    (draft, mut errors): (Draft, FieldErrors),
    now: UnixMs,
) -> Result<Vec<LeftBehind>> {
    let (tenant, id) = (stored.tenant_id, stored.id);
    if let Some(prefix) = &draft.tool_prefix {
        check_prefix(tx, tenant, Some(id), prefix, &mut errors).await?;
    }
    if !errors.has("url") {
        let changes = (&draft.credentials, &draft.extra_headers);
        check_origin(stored, &draft.origin, changes, &mut errors);
    }
    if (&stored.url, stored.transport) != (&draft.url, draft.transport) {
        check_scheme(&draft.url, draft.transport, &mut errors);
    }
    errors.into_result()?;
    store(tx, vault, (tenant, id), &draft, now).await?;
    if stored.url == draft.url {
        return Ok(Vec::new());
    }
    leave_behind(tx, id, &draft, now).await
}

/// Has the servers of a tenant that sign in at one service sign in at another.
///
/// # Errors
/// If the database fails.
pub async fn replace_service(tx: &mut Tx, tenant: TenantId, (old, new): (i64, i64)) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE servers SET oauth_service_id = $3, version = version + 1 WHERE tenant_id = $1 AND oauth_service_id = $2",
        tenant,
        old,
        new
    )?;
    Ok(())
}

/// A connection in use and what its grant was asked for, if it holds one.
#[derive(FromRow)]
struct InUse {
    id: ConnectionId,
    tenant_id: TenantId,
    origin: String,
    resource: Option<String>,
}

async fn leave_behind(
    tx: &mut Tx,
    server: ServerId,
    draft: &Draft,
    now: UnixMs,
) -> Result<Vec<LeftBehind>> {
    let in_use = sql!(
        tx,
        fetch_all as InUse,
        "SELECT c.id, c.tenant_id, c.origin, g.resource
         FROM connections c LEFT JOIN connected_services g ON g.id = c.connected_service_id AND c.auth_type = 'oauth2'
         WHERE c.server_id = $1 AND c.is_active ORDER BY c.id",
        server
    )?;
    let is_for = |row: &InUse| {
        let resource = row.resource.as_deref().unwrap_or_default();
        row.origin == draft.origin
            && (resource.is_empty() || audience::contains(resource, &draft.url))
    };
    let mut left = Vec::new();
    for row in in_use.into_iter().filter(|row| !is_for(row)) {
        sql!(
            tx,
            execute,
            "UPDATE connections SET is_active = FALSE, off_by = $2, updated_at = $3 WHERE id = $1",
            row.id,
            OffBy::Address.as_str(),
            now
        )?;
        left.push(LeftBehind {
            id: row.id,
            tenant_id: row.tenant_id,
        });
    }
    Ok(left)
}

async fn store(
    tx: &mut Tx,
    vault: &Vault,
    (tenant, id): (TenantId, ServerId),
    draft: &Draft,
    now: UnixMs,
) -> Result<()> {
    let stored = super::get_visible(tx, tenant, id).await?;
    let name = Server::record_name(id);
    let record = Record {
        tenant,
        name: &name,
        origin: &draft.origin,
    };
    let credentials = record.seal(
        vault,
        CREDENTIALS,
        &draft.credentials,
        &stored.credentials_sealed,
    );
    let headers = record.seal(
        vault,
        EXTRA_HEADERS,
        &draft.extra_headers,
        &stored.extra_headers_sealed,
    );
    sql!(
        tx,
        execute,
        "UPDATE servers SET mentor_id = $2, owner = $3, name = $4, description = $5, url = $6, origin = $7,
             transport = $8, credentials_sealed = $9, extra_headers_sealed = $10, auth_type = $11,
             auth_scope = $12, is_featured = $13, is_enabled = $14, clean_output = $15,
             tool_prefix = COALESCE($16, tool_prefix), updated_at = $17, oauth_service_id = $18, version = version + 1
         WHERE id = $1",
        id,
        draft.mentor,
        &draft.owner,
        &draft.name,
        &draft.description,
        &draft.url,
        &draft.origin,
        draft.transport.as_str(),
        credentials,
        headers,
        draft.auth_type.as_str(),
        draft.auth_scope.as_str(),
        draft.is_featured,
        draft.is_enabled,
        draft.clean_output,
        draft.tool_prefix.as_deref(),
        now,
        draft.oauth_service
    )?;
    match &draft.image {
        None => Ok(()),
        Some(new) => image::replace(tx, id, new.as_ref()).await,
    }
}

/// Deletes a server and every connection to it.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, id: ServerId) -> Result<()> {
    sql!(tx, execute, "DELETE FROM servers WHERE id = $1", id)?;
    Ok(())
}
