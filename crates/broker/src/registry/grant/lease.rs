//! The row of a grant while it is refreshed: taken by one process, written by compare-and-set
//! (docs/inside/decisions.md#keeping-grants-fresh). No [`base::queue`]: a grant is never done, its lease is extended while
//! the attempt lasts, and newer tokens win over any outcome.

use super::{ACCESS_TOKEN, Grant, GrantId, REFRESH_TOKEN, record};
use crate::registry::sealed::Change;
use base::clock::UnixMs;
use base::error::Result;
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;

/// A grant as it was read, and who takes it to refresh it.
#[derive(Debug, Clone, Copy)]
pub struct Leased<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// Who has it.
    pub holder: &'a str,
}

/// Takes a grant until then, if it is still the one that was read and nobody else has it.
///
/// # Errors
/// If the database fails.
pub async fn take(
    tx: &mut Tx,
    Leased { grant, holder }: Leased<'_>,
    until: UnixMs,
    now: UnixMs,
) -> Result<bool> {
    let taken = sql!(
        tx,
        execute,
        "UPDATE connected_services SET lease_holder = $3, lease_until = $4
         WHERE id = $1 AND version = $2 AND lease_until <= $5 AND needs_reauth IS NULL",
        grant.id,
        grant.version,
        holder,
        until,
        now
    )?;
    Ok(taken == 1)
}

/// Shows that the holder of the lease is alive.
///
/// # Errors
/// If the database fails.
pub async fn extend(
    tx: &mut Tx,
    Leased { grant, holder }: Leased<'_>,
    until: UnixMs,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET lease_until = $3 WHERE id = $1 AND lease_holder = $2",
        grant.id,
        holder,
        until
    )?;
    Ok(())
}

/// What refreshing a grant brought.
#[derive(Debug)]
pub struct NewTokens<'a> {
    /// The access token.
    pub access_token: &'a Secret,
    /// A new refresh token; without one the old one stays.
    pub refresh_token: Option<&'a Secret>,
    /// When the access token ends.
    pub expires_at: Option<UnixMs>,
    /// The scopes, if the provider says them.
    pub scope: Option<&'a str>,
    /// Where it came from, and is refreshed the next time.
    pub token_url: &'a str,
}

/// Stores new tokens, unless others were stored since, or the grant is gone. Whoever holds the lease by now, and a verdict
/// that the old refresh token is refused, do not count against tokens that are newer.
///
/// # Errors
/// If the database fails.
pub async fn store_tokens(
    tx: &mut Tx,
    vault: &Vault,
    grant: &Grant,
    tokens: &NewTokens<'_>,
    now: UnixMs,
) -> Result<bool> {
    let name = Grant::record_name(grant.id);
    let record = record(grant.tenant_id, &name);
    let access = Change::Set(tokens.access_token.clone());
    let refresh = tokens.refresh_token.cloned();
    let refresh = refresh.map_or(Change::Keep, Change::Set);
    let stored = sql!(
        tx,
        execute,
        "UPDATE connected_services SET access_token_sealed = $3, refresh_token_sealed = $4, token_url = $5,
             expires_at = $6, scope = COALESCE($7, scope), needs_reauth = NULL, version = version + 1,
             retry_at = 0, refresh_failures = 0, refresh_failure = '', lease_holder = '', lease_until = 0,
             updated_at = $8
         WHERE id = $1 AND version = $2",
        grant.id,
        grant.version,
        record.seal(vault, ACCESS_TOKEN, &access, ""),
        record.seal(vault, REFRESH_TOKEN, &refresh, &grant.refresh_token_sealed),
        tokens.token_url,
        tokens.expires_at,
        tokens.scope,
        now
    )?;
    Ok(stored == 1)
}

/// Gives a grant back with the word for what went wrong, to be tried again at a time.
///
/// # Errors
/// If the database fails.
pub async fn fail(
    tx: &mut Tx,
    Leased { grant, holder }: Leased<'_>,
    failure: &str,
    retry_at: UnixMs,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET retry_at = $3, refresh_failure = $4,
             refresh_failures = CASE WHEN refresh_failure = $4 THEN refresh_failures + 1 ELSE 1 END,
             lease_holder = '', lease_until = 0
         WHERE id = $1 AND lease_holder = $2",
        grant.id,
        holder,
        retry_at,
        failure
    )?;
    Ok(())
}

/// Says why the person must sign in again, unless newer tokens came or somebody else tries now. Returns whether it was said.
///
/// # Errors
/// If the database fails.
pub async fn end(tx: &mut Tx, Leased { grant, holder }: Leased<'_>, reason: &str) -> Result<bool> {
    let marked = sql!(
        tx,
        execute,
        "UPDATE connected_services SET needs_reauth = $4, lease_holder = '', lease_until = 0
         WHERE id = $1 AND version = $2 AND lease_holder = $3",
        grant.id,
        grant.version,
        holder,
        reason
    )?;
    Ok(marked == 1)
}

/// Lets grants be refreshed again that ended for this reason at a provider: a tenant's, or where it serves all, those of
/// every tenant.
///
/// # Errors
/// If the database fails.
pub async fn retry_refused(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    provider: &str,
    reason: &str,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET needs_reauth = NULL, retry_at = 0, refresh_failures = 0, refresh_failure = ''
         WHERE needs_reauth = $3 AND ($1 IS NULL OR tenant_id = $1) AND (provider = $2 OR issuer IN (
             SELECT issuer FROM oauth_providers WHERE name = $2 AND tenant_id IS NULL AND issuer <> ''))",
        tenant,
        provider,
        reason
    )?;
    Ok(())
}

/// Which grants [`due`] names.
#[derive(Debug)]
pub struct Due {
    /// Now: nobody else has them, and no pause lasts.
    pub now: UnixMs,
    /// Their token ends before that,
    pub horizon: UnixMs,
    /// and they were used after that,
    pub used_after: UnixMs,
    /// or it ended before that.
    pub ended_before: UnixMs,
    /// So many at most.
    pub rows_max: i64,
}

/// Grants to refresh ahead of their end: those used lately, and, so that the provider does not forget them, those
/// whose token ended long ago.
///
/// # Errors
/// If the database fails.
pub async fn due(tx: &mut Tx, due: &Due) -> Result<Vec<GrantId>> {
    let due = sql!(
        tx,
        fetch_all as (GrantId,),
        "SELECT id FROM connected_services
         WHERE expires_at <= $1 AND needs_reauth IS NULL AND refresh_token_sealed <> '' AND token_url <> ''
           AND retry_at <= $2 AND lease_until <= $2
           AND (COALESCE(last_used_at, created_at) > $3 OR expires_at <= $4)
         ORDER BY expires_at LIMIT $5",
        due.horizon,
        due.now,
        due.used_after,
        due.ended_before,
        due.rows_max
    )?;
    Ok(due.into_iter().map(|(id,)| id).collect())
}
