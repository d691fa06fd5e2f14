//! Whether the database does what requests ask of it: reads from the tables of every call, and writes a row for good.
//! Asks at most once a second, however many want to know.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Db, StorageError};
use crate::sql;

/// How long it is believed that a row could be written, or not.
const HOLDS_FOR: Duration = Duration::from_secs(1);
/// Longest wait for the database: who asks is told within two seconds.
const PATIENCE: Duration = Duration::from_millis(1800);
/// What is written, in bytes: more than a page of either database, so that a full disk is seen.
const FILLING_BYTES: usize = 16 * 1024;

/// Asks the database now and then.
#[derive(Debug)]
pub struct Probe {
    db: Db,
    /// When a row was last written, and whether it could be.
    written: Mutex<Option<(Instant, bool)>>,
}

impl Probe {
    /// A probe of this database, which was not asked yet.
    pub fn new(db: Db) -> Self {
        Self {
            db,
            written: Mutex::default(),
        }
    }

    /// Whether the database can be read now, and was written less than a second ago.
    pub async fn works(&self) -> bool {
        match timeout(PATIENCE, self.look()).await {
            Ok(Ok(works)) => works,
            Ok(Err(error)) => {
                let error = crate::error::Error::internal(error).chain();
                tracing::warn!(%error, "the database cannot be read");
                false
            }
            Err(_) => {
                tracing::warn!("the database was not read and written in time");
                false
            }
        }
    }

    async fn look(&self) -> Result<bool, StorageError> {
        self.read().await?;
        // Whoever comes meanwhile waits for this answer instead of writing too.
        let mut written = self.written.lock().await;
        if let Some((at, works)) = *written
            && at.elapsed() < HOLDS_FOR
        {
            return Ok(works);
        }
        let works = match self.write().await {
            Ok(()) => true,
            Err(error) => {
                let error = crate::error::Error::internal(error).chain();
                tracing::warn!(%error, "the database cannot be written");
                false
            }
        };
        *written = Some((Instant::now(), works));
        Ok(works)
    }

    /// Reads from the tables of every call.
    async fn read(&self) -> Result<(), StorageError> {
        let mut tx = self.db.read().await?;
        sql!(
            &mut tx,
            fetch_all as (i64,),
            "SELECT COUNT(*) FROM (SELECT 1 AS x FROM tenants LIMIT 1) AS a
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM users LIMIT 1) AS b
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM tokens LIMIT 1) AS c
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM mentors LIMIT 1) AS d
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM servers LIMIT 1) AS e
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM mentor_servers LIMIT 1) AS f
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM connections LIMIT 1) AS g
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM connected_services LIMIT 1) AS h
             UNION ALL SELECT COUNT(*) FROM (SELECT 1 AS x FROM audit LIMIT 1) AS i"
        )?;
        Ok(())
    }

    /// Writes a row for good, of which nothing stays.
    async fn write(&self) -> Result<(), StorageError> {
        let mut tx = self.db.write().await?;
        let id = i64::from_be_bytes(crate::clock::random_bytes());
        sql!(
            &mut tx,
            execute,
            "INSERT INTO probes (id, filling) VALUES ($1, $2)",
            id,
            vec![0_u8; FILLING_BYTES]
        )?;
        sql!(&mut tx, execute, "DELETE FROM probes WHERE id = $1", id)?;
        tx.commit().await
    }
}
