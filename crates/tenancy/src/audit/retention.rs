//! Deleting audit rows that are past their time, a batch at a time.
//! Never holds the write lock for longer than one batch.

use std::time::Duration;

use base::clock::{Clock, UnixMs};
use base::error::Result;
use base::sql;
use base::storage::Db;
use base::tasks::Next;

/// How often rows are looked for.
pub const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// Pause between two batches, for other writers.
const BATCH_PAUSE: Duration = Duration::from_millis(20);
/// One day.
const DAY: Duration = Duration::from_secs(86_400);

/// Deletes the rows that are older than so many days.
///
/// # Errors
/// If the database fails; the next run goes on.
pub async fn run(db: Db, clock: Clock, days: u32) -> Result<Next> {
    let before = UnixMs(clock.now().0.saturating_sub(age_ms(days)));
    let rows = expire(&db, before).await?;
    if rows > 0 {
        tracing::info!(rows, days, "deleted old audit rows");
    }
    Ok(Next::Later)
}

fn age_ms(days: u32) -> i64 {
    i64::try_from((DAY * days).as_millis()).unwrap_or(i64::MAX)
}

/// Deletes the rows from before a time and returns how many there were. Rows are numbered as time goes, so it ends
/// with the first batch of numbers in which it finds nothing.
///
/// # Errors
/// If the database fails; the batches before are gone.
pub async fn expire(db: &Db, before: UnixMs) -> Result<u64> {
    let mut rows = 0;
    loop {
        let mut tx = db.write().await?;
        let deleted = sql!(
            &mut tx,
            execute,
            "DELETE FROM audit WHERE at < $1
             AND id <= (SELECT MAX(id) FROM (SELECT id FROM audit ORDER BY id LIMIT 1000) AS oldest)",
            before
        )?;
        tx.commit().await?;
        if deleted == 0 {
            return Ok(rows);
        }
        rows += deleted;
        tokio::time::sleep(BATCH_PAUSE).await;
    }
}
