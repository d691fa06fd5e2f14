//! Deletes what ended long ago.
//! Never deletes what is still waiting.

use std::time::Duration;

use super::Parts;
use base::error::Result;
use base::tasks::Next;
use broker::oauth::prompt;
use delivery::mail;
use delivery::webhook;

/// How often it is looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

pub(super) async fn run(parts: Parts) -> Result<Next> {
    let mut tx = parts.db.write().await?;
    let now = parts.clock.now();
    webhook::DELIVERIES.expire(&mut tx, now).await?;
    mail::OUTBOX.expire(&mut tx, now).await?;
    prompt::sweep(&mut tx, now).await?;
    tx.commit().await?;
    Ok(Next::Later)
}
