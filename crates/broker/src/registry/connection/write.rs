//! Creating, changing and deleting connections.

use super::rights::require_delete;
use super::rules::Draft;
use super::{Connection, ConnectionId, OffBy, Plan};
use crate::registry::AuthType;
use crate::registry::grant::{self, Grant, GrantId};
use crate::registry::sealed::{CREDENTIALS, Change, EXTRA_HEADERS, Record};
use crate::registry::server::{Server, ServerId};
use base::clock::UnixMs;
use base::error::{Error, FieldErrors, Result};
use base::secret::Vault;
use base::sql;
use base::storage::Tx;
use tenancy::auth::Caller;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// Creates a connection in the caller's tenant.
///
/// # Errors
/// `Invalid` with every complaint.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    caller: &Caller,
    plan: Plan,
    now: UnixMs,
) -> Result<ConnectionId> {
    let Plan {
        mut draft,
        mut errors,
    } = plan;
    draft.trim();
    draft.check(None, caller.user_id(), &mut errors);
    check_scheme(vault, None, &draft, &mut errors);
    check_switch(tx, caller, None, &draft, &mut errors).await?;
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
    note_switch(tx, caller, (id, draft.is_active)).await?;
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
    (stored, plan): (&Connection, Plan),
    now: UnixMs,
) -> Result<()> {
    let Plan {
        mut draft,
        mut errors,
    } = plan;
    draft.trim();
    draft.check(Some(stored), caller.user_id(), &mut errors);
    if draft.only_switches_off(stored) {
        errors.into_result()?;
        return switch_off(tx, caller, stored, now).await;
    }
    check_scheme(vault, Some(stored), &draft, &mut errors);
    check_switch(tx, caller, Some(stored), &draft, &mut errors).await?;
    let server = complete(&draft, errors)?;
    let keeps_origin = !(draft.is_active || draft.enters_something());
    let origin = if keeps_origin {
        &stored.origin
    } else {
        &server.origin
    };
    store(tx, vault, stored, (&draft, origin), now).await?;
    if stored.is_active != draft.is_active {
        note_switch(tx, caller, (stored.id, draft.is_active)).await?;
    }
    Ok(())
}

/// Complains about a token that brings along the word which is written before it.
fn check_scheme(
    vault: &Vault,
    stored: Option<&Connection>,
    draft: &Draft,
    errors: &mut FieldErrors,
) {
    if draft.auth_type != AuthType::Token || errors.has(CREDENTIALS) {
        return;
    }
    let scheme = &draft.authorization_scheme;
    let name = stored.map(|row| Connection::record_name(row.id));
    let brings = match (&draft.credentials, stored, &name) {
        (Change::Keep, Some(row), Some(name)) => {
            let record = Record {
                tenant: row.tenant_id,
                name,
                origin: &row.origin,
            };
            record.begins_with_scheme(vault, &row.credentials_sealed, scheme)
        }
        (change, _, _) => change.begins_with_scheme(scheme),
    };
    if brings {
        let message =
            format!("Enter the credential without \"{scheme}\": the scheme is written before it.");
        errors.add(CREDENTIALS, message);
    }
}

/// Complains if somebody who administers nothing switches on what an administrator switched off, or goes around it.
async fn check_switch(
    tx: &mut Tx,
    caller: &Caller,
    stored: Option<&Connection>,
    draft: &Draft,
    errors: &mut FieldErrors,
) -> Result<()> {
    let (Some(person), Some(server)) = (draft.person(), &draft.server) else {
        return Ok(());
    };
    let is_switched_on = draft.is_active && stored.is_none_or(|row| !row.is_active);
    if is_switched_on
        && !caller.is_admin()
        && is_switched_off(tx, (caller.tenant.id, person), server.id).await?
    {
        let message = "An administrator switched your connection to this server off.";
        errors.add("is_active", message);
    }
    Ok(())
}

/// Whether a person's own connection to a server is one that an administrator switched off, and they have no other.
async fn is_switched_off(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: ServerId,
) -> Result<bool> {
    let off = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM connections
         WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3 AND scope = 'user' AND NOT is_active
           AND off_by NOT IN ($4, $5)
           AND NOT EXISTS (SELECT 1 FROM connections WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3
                           AND scope = 'user' AND is_active)",
        tenant,
        user,
        server,
        OffBy::Person.as_str(),
        OffBy::Address.as_str()
    )?;
    Ok(off > 0)
}

