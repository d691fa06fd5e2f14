//! Puts every sandbox back to the sample data at 00:00 UTC.
//! Never touches live data, and is harmless if several processes do it.

use std::time::Duration;

use super::Parts;
use crate::academy::sandbox;
use crate::error::Error;

/// How often it is looked whether a day is over.
const LOOK_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(parts: Parts) {
    loop {
        match reset_one(&parts).await {
            // There may be another one.
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(error = %error.chain(), "a sandbox was not reset"),
        }
        tokio::select! {
            () = parts.tasks.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn reset_one(parts: &Parts) -> Result<bool, Error> {
    let now = parts.clock.now();
    let mut tx = parts.db.write().await?;
    let was_one = sandbox::reset_one(&mut tx, now)
        .await
        .map_err(Error::internal)?;
    tx.commit().await?;
    if was_one {
        tracing::info!("a sandbox was reset");
    }
    Ok(was_one)
}
