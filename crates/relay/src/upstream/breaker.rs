//! A breaker: after repeated failures an upstream is left alone for a while, then tried by one call.
//! Knows not whose failures they are.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 5;
/// How long it stays open before one call may try.
const OPEN_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when calls are refused; moved forward when a probe is let through.
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Lets a call through, or not. While half open, one call per `OPEN_FOR` is the probe.
    pub(super) fn admit(&self) -> bool {
        let mut state = self.lock();
        match state.closed_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                state.closed_until = Some(Instant::now() + OPEN_FOR);
                true
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock()
            .closed_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// A handshake went well: the call that wanted it may follow, and its failure counts like any other.
    pub(super) fn connected(&self) {
        let mut state = self.lock();
        state.failures = state.failures.min(FAILURES_MAX - 1);
        state.closed_until = None;
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    pub(super) fn failed(&self) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX {
            state.closed_until = Some(Instant::now() + OPEN_FOR);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_lets_one_probe_through_and_closes_on_its_success() {
        let breaker = Breaker::default();
        (0..FAILURES_MAX).for_each(|_| breaker.failed());
        assert!(!breaker.admit());
        tokio::time::advance(OPEN_FOR).await;
        assert!(breaker.admit(), "the probe");
        assert!(!breaker.admit(), "a second call while the probe is out");
        breaker.succeeded();
        assert!(breaker.admit());
    }
}
