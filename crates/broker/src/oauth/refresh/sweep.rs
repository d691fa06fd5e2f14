//! The background job: refreshes ahead of expiry, so that no call has to wait for it.
//! Takes no grant that another replica has taken.

use std::time::Duration;

use futures_util::StreamExt;

use super::due::AHEAD;
use super::{Ask, Refresher, lease};
use crate::registry::grant::Due;
use base::clock::{UnixMs, random_bytes};
use base::error::Result;

/// How often grants are looked for; up to half as long again at random, so that replicas do not march in step.
const EVERY: Duration = Duration::from_secs(15);
/// Grants refreshed in one round, and at once.
const ROUND_MAX: i64 = 200;
const AT_ONCE: usize = 8;
/// A grant that nobody used for so long is not refreshed ahead any more, only now and then to keep it alive.
const IDLE_AFTER: Duration = Duration::from_secs(24 * 3600);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sweeps until the gateway stops.
pub(super) async fn run(refresher: Refresher) {
    let stop = refresher.parts.tasks.stop.clone();
    loop {
        let pause = EVERY.mul_f64(1.0 + random_fraction() / 2.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = sweep(&refresher).await {
            tracing::warn!(error = %error.chain(), "failed to read the grants that are due for a refresh");
        }
    }
}

pub(super) async fn sweep(refresher: &Refresher) -> Result<usize> {
    let now = refresher.parts.flow.clock.now();
    let due = Due {
        now,
        horizon: now.plus(AHEAD),
        used_after: before(now, IDLE_AFTER),
        ended_before: before(now, KEEP_ALIVE_EVERY),
        rows_max: ROUND_MAX,
    };
    let due = lease::due(&refresher.parts.flow.db, &due).await?;
    let count = due.len();
    let refreshing = futures_util::stream::iter(due).for_each_concurrent(AT_ONCE, async |grant| {
        refresher.refresh(grant, Ask::Ahead).await;
    });
    refreshing.await;
    Ok(count)
}

fn before(now: UnixMs, by: Duration) -> UnixMs {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    UnixMs(now.0.saturating_sub(by))
}

/// A random number from 0 to 1.
pub(super) fn random_fraction() -> f64 {
    f64::from(u16::from_be_bytes(random_bytes())) / f64::from(u16::MAX)
}
