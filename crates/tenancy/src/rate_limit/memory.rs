//! The counts of this process. Bounded: what was not asked for longest is forgotten first.
//! Never grows with the number of keys that were ever seen.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use super::log::{Log, Reading};
use super::rate::{Bucket, Charges};
use base::clock::UnixMs;

/// Buckets of one generation; there are two.
const GENERATION_BUCKETS_MAX: usize = 25_000;
/// Requests that the buckets of one generation remember together, 8 bytes each.
const GENERATION_REQUESTS_MAX: usize = 1_000_000;
/// Age of a generation after which the next one begins. No window is longer.
const GENERATION_MS: u64 = 60_000;

/// Every bucket that was asked for lately.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Generations>);

/// A bucket moves into `young` when it is asked for; when `young` is full or old, it replaces `old`, which is
/// forgotten. So each bucket is kept for a window at least, unless there are too many to keep.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Bucket, Log>,
    old: HashMap<Bucket, Log>,
    requests: usize,
    began: Option<UnixMs>,
}

impl Memory {
    /// Counts a request in all three buckets, or in none of them if one is full.
    pub(super) fn admit(&self, charges: &Charges, now: UnixMs) -> [Reading; 3] {
        // Nothing panics half-way through a change.
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now);
        let readings = charges.map(|charge| generations.log(charge.bucket).read(charge.rate, now));
        if readings.iter().any(|reading| !reading.wait.is_zero()) {
            return readings;
        }
        generations.take(charges, now)
    }

    /// Counts a request that was admitted elsewhere, so that it is known here if that fails.
    pub(super) fn note(&self, charges: &Charges, now: UnixMs) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now);
        for charge in charges {
            generations.log(charge.bucket).read(charge.rate, now);
        }
        generations.take(charges, now);
    }
}

impl Generations {
    fn turn(&mut self, now: UnixMs) {
        let began = *self.began.get_or_insert(now);
        let is_over = now.since_ms(began) >= GENERATION_MS
            || began > now
            || self.young.len() >= GENERATION_BUCKETS_MAX
            || self.requests >= GENERATION_REQUESTS_MAX;
        if is_over {
            self.old = mem::take(&mut self.young);
            self.requests = 0;
            self.began = Some(now);
        }
    }

    fn take(&mut self, charges: &Charges, now: UnixMs) -> [Reading; 3] {
        self.requests += charges.len();
        charges.map(|charge| self.log(charge.bucket).take(charge.rate, now))
    }

    fn log(&mut self, bucket: Bucket) -> &mut Log {
        let Self {
            young,
            old,
            requests,
            ..
        } = self;
        young.entry(bucket).or_insert_with(|| {
            let log = old.remove(&bucket).unwrap_or_default();
            *requests += log.len();
            log
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate::{Charge, Holder, Rate};
    use super::*;
    use crate::auth::token::TokenId;
    use crate::tenant::TenantId;

    fn charges(key: i64) -> Charges {
        let charge = |holder, scope, rate| Charge {
            bucket: Bucket {
                tenant: TenantId(key),
                holder,
                scope,
            },
            rate,
        };
        [
            charge(Holder::Key(TokenId(key)), "default", Rate::per_minute(2, 2)),
            charge(Holder::Key(TokenId(key)), "user", Rate::per_minute(9, 9)),
            charge(Holder::Tenant, "tenant", Rate::per_minute(9, 9)),
        ]
    }

    fn is_admitted(memory: &Memory, key: i64, now: i64) -> bool {
        let readings = memory.admit(&charges(key), UnixMs(now));
        readings.iter().all(|reading| reading.wait.is_zero())
    }

    #[test]
    fn a_count_outlives_the_change_of_generations() {
        let memory = Memory::default();
        assert!(is_admitted(&memory, 1, 59_000) && is_admitted(&memory, 1, 59_500));
        assert!(!is_admitted(&memory, 1, 100_000));
        assert!(!is_admitted(&memory, 1, 118_999));
        assert!(is_admitted(&memory, 1, 119_000));
    }

    #[test]
    fn a_million_keys_hold_no_more_than_two_generations() {
        let memory = Memory::default();
        for key in 0..1_000_000 {
            assert!(is_admitted(&memory, key, key / 100));
        }
        let generations = memory.0.lock().unwrap();
        assert!(
            generations.young.len() + generations.old.len() <= 2 * (GENERATION_BUCKETS_MAX + 3)
        );
        assert!(generations.requests <= GENERATION_REQUESTS_MAX);
    }
}
