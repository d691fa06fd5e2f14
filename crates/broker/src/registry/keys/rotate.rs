//! Walking over every stored secret: to see that each opens, and to seal each anew with the key that seals now.
//! Never holds a transaction for longer than one batch, so that a running service waits for milliseconds.

use sqlx::{ColumnIndex, Decode, FromRow, Type};

use super::{length, prefix};
use crate::registry::sealed::{Record, SealedTable};
use base::secret::{Vault, VaultError};
use base::storage::query::{self, Value};
use base::storage::{Db, StorageError, Tx};
use tenancy::tenant::TenantId;

/// Records in one batch, which is one transaction.
const BATCH_ROWS: i64 = 200;
/// Passes over the tables at most; the second one finds nothing unless somebody writes at the same time.
const PASSES_MAX: usize = 10;
/// Records named at most when they do not open.
const NAMED_MAX: usize = 20;

/// A record with its sealed columns, in the order in which its table declares them.
#[derive(Debug)]
struct Row {
    id: i64,
    tenant: TenantId,
    origin: String,
    sealed: Vec<String>,
}

impl<'r, R> FromRow<'r, R> for Row
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let sealed = (3..row.len()).map(|at| row.try_get(at));
        Ok(Self {
            id: row.try_get(0)?,
            tenant: TenantId(row.try_get(1)?),
            origin: row.try_get(2)?,
            sealed: sealed.collect::<Result<_, _>>()?,
        })
    }
}

/// How far sealing anew has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records done.
    pub records: u64,
}

/// Secrets that do not open with the configured keys.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// These do not; nothing was written.
    #[error("{} stored secrets do not open: {}", .count, .named.join(", "))]
    Records {
        /// How many.
        count: usize,
        /// The first of them: record, column and why.
        named: Vec<String>,
    },
    /// One that opened a moment ago does not any more.
    #[error("{record} does not open")]
    Changed {
        /// Which.
        record: String,
        /// Why.
        #[source]
        source: VaultError,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Opens every stored secret and writes nothing.
///
/// # Errors
/// `Records` with those that do not open.
pub async fn verify(db: &Db, vault: &Vault, tables: &[SealedTable]) -> Result<(), Unopened> {
    let (mut count, mut named) = (0, Vec::new());
    for table in tables {
        let mut after = 0;
        loop {
            let mut tx = db.read().await?;
            let rows = rows(&mut tx, table, after, "").await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in &rows {
                let name = table.record_name(row.id);
                for ((_, field), sealed) in table.columns.iter().zip(&row.sealed) {
                    if let Err(error) = row.record(&name).open(vault, field, sealed) {
                        count += 1;
                        if named.len() < NAMED_MAX {
                            named.push(format!("{name} {field} ({error})"));
                        }
                    }
                }
            }
        }
    }
    if count == 0 {
        Ok(())
    } else {
        Err(Unopened::Records { count, named })
    }
}

/// Seals whatever another key sealed with the one that seals now, batch by batch, until nothing is left. What is
/// changed meanwhile by somebody else stays as they left it. Killed at any moment, it goes on where it was.
///
/// # Errors
/// `Changed` if a secret does not open; the batches before it are done.
pub async fn seal_anew(
    db: &Db,
    vault: &Vault,
    tables: &[SealedTable],
    mut report: impl FnMut(Progress),
) -> Result<Progress, Unopened> {
    let mut progress = Progress::default();
    // What was written under the old key while we went over the tables is found by going over them again.
    for _ in 0..PASSES_MAX {
        let mut is_done = true;
        for table in tables {
            let mut after = 0;
            while let Some(last) = batch(db, vault, table, after, &mut progress).await? {
                (after, is_done) = (last, false);
                report(progress);
            }
        }
        if is_done {
            break;
        }
    }
    Ok(progress)
}

/// Seals one batch of records beyond `after` anew, and returns the last one's number.
async fn batch(
    db: &Db,
    vault: &Vault,
    table: &SealedTable,
    after: i64,
    progress: &mut Progress,
) -> Result<Option<i64>, Unopened> {
    let active = vault.key_ids().swap_remove(0);
    let mut tx = db.write().await?;
    let rows = rows(&mut tx, table, after, &prefix(&active)).await?;
    for row in &rows {
        let resealed = row.resealed(table, vault)?;
        progress.records += store(&mut tx, table, row, resealed).await?;
    }
    tx.commit().await?;
    Ok(rows.last().map(|row| row.id))
}

impl Row {
    fn resealed(&self, table: &SealedTable, vault: &Vault) -> Result<Vec<String>, Unopened> {
        let name = table.record_name(self.id);
        let columns = table.columns.iter().zip(&self.sealed);
        let resealed = columns.map(|((_, field), sealed)| {
            let resealed = self.record(&name).reseal(vault, field, sealed);
            resealed.map_err(|source| Unopened::Changed {
                record: format!("{name} {field}"),
                source,
            })
        });
        resealed.collect()
    }

    fn record<'a>(&'a self, name: &'a str) -> Record<'a> {
        Record {
            tenant: self.tenant,
            name,
            origin: &self.origin,
        }
    }
}

/// The next batch with a secret that does not begin with `sealed_by`.
async fn rows(
    tx: &mut Tx,
    table: &SealedTable,
    after: i64,
    sealed_by: &str,
) -> Result<Vec<Row>, StorageError> {
    let length = length(sealed_by);
    // An empty prefix would be equal to every beginning of length 0.
    let sealed_by = if sealed_by.is_empty() { "-" } else { sealed_by };
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let of_another = names
        .iter()
        .map(|name| format!("({name} <> '' AND substr({name}, 1, CAST($3 AS INTEGER)) <> $2)"));
    let text = format!(
        "SELECT id, tenant_id, {} AS origin, {} FROM {} WHERE id > $1 AND ({}) ORDER BY id LIMIT $4",
        if table.has_origin { "origin" } else { "''" },
        names.join(", "),
        table.table,
        of_another.collect::<Vec<_>>().join(" OR "),
    );
    let values = [after.into(), sealed_by.into(), length, BATCH_ROWS.into()];
    query::fetch_all(tx, text, &values).await
}

/// Writes every column, unless somebody changed one of them since they were read. Returns how many records were written.
async fn store(
    tx: &mut Tx,
    table: &SealedTable,
    row: &Row,
    resealed: Vec<String>,
) -> Result<u64, StorageError> {
    let mut values = vec![Value::from(row.id)];
    let mut bind = |name: &str, value: Value| {
        values.push(value);
        format!("{name} = ${}", values.len())
    };
    let (mut new, mut old) = (Vec::new(), Vec::new());
    for ((name, _), (sealed, resealed)) in table.columns.iter().zip(row.sealed.iter().zip(resealed))
    {
        new.push(bind(name, resealed.into()));
        old.push(bind(name, sealed.as_str().into()));
    }
    if table.has_origin {
        old.push(bind("origin", row.origin.as_str().into()));
    }
    let text = format!(
        "UPDATE {} SET {} WHERE id = $1 AND {}",
        table.table,
        new.join(", "),
        old.join(" AND "),
    );
    query::execute(tx, text, &values).await
}
