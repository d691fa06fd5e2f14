//! Puts every sandbox back to the sample data at 00:00 UTC.
//! Never touches live data, is harmless if several processes do it, and lets no sandbox hold up another.

use std::time::Duration;

use super::Parts;
use base::error::{Error, Result};
use base::tasks::Next;
use learning::academy::{RealmId, sandbox};

/// How often it is looked whether a day is over.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(parts: Parts) -> Result<Next> {
    for realm in overdue(&parts).await? {
        let resetting = reset(&parts, realm);
        let reset = parts.tasks.unharmed("reset_sandbox", resetting).await;
        if let Some(Err(error)) = reset {
            tracing::error!(error = %error.chain(), "failed to reset a sandbox");
        }
    }
    Ok(Next::Later)
}

async fn overdue(parts: &Parts) -> Result<Vec<RealmId>> {
    let mut tx = parts.db.read().await?;
    let old = sandbox::overdue(&mut tx, parts.clock.now()).await;
    old.map_err(Error::internal)
}

async fn reset(parts: &Parts, realm: RealmId) -> Result<()> {
    let mut tx = parts.db.write().await?;
    let was_there = sandbox::reset(&mut tx, realm, parts.clock.now()).await;
    let was_there = was_there.map_err(Error::internal)?;
    tx.commit().await?;
    if was_there {
        tracing::info!("a sandbox was reset");
    }
    Ok(())
}
