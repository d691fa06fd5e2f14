//! Tenants, their users and their mentors. Knows nothing of credentials or tools.

pub mod mentor;
pub mod user;

use sqlx::FromRow;

use base::clock::UnixMs;
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;

/// The number of a tenant (`platform` on the wire).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct TenantId(pub i64);

/// An organisation with its own people, mentors, servers and connections.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Tenant {
    /// Its number.
    pub id: TenantId,
    /// Its key, as it stands in paths (`platform_key` on the wire).
    pub key: String,
    /// Its display name.
    pub name: String,
}

/// Longest key of a tenant, in characters.
pub(crate) const KEY_CHARACTERS_MAX: usize = 64;

/// Creates a tenant.
///
/// # Errors
/// `Invalid` if the key is not 1 to 64 of `a-z 0-9 - _`; `Conflict` if it is taken.
pub async fn create(tx: &mut Tx, key: &str, name: &str, now: UnixMs) -> Result<Tenant> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if key.is_empty() || key.len() > KEY_CHARACTERS_MAX || !key.chars().all(allowed) {
        return Err(Error::field(
            "key",
            "A tenant's key is 1 to 64 characters of a-z, 0-9, - and _.",
        ));
    }
    let created = sql!(
        tx,
        fetch_one as Tenant,
        "INSERT INTO tenants (key, name, created_at) VALUES ($1, $2, $3) RETURNING id, key, name",
        key,
        name,
        now
    );
    match created {
        Err(e) if e.is_unique_violation() => {
            Err(Error::Conflict(format!("tenant {key:?} exists already")))
        }
        other => Ok(other?),
    }
}

/// The tenant with this key, made if there is none. Several processes may ask at once, as replicas do that start together.
///
/// # Errors
/// If the database fails.
pub async fn ensure(tx: &mut Tx, key: &str, name: &str, now: UnixMs) -> Result<Tenant> {
    sql!(
        tx,
        execute,
        "INSERT INTO tenants (key, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
        key,
        name,
        now
    )?;
    get(tx, key).await
}

/// The tenant with this key, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<Tenant>> {
    Ok(sql!(
        tx,
        fetch_optional as Tenant,
        "SELECT id, key, name FROM tenants WHERE key = $1",
        key
    )?)
}

/// The tenant with this key.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, key: &str) -> Result<Tenant> {
    find(tx, key).await?.ok_or(Error::NotFound("tenant"))
}

/// The tenant with this number.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_by_id(tx: &mut Tx, id: TenantId) -> Result<Tenant> {
    sql!(
        tx,
        fetch_optional as Tenant,
        "SELECT id, key, name FROM tenants WHERE id = $1",
        id
    )?
    .ok_or(Error::NotFound("tenant"))
}

/// Queues the writers of one tenant until this transaction ends, so that a rule that reads before it
/// writes (a free name, a merged row) holds on PostgreSQL too. SQLite has one writer anyway.
///
/// # Errors
/// If the database fails.
pub async fn hold(tx: &mut Tx, id: TenantId) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE tenants SET key = key WHERE id = $1",
        id
    )?;
    Ok(())
}

/// Every tenant, by key. For the operator's command line.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx) -> Result<Vec<Tenant>> {
    Ok(sql!(
        tx,
        fetch_all as Tenant,
        "SELECT id, key, name FROM tenants ORDER BY key"
    )?)
}
