//! Sends what is due to webhooks, many at once and none twice at the same time.
//! Never holds up one receiver for another: each delivery is a task of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Parts;
use base::error::Result;
use base::tasks::Next;
use delivery::webhook::{self, Due};

/// How often due deliveries are looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Deliveries under way at once.
const IN_FLIGHT_MAX: usize = 64;

pub(super) async fn run(parts: Parts, places: Arc<Semaphore>) -> Result<Next> {
    for due in claim(&parts, places.available_permits()).await? {
        // There is a place: nobody else takes any.
        let Ok(place) = places.clone().acquire_owned().await else {
            return Ok(Next::Never);
        };
        let sending = parts.clone();
        parts.tasks.spawn(async move {
            send(&sending, due).await;
            drop(place);
        });
    }
    Ok(Next::Later)
}

/// Places for deliveries that are under way.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(IN_FLIGHT_MAX))
}

async fn claim(parts: &Parts, places: usize) -> Result<Vec<Due>> {
    let now = parts.clock.now();
    if places == 0 || webhook::DELIVERIES.is_idle(&parts.db, now).await? {
        return Ok(Vec::new());
    }
    let mut tx = parts.db.write().await?;
    let at_most = i64::try_from(places).unwrap_or(i64::MAX);
    let due = webhook::claim(&mut tx, &parts.vault, at_most, now).await?;
    tx.commit().await?;
    Ok(due)
}

async fn send(parts: &Parts, due: Due) {
    let delivering = webhook::deliver(&parts.egress, &due, parts.clock.now());
    let attempt = parts.tasks.unharmed("send_webhooks", delivering).await;
    let result = match &attempt {
        Some(attempt) if attempt.is_delivered => Ok(attempt.result.as_str()),
        Some(attempt) => Err(attempt.result.as_str()),
        None => {
            tracing::error!(delivery = due.id.0, "a delivery cannot be made");
            Err("this delivery cannot be made")
        }
    };
    let settled = async {
        let mut tx = parts.db.write().await?;
        webhook::settle(&mut tx, due.attempt, result, parts.clock.now()).await?;
        Ok::<_, base::error::Error>(tx.commit().await?)
    };
    if let Err(error) = settled.await {
        // The lease ends, and it is sent again under the same number.
        tracing::error!(delivery = due.id.0, error = %error.chain(), "failed to record the outcome of a delivery");
    }
}
