//! Deletes what ended long ago.
//! Never deletes what is still waiting.

use std::time::Duration;

use super::Parts;
use crate::error::Result;
use crate::oauth::prompt;
use crate::{mail, webhook};

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

pub(super) async fn run(parts: Parts) {
    loop {
        if let Err(error) = clear(&parts).await {
            tracing::error!(error = %error.chain(), "failed to delete expired rows");
        }
        tokio::select! {
            () = parts.tasks.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn clear(parts: &Parts) -> Result<()> {
    let mut tx = parts.db.write().await?;
    let now = parts.clock.now();
    webhook::expire(&mut tx, now).await?;
    mail::expire(&mut tx, now).await?;
    prompt::sweep(&mut tx, now).await?;
    Ok(tx.commit().await?)
}
