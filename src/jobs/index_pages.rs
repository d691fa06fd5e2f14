//! Adds the pages to the course chat's index that were stored before there was one; then it ends.
//! Never changes a page, and is harmless if several processes do it.

use std::time::Duration;

use super::Parts;
use base::error::{Error, Result};
use base::tasks::Next;
use learning::academy::course_chat;

/// Pages of one transaction.
const BATCH_PAGES: i64 = 200;
/// How soon it is tried again after a failure.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

pub(super) async fn run(parts: Parts) -> Result<Next> {
    let pages = catch_up(&parts).await?;
    if pages == 0 {
        return Ok(Next::Never);
    }
    tracing::info!(pages, "pages were added to the index of the course chat");
    Ok(Next::AtOnce)
}

async fn catch_up(parts: &Parts) -> Result<usize> {
    let mut tx = parts.db.write().await?;
    let pages = course_chat::catch_up(&mut tx, BATCH_PAGES).await;
    let pages = pages.map_err(Error::internal)?;
    tx.commit().await?;
    Ok(pages)
}
