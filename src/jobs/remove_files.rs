//! Removes the contents of files that nobody has any more: a resume that was deleted, an upload that came to nothing.
//! Never removes what was brought within a day.

use std::time::Duration;

use super::Parts;
use base::error::Result;
use base::tasks::Next;
use learning::career::content::{self, BATCH_CONTENTS};

/// How often it is looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

pub(super) async fn run(parts: Parts) -> Result<Next> {
    remove_unused(&parts).await?;
    Ok(Next::Later)
}

/// Removes what may be removed now.
///
/// # Errors
/// If the database or the store fails; what is left is removed the next time.
pub async fn remove_unused(parts: &Parts) -> Result<()> {
    loop {
        let mut tx = parts.db.write().await?;
        let marked = content::mark_unused(&mut tx, parts.clock.now()).await?;
        tx.commit().await?;
        let (mut removed, mut failure) = (Vec::new(), None);
        for content in &marked {
            // One that stays where it is keeps no other from being removed.
            match content::remove(&parts.files, content).await {
                Ok(()) => removed.push(content.clone()),
                Err(error) => failure = Some(error),
            }
        }
        let mut tx = parts.db.write().await?;
        content::forget(&mut tx, &removed).await?;
        tx.commit().await?;
        if let Some(error) = failure {
            return Err(error);
        }
        if (marked.len() as i64) < BATCH_CONTENTS {
            return Ok(());
        }
    }
}
