//! Creating, changing and deleting connections.

use super::{Connection, ConnectionId, Draft};
use crate::auth::Caller;
use crate::clock::UnixMs;
use crate::error::{Error, FieldErrors, Result};
use crate::registry::sealed::{CREDENTIALS, EXTRA_HEADERS, Record};
use crate::registry::server::Server;
use crate::secret::Vault;
use crate::sql;
use crate::storage::Tx;
use crate::tenant::TenantId;
use crate::tenant::user::UserId;

/// Creates a connection in the caller's tenant. `errors` holds what was found already.
///
/// # Errors
/// `Invalid` with every complaint.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    caller: &Caller,
    (mut draft, mut errors): (Draft, FieldErrors),
    now: UnixMs,
) -> Result<ConnectionId> {
    draft.trim();
    draft.check(None, caller.user_id(), &mut errors);
    let server = complete(&draft, errors)?;
    let id = sql!(
        tx,
        scalar as ConnectionId,
        "INSERT INTO connections (tenant_id, server_id, scope, auth_type, origin, credentials_sealed,
             authorization_scheme, extra_headers_sealed, is_active, is_shared, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, '', '', '', FALSE, FALSE, $6, $6) RETURNING id",
        caller.tenant.id,
        server.id,
        draft.scope.as_str(),
        draft.auth_type.as_str(),
        &server.origin,
        now
    )?;
    // Secrets are bound to the row's number, which exists only now.
    let stored = get(tx, id).await?;
    store(tx, vault, &stored, (&draft, &server.origin), now).await?;
    Ok(id)
}

/// Changes a connection; the merged row is held to the rules of a new one.
///
/// # Errors
/// `Invalid` with every complaint.
pub async fn update(
    tx: &mut Tx,
    vault: &Vault,
    caller: &Caller,
    (stored, mut draft, mut errors): (&Connection, Draft, FieldErrors),
    now: UnixMs,
) -> Result<()> {
    draft.trim();
    draft.check(Some(stored), caller.user_id(), &mut errors);
    let server = complete(&draft, errors)?;
    let keeps_origin = !(draft.is_active || draft.enters_something());
    let origin = if keeps_origin {
        &stored.origin
    } else {
        &server.origin
    };
    store(tx, vault, stored, (&draft, origin), now).await
}

fn complete(draft: &Draft, errors: FieldErrors) -> Result<&Server> {
    errors.into_result()?;
    let server = draft.server.as_ref();
    server.ok_or_else(|| Error::internal("a connection without a server had no complaint"))
}

async fn get(tx: &mut Tx, id: ConnectionId) -> Result<Connection> {
    Ok(sql!(
        tx,
        fetch_one as Connection,
        "SELECT * FROM connections WHERE id = $1",
        id
    )?)
}

async fn store(
    tx: &mut Tx,
    vault: &Vault,
    stored: &Connection,
    (draft, origin): (&Draft, &str),
    now: UnixMs,
) -> Result<()> {
    let name = Connection::record_name(stored.id);
    let record = Record {
        tenant: stored.tenant_id,
        name: &name,
        origin,
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
        "UPDATE connections SET server_id = $2, scope = $3, auth_type = $4, user_id = $5, mentor_id = $6,
             connected_service_id = $7, origin = $8, credentials_sealed = $9, authorization_scheme = $10,
             extra_headers_sealed = $11, is_active = $12, is_shared = $13, updated_at = $14
         WHERE id = $1",
        stored.id,
        draft.server.as_ref().map_or(stored.server_id, |server| server.id),
        draft.scope.as_str(),
        draft.auth_type.as_str(),
        draft.person(),
        draft.mentor,
        draft.grant.as_ref().map(|grant| grant.id),
        origin,
        credentials,
        &draft.authorization_scheme,
        headers,
        draft.is_active,
        draft.is_shared,
        now
    )?;
    Ok(())
}

/// Gives a server a connection of a person's own that travels with their grant: the newest one that they have, or a
/// new one.
///
/// # Errors
/// If the database fails.
pub async fn bind_grant(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: &Server,
    connected_service: i64,
    now: UnixMs,
) -> Result<ConnectionId> {
    let bound = sql!(
        tx,
        scalar_optional as ConnectionId,
        "UPDATE connections SET connected_service_id = $4, origin = $5, is_active = TRUE, updated_at = $6
         WHERE id = (SELECT MAX(id) FROM connections WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3
                       AND scope = 'user' AND auth_type = 'oauth2' AND extra_headers_sealed = '')
         RETURNING id",
        tenant,
        user,
        server.id,
        connected_service,
        &server.origin,
        now
    )?;
    if let Some(id) = bound {
        return Ok(id);
    }
    Ok(sql!(
        tx,
        scalar as ConnectionId,
        "INSERT INTO connections (tenant_id, server_id, scope, auth_type, user_id, connected_service_id, origin,
             credentials_sealed, authorization_scheme, extra_headers_sealed, is_active, is_shared, created_at, updated_at)
         VALUES ($1, $2, 'user', 'oauth2', $3, $4, $5, '', '', '', TRUE, FALSE, $6, $6) RETURNING id",
        tenant,
        server.id,
        user,
        connected_service,
        &server.origin,
        now
    )?)
}

/// Deletes a connection.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, id: ConnectionId) -> Result<()> {
    sql!(tx, execute, "DELETE FROM connections WHERE id = $1", id)?;
    Ok(())
}
