//! How many audit rows a filter leaves. Where there are very many, all but the newest are counted once in a while, and the
//! newest every time: a log only grows at its end.

use std::time::Duration;

use super::{Filter, conditions};
use crate::tenant::TenantId;
use base::cache::Cached;
use base::clock::Clock;
use base::error::Result;
use base::sql;
use base::storage::Tx;

/// The newest rows of a tenant, which are counted every time: the outcome of a row may still change, and PostgreSQL may
/// commit a row after one with a higher number. A tenant with fewer rows has nothing but these.
const COUNTED_ALWAYS_ROWS: i64 = 10_000;
/// How long the count of all older rows is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Counts remembered at once.
const COUNTS_MAX: u64 = 1_000;

/// A tenant's oldest row, with which the old count goes when the row does, and the filter.
type Key = (TenantId, Option<i64>, Filter);

/// The counts that are believed.
#[derive(Debug, Clone)]
pub struct Counts(Cached<Key, Old>);

/// The rows that are not counted every time.
#[derive(Debug, Clone, Copy)]
struct Old {
    /// The number of the newest of them.
    up_to: i64,
    /// How many of them the filter leaves.
    rows: i64,
}

impl Counts {
    /// Nothing is counted yet.
    pub fn new(clock: &Clock) -> Self {
        Self(Cached::new(COUNTS_MAX, BELIEVED_FOR, clock.clone()))
    }

    pub(super) async fn of(&self, tx: &mut Tx, tenant: TenantId, filter: &Filter) -> Result<i64> {
        let oldest = sql!(
            tx,
            scalar_optional as i64,
            "SELECT id FROM audit WHERE tenant_id = $1 ORDER BY id LIMIT 1",
            tenant
        )?;
        let key = (tenant, oldest, filter.clone());
        let old = self.0.get(&key, || count_old(tx, tenant, filter)).await?;
        let mut newest = conditions(tenant, filter);
        newest.and("id > ?", old.up_to);
        Ok(old.rows + newest.count(tx, COUNT).await?)
    }
}

const COUNT: &str = "SELECT COUNT(*) FROM audit WHERE {all}";

async fn count_old(tx: &mut Tx, tenant: TenantId, filter: &Filter) -> Result<Old> {
    let up_to = sql!(
        tx,
        scalar_optional as i64,
        "SELECT id FROM audit WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
        tenant,
        COUNTED_ALWAYS_ROWS
    )?;
    let Some(up_to) = up_to else {
        return Ok(Old { up_to: 0, rows: 0 });
    };
    let mut older = conditions(tenant, filter);
    older.and("id <= ?", up_to);
    let rows = older.count(tx, COUNT).await?;
    Ok(Old { up_to, rows })
}
