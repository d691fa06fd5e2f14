//! The contents of files: noted, put into their place, and only then given to a file; removed when no file has them.
//! Opens no transaction, so that none is open while the store is waited for.

use bytes::Bytes;
use sqlx::FromRow;

use crate::files::{Files, digest};
use base::clock::{UnixMs, random_hex};
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;

/// How long a content waits for a file to have it, in ms.
pub(crate) const UNUSED_MS: i64 = 24 * 60 * 60 * 1000;
/// Contents that are removed in one go.
pub const BATCH_CONTENTS: i64 = 100;
/// Random bytes in the name of a place.
const PLACE_BYTES: usize = 8;

/// A content that has its place.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Content {
    /// Its number.
    pub id: i64,
    /// Where it lies.
    pub place: String,
}

/// Notes that a tenant brings a content, which gets the place that it has already if it is known.
///
/// # Errors
/// If the database fails.
pub async fn note(tx: &mut Tx, tenant: TenantId, content: &Bytes, now: UnixMs) -> Result<Content> {
    let digest = digest(content);
    // Tenants are apart: who brings a file learns nothing of who has it already.
    let place = format!("{}/{digest}-{}", tenant.0, random_hex::<PLACE_BYTES>());
    Ok(sql!(
        tx,
        fetch_one as Content,
        "INSERT INTO career_contents (tenant_id, digest, place, used_at, is_leaving) VALUES ($1, $2, $3, $4, FALSE)
         ON CONFLICT (tenant_id, digest) WHERE NOT is_leaving DO UPDATE SET used_at = excluded.used_at
         RETURNING id, place",
        tenant,
        digest,
        place,
        now
    )?)
}

/// Puts a content into its place. What lies there already is the same.
///
/// # Errors
/// `Unavailable` if it cannot be written now.
pub async fn put(files: &Files, noted: &Content, content: Bytes) -> Result<()> {
    files.put(&noted.place, content).await
}

/// What lies in a place.
///
/// # Errors
/// `NotFound` if nothing does, `Unavailable` if nobody can tell now.
pub async fn read(files: &Files, place: &str) -> Result<Bytes> {
    files.get(place).await
}

/// Takes a content for a file that is about to have it.
///
/// # Errors
/// `Conflict` if it waited too long and is being removed.
pub async fn take(tx: &mut Tx, id: i64, now: UnixMs) -> Result<()> {
    let taken = sql!(
        tx,
        execute,
        "UPDATE career_contents SET used_at = $2 WHERE id = $1 AND NOT is_leaving",
        id,
        now
    )?;
    match taken {
        0 => Err(Error::Conflict(
            "the upload took too long; bring the file again".into(),
        )),
        _ => Ok(()),
    }
}

/// Marks contents that no file has any more, so that none can have them again. Those that were marked before and are
/// still there come again: whoever marked them may be gone.
///
/// # Errors
/// If the database fails.
pub async fn mark_unused(tx: &mut Tx, now: UnixMs) -> Result<Vec<Content>> {
    let before = UnixMs(now.0 - UNUSED_MS);
    // The age is asked about twice: the second time once whoever takes the content at this moment is through.
    Ok(sql!(
        tx,
        fetch_all as Content,
        "UPDATE career_contents SET is_leaving = TRUE
         WHERE used_at < $1 AND id IN (
             SELECT c.id FROM career_contents c LEFT JOIN career_files f ON f.content_id = c.id
             WHERE c.used_at < $1 AND f.id IS NULL ORDER BY c.id LIMIT $2
         )
         RETURNING id, place",
        before,
        BATCH_CONTENTS
    )?)
}

/// Removes a content from its place. One that is gone is removed already.
///
/// # Errors
/// `Unavailable` if it cannot be removed now.
pub async fn remove(files: &Files, marked: &Content) -> Result<()> {
    files.delete(&marked.place).await
}

/// Forgets contents that were removed from their places.
///
/// # Errors
/// If the database fails.
pub async fn forget(tx: &mut Tx, removed: &[Content]) -> Result<()> {
    for content in removed {
        sql!(
            tx,
            execute,
            "DELETE FROM career_contents WHERE id = $1 AND is_leaving",
            content.id
        )?;
    }
    Ok(())
}
