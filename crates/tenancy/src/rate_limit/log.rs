//! The times of the last requests under one allowance, and what follows from them.
//! Exact: no window of any position holds more than the allowance. Knows no clock.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate::{BURST_WINDOW, Rate};
use base::clock::UnixMs;

/// How one allowance stands for a request that comes now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Requests in the window, with this one if it was admitted.
    pub(super) taken: u32,
    /// How long until a request is admitted; zero if this one may be.
    pub(super) wait: Duration,
    /// How long until the next place in the window is free.
    pub(super) frees_in: Duration,
}

/// Times of admitted requests in Unix ms, oldest first; never more than the allowance.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<i64>);

impl Log {
    /// Forgets what left the window and says how the allowance stands.
    pub(super) fn read(&mut self, rate: Rate, now: UnixMs) -> Reading {
        self.turn_back(now);
        let window = in_ms(rate.window);
        while self.0.front().is_some_and(|at| at + window <= now.0) {
            self.0.pop_front();
        }
        let by_window = self.wait(rate.max, window, now);
        let wait = by_window.max(self.wait(rate.burst, in_ms(BURST_WINDOW), now));
        Reading {
            taken: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
            wait,
            frees_in: wait.max(self.frees_in(rate, now)),
        }
    }

    /// Notes a request that was admitted.
    pub(super) fn take(&mut self, rate: Rate, now: UnixMs) -> Reading {
        if self.0.len() >= rate.max as usize {
            self.0.pop_front();
        }
        self.0.push_back(now.0);
        Reading {
            taken: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
            wait: Duration::ZERO,
            frees_in: self.frees_in(rate, now),
        }
    }

    /// Requests that are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How long until fewer than `max` requests lie within the last `span` ms.
    fn wait(&self, max: u32, span: i64, now: UnixMs) -> Duration {
        let oldest = self.0.len().checked_sub(max as usize);
        let oldest = oldest.and_then(|at| self.0.get(at));
        oldest.map_or(Duration::ZERO, |at| until(at + span, now))
    }

    fn frees_in(&self, rate: Rate, now: UnixMs) -> Duration {
        let oldest = self.0.front();
        oldest.map_or(Duration::ZERO, |at| until(at + in_ms(rate.window), now))
    }

    /// After the clock was set back, what lies in its future counts as now: nobody waits for that time to come again.
    fn turn_back(&mut self, now: UnixMs) {
        for at in self.0.iter_mut().rev().take_while(|at| **at > now.0) {
            *at = now.0;
        }
    }
}

fn in_ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn until(at_ms: i64, now: UnixMs) -> Duration {
    Duration::from_millis(UnixMs(at_ms).since_ms(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate::per_minute(6, 3);

    /// Counts the obvious way: how many of all admitted requests lie in the last `span` ms.
    fn within(admitted: &[i64], span: i64, now: i64) -> usize {
        admitted.iter().filter(|at| **at > now - span).count()
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_allowance_and_no_place_stays_empty(
            pauses in prop::collection::vec(prop_oneof![0_i64..5, 300_i64..1_500, 5_000_i64..40_000], 1..200)
        ) {
            let (mut log, mut admitted, mut now) = (Log::default(), Vec::new(), 0);
            for pause in pauses {
                now += pause;
                let reading = log.read(RATE, UnixMs(now));
                let fits = within(&admitted, 60_000, now) < 6 && within(&admitted, 1_000, now) < 3;
                prop_assert_eq!(reading.wait.is_zero(), fits);
                if fits {
                    log.take(RATE, UnixMs(now));
                    admitted.push(now);
                } else {
                    // The wait that is told is the one that suffices, and no shorter one does.
                    let then = now + in_ms(reading.wait);
                    let fits_at = |now| within(&admitted, 60_000, now) < 6 && within(&admitted, 1_000, now) < 3;
                    prop_assert!(fits_at(then) && !fits_at(then - 1));
                }
                prop_assert!(log.len() <= 6);
            }
        }
    }

    #[test]
    fn a_clock_set_back_by_an_hour_keeps_nobody_out_for_an_hour() {
        let mut log = Log::default();
        for _ in 0..6 {
            log.take(RATE, UnixMs(3_600_000));
        }
        assert_eq!(log.read(RATE, UnixMs(0)).wait, Duration::from_secs(60));
        assert_eq!(log.read(RATE, UnixMs(60_000)).wait, Duration::ZERO);
    }
}
