//! Lets go of upstreams whose record was deleted, disabled or changed, by whichever replica did it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Gateway;
use crate::upstream::address_of;
use base::error::Result;
use base::tasks::Next;
use broker::registry::server::{self, ServerId};

/// How often the records are looked at (docs/inside/decisions.md#two-seconds: 2 s in all).
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// How long the calls of a server that goes may take to say so.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Looks at the records, if there is an upstream that one of them may no longer name. A database that does not answer now
/// is asked again; calls are refused meanwhile.
pub(super) async fn run(gateway: Arc<Gateway>, seen: Arc<Mutex<Option<Look>>>) -> Result<Next> {
    if !gateway.upstreams.is_idle() {
        let last = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = sweep(&gateway, last).await?;
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
    Ok(Next::Later)
}

/// What a look found: the mark of all records, and how many upstreams had been made before it. A record that came
/// and went between two looks leaves the mark as it was, but not the number.
pub(super) type Look = ((i64, i64, i64), u64);

/// Looks whether any record changed or any upstream was made at all, and only then at each.
async fn sweep(gateway: &Gateway, seen: Option<Look>) -> Result<Look> {
    let made = gateway.upstreams.made();
    // Only these are judged by what is read now: the record of one that is made meanwhile may not be in it.
    let known = gateway.upstreams.known();
    let mut tx = gateway.db.read().await?;
    let now = (server::mark_of_all(&mut tx).await?, made);
    if seen == Some(now) {
        return Ok(now);
    }
    let enabled: HashSet<(ServerId, String)> = server::enabled_addresses(&mut tx)
        .await?
        .into_iter()
        .map(|(id, transport, url)| (id, address_of(&transport, &url)))
        .collect();
    drop(tx);
    // A call says why it ends; then its connection may go.
    gateway.guards.look_now().await?;
    tokio::time::sleep(LAST_WORDS).await;
    for upstream in known {
        let record = (upstream.id, upstream.address.clone());
        if !enabled.contains(&record) {
            gateway.upstreams.retire(&upstream).await;
        }
    }
    Ok(now)
}
