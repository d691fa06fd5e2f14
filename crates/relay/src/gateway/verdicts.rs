//! What servers say to the credentials that are sent to them, kept until it changes. A call compares one number; only
//! what is new is written, beside the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use moka::sync::Cache;

use super::Gateway;
use crate::upstream::CallFailure;
use base::clock::UnixMs;
use base::error::Error;
use broker::registry::verdict::{self, Place};

/// Credentials whose last verdict is remembered.
const REMEMBERED_MAX: u64 = 50_000;
/// How long the same verdict is not written again, in ms.
const WRITTEN_AGAIN_MS: u64 = 10 * 60 * 1000;

const UNKNOWN: u8 = 0;
const TAKEN: u8 = 1;
const REFUSED: u8 = 2;

/// The last verdict about one credential.
#[derive(Debug)]
pub(super) struct Last {
    place: Place,
    said: AtomicU8,
    since: UnixMs,
}

/// The last verdicts about all.
#[derive(Debug)]
pub(super) struct Verdicts(Cache<Place, Arc<Last>>);

impl Default for Verdicts {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_MAX))
    }
}

impl Verdicts {
    /// The last verdict about a credential; from time to time an unknown one, so that it is written again.
    pub(super) fn of(&self, place: Place, now: UnixMs) -> Arc<Last> {
        let known = self.0.get(&place);
        if let Some(last) = known.filter(|last| now.since_ms(last.since) < WRITTEN_AGAIN_MS) {
            return last;
        }
        let last = Arc::new(Last {
            place,
            said: AtomicU8::new(UNKNOWN),
            since: now,
        });
        self.0.insert(place, last.clone());
        last
    }
}

impl Last {
    /// The server answered a call, or how that failed: it took the credential, refused it, or said nothing of it.
    pub(super) fn heard(self: &Arc<Self>, gateway: &Arc<Gateway>, failure: Option<&CallFailure>) {
        let is_ok = failure.is_none();
        if failure.is_some_and(|failure| !failure.is_refused_token()) {
            return;
        }
        let said = if is_ok { TAKEN } else { REFUSED };
        if self.said.load(Ordering::Relaxed) != said {
            self.write(gateway, is_ok, said);
        }
    }

    #[cold]
    fn write(self: &Arc<Self>, gateway: &Arc<Gateway>, is_ok: bool, said: u8) {
        if self.said.swap(said, Ordering::Relaxed) == said {
            return;
        }
        let (last, gateway) = (self.clone(), gateway.clone());
        let tasks = gateway.tasks.clone();
        tasks.spawn(async move {
            let written = async {
                let mut tx = gateway.db.write().await?;
                verdict::note(&mut tx, last.place, is_ok, gateway.clock.now()).await?;
                Ok::<_, Error>(tx.commit().await?)
            };
            if let Err(error) = written.await {
                last.said.store(UNKNOWN, Ordering::Relaxed);
                tracing::debug!(error = %error.chain(), "failed to record how a server answered a credential");
            }
        });
    }
}