/// Switches a connection off. What an administrator switched off stays theirs.
async fn switch_off(tx: &mut Tx, caller: &Caller, stored: &Connection, now: UnixMs) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE connections SET is_active = FALSE, updated_at = $2 WHERE id = $1",
        stored.id,
        now
    )?;
    if stored.is_active || caller.is_admin() {
        note_switch(tx, caller, (stored.id, false)).await?;
    }
    Ok(())
}

/// Notes who switched a connection off, or that it is on.
async fn note_switch(
    tx: &mut Tx,
    caller: &Caller,
    (id, is_active): (ConnectionId, bool),
) -> Result<()> {
    let off_by = match (is_active, caller.is_admin()) {
        (true, _) => "",
        (false, true) => OffBy::Admin.as_str(),
        (false, false) => OffBy::Person.as_str(),
    };
    sql!(
        tx,
        execute,
        "UPDATE connections SET off_by = $2 WHERE id = $1",
        id,
        off_by
    )?;
    Ok(())
}

/// The connections that a new one stands before: of the newest first, so older ones of the same scope and the same
/// person or mentor wait behind it.
///
/// # Errors
/// If the database fails.
pub async fn shadowed(tx: &mut Tx, row: &Connection) -> Result<Vec<ConnectionId>> {
    if !row.is_active {
        return Ok(Vec::new());
    }
    let ids = sql!(
        tx,
        fetch_all as (ConnectionId,),
        "SELECT id FROM connections
         WHERE server_id = $1 AND tenant_id = $2 AND scope = $3 AND id < $4 AND is_active
           AND COALESCE(user_id, 0) = COALESCE($5, 0) AND COALESCE(mentor_id, 0) = COALESCE($6, 0)
         ORDER BY id DESC",
        row.server_id,
        row.tenant_id,
        row.scope.as_str(),
        row.id,
        row.user_id,
        row.mentor_id
    )?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
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

/// Gives a server a connection of a person's own that travels with their grant: the newest one that they have and may
/// use, or a new one. What an administrator switched off stays off, and nothing new goes around it. `None` for a grant
/// that is not theirs or not for this server: it takes no good one's place.
///
/// # Errors
/// If the database fails.
pub async fn bind_grant(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: &Server,
    id: GrantId,
    now: UnixMs,
) -> Result<Option<ConnectionId>> {
    let grant = grant::find(tx, tenant, id).await?;
    let is_for = |grant: &Grant| grant.user_id == user && grant.audience().misfit(server).is_none();
    if !grant.as_ref().is_some_and(is_for) {
        return Ok(None);
    }
    let is_off = is_switched_off(tx, (tenant, user), server.id).await?;
    let bound = sql!(
        tx,
        scalar_optional as ConnectionId,
        "UPDATE connections SET connected_service_id = $4, origin = $5, updated_at = $6,
             is_active = CASE WHEN $7 THEN is_active ELSE TRUE END, off_by = CASE WHEN $7 THEN off_by ELSE '' END
         WHERE id = (SELECT id FROM connections WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3
                       AND scope = 'user' AND auth_type = 'oauth2' AND extra_headers_sealed = ''
                       AND (is_active OR off_by IN ($8, $9) OR $7)
                     ORDER BY is_active DESC, id DESC LIMIT 1)
         RETURNING id",
        tenant,
        user,
        server.id,
        id,
        &server.origin,
        now,
        is_off,
        OffBy::Person.as_str(),
        OffBy::Address.as_str()
    )?;
    if bound.is_some() {
        return Ok(bound);
    }
    let off_by = if is_off { OffBy::Admin.as_str() } else { "" };
    let made = sql!(
        tx,
        scalar as ConnectionId,
        "INSERT INTO connections (tenant_id, server_id, scope, auth_type, user_id, connected_service_id, origin,
             credentials_sealed, authorization_scheme, extra_headers_sealed, is_active, is_shared, off_by, created_at,
             updated_at)
         VALUES ($1, $2, 'user', 'oauth2', $3, $4, $5, '', '', '', $7, FALSE, $8, $6, $6) RETURNING id",
        tenant,
        server.id,
        user,
        id,
        &server.origin,
        now,
        !is_off,
        off_by
    )?;
    Ok(Some(made))
}

/// Deletes a connection.
///
/// # Errors
/// `Forbidden` if the caller may not.
pub async fn delete(tx: &mut Tx, caller: &Caller, stored: &Connection) -> Result<()> {
    require_delete(caller, stored)?;
    let id = stored.id;
    sql!(tx, execute, "DELETE FROM connections WHERE id = $1", id)?;
    Ok(())
}
