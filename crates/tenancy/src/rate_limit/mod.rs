//! How many requests a key, a person, a tenant and a stranger's address may make: exact over every rolling window, with a bound on bursts.
//! Knows numbers of keys and users and addresses only, never a key; decides, and leaves headers and error bodies to the wires.

mod log;
mod memory;
mod rate;
#[cfg_attr(not(feature = "redis"), path = "not_shared.rs")]
mod shared;

use std::sync::Arc;
use std::time::Duration;

use base::clock::{Clock, UnixMs};
use base::error::Error;
use log::Reading;
use memory::Memory;
use shared::Shared;

pub use rate::{
    BURST_WINDOW, Bucket, Charge, Charges, Holder, Rate, SIGN_INS_PER_SECOND_MAX, learner, sign_in,
    v1, v2, verify,
};
pub use shared::BadUrl;

/// Counts requests, in this process or in Redis for all replicas. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limiter {
    memory: Arc<Memory>,
    shared: Option<Arc<Shared>>,
    clock: Clock,
    replicas: u32,
}

/// How an allowance stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The name of the allowance: a scope of the key, or a ceiling.
    pub scope: &'static str,
    /// What is allowed.
    pub rate: Rate,
    /// Requests left in the window that ends now.
    pub remaining: u32,
    /// When the next place in the window is free again.
    pub reset_at: UnixMs,
    /// Whether the replicas could not be asked and this one counted its own share.
    pub is_degraded: bool,
}

/// A request that is over an allowance. It was counted nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The allowance that was used up.
    pub standing: Standing,
    /// How long to wait for the next place.
    pub retry_after: Duration,
}

impl Refused {
    /// Whole seconds to wait, rounded up.
    pub fn retry_after_s(&self) -> u64 {
        seconds_up(u64::try_from(self.retry_after.as_millis()).unwrap_or(u64::MAX)).max(1)
    }
}

impl Standing {
    /// The Unix time in whole seconds of [`Standing::reset_at`], rounded up.
    pub fn reset_at_s(&self) -> u64 {
        seconds_up(u64::try_from(self.reset_at.0).unwrap_or(0))
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::RateLimited {
            retry_after_s: refused.retry_after_s(),
        }
    }
}

fn seconds_up(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

impl Limiter {
    /// A limiter that counts in Redis if there is a URL, else in this process.
    ///
    /// While Redis does not answer, each of the `replicas` allows its share by itself.
    ///
    /// # Errors
    /// If the URL is not one of Redis. Whether Redis answers is not asked here.
    pub fn new(redis_url: Option<&str>, replicas: u32, clock: Clock) -> Result<Self, BadUrl> {
        let shared = redis_url.map(Shared::new).transpose()?;
        Ok(Self {
            memory: Arc::default(),
            shared: shared.map(Arc::new),
            clock,
            replicas: replicas.max(1),
        })
    }

    /// Counts one request under every charge, or under none of them. Answers with the standing of the first.
    ///
    /// # Errors
    /// With the allowance whose next place is the furthest away.
    pub async fn admit(&self, charges: &Charges) -> Result<Standing, Refused> {
        let Some(shared) = &self.shared else {
            return self.verdict(charges, self.memory.admit(charges, self.clock.now()), false);
        };
        if let Some(readings) = shared.admit(charges).await {
            let verdict = self.verdict(charges, readings, false);
            if verdict.is_ok() {
                self.memory.note(charges, self.clock.now());
            }
            return verdict;
        }
        let own_share = charges.map(|charge| charge.shared_by(self.replicas));
        let readings = self.memory.admit(&own_share, self.clock.now());
        self.verdict(&own_share, readings, true)
    }

    fn verdict(
        &self,
        charges: &Charges,
        readings: [Reading; 3],
        is_degraded: bool,
    ) -> Result<Standing, Refused> {
        let now = self.clock.now();
        let standing = |charge: &Charge, reading: Reading| Standing {
            scope: charge.bucket.scope,
            rate: charge.rate,
            remaining: charge.rate.max.saturating_sub(reading.taken),
            reset_at: now.plus(reading.frees_in),
            is_degraded,
        };
        let tightest = charges.iter().zip(readings).max_by_key(|(_, r)| r.wait);
        match tightest {
            Some((charge, reading)) if !reading.wait.is_zero() => Err(Refused {
                standing: standing(charge, reading),
                retry_after: reading.wait,
            }),
            _ => Ok(standing(&charges[0], readings[0])),
        }
    }
}
