//! Adds the pages to the course chat's index that were stored before there was one; then it ends.
//! Never changes a page, and is harmless if several processes do it.

use std::time::Duration;

use super::Parts;
use crate::academy::course_chat;
use crate::error::Error;

/// Pages of one transaction.
const BATCH_PAGES: i64 = 200;
/// How soon it is tried again after a failure.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) async fn run(parts: Parts) {
    loop {
        let pause = match catch_up(&parts).await {
            Ok(0) => return,
            Ok(pages) => {
                tracing::info!(pages, "pages were added to the index of the course chat");
                Duration::ZERO
            }
            Err(error) => {
                tracing::error!(error = %error.chain(), "failed to index pages for the course chat");
                PAUSE
            }
        };
        tokio::select! {
            biased;
            () = parts.tasks.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn catch_up(parts: &Parts) -> Result<usize, Error> {
    let mut tx = parts.db.write().await?;
    let pages = course_chat::catch_up(&mut tx, BATCH_PAGES).await;
    let pages = pages.map_err(Error::internal)?;
    tx.commit().await?;
    Ok(pages)
}
