//! The row of something that goes through several transactions: written with the first of them, and completed with
//! its outcome. Never leaves what was cut off looking as if it had succeeded.

use super::{Entry, cut};
use base::error::Result;
use base::sql;
use base::storage::Tx;

/// The outcome of what has not come to its end, because it goes on or was cut off.
pub const BEGUN: &str = "begun";

/// The number of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowId(i64);

/// Writes an entry in the first of the transactions that it is about, as [`BEGUN`].
///
/// # Errors
/// If the database fails; then the change must not be committed either.
pub async fn begin(tx: &mut Tx, entry: &Entry) -> Result<RowId> {
    let id = sql!(
        tx,
        scalar as i64,
        "INSERT INTO audit (at, tenant_id, username, actor, token_id, action, object, mentor, server_id, tool,
                            step, outcome, duration_us, request_id, detail, peer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $15) RETURNING id",
        entry.at,
        entry.tenant_id,
        cut(&entry.username),
        cut(&entry.actor),
        entry.token_id,
        cut(&entry.action),
        cut(&entry.object),
        cut(&entry.mentor),
        entry.server_id,
        cut(&entry.tool),
        cut(&entry.step),
        BEGUN,
        cut(&entry.request_id),
        cut(&entry.detail),
        cut(&entry.peer)
    )?;
    Ok(RowId(id))
}

/// Completes the row with the outcome that the entry says.
///
/// # Errors
/// If the database fails; then the row says that it never ended.
pub async fn end(tx: &mut Tx, row: RowId, entry: &Entry) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE audit SET outcome = $2, duration_us = $3 WHERE id = $1",
        row.0,
        entry.outcome,
        entry.duration_us
    )?;
    Ok(())
}
