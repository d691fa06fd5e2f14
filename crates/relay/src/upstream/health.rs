//! How an upstream does, as far as its failures go: for everybody where it cannot be reached, and for each credential and
//! person where their calls fail. Nobody's calls shut anybody else out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Breaker;
use super::failure::CallFailure;
use tenancy::tenant::user::UserId;

/// Calls to one server that may be under way at once.
pub(super) const IN_FLIGHT_MAX: usize = 1024;
/// From here on nobody may have more than [`IN_FLIGHT_WHEN_BUSY_MAX`] of them.
pub(super) const IN_FLIGHT_BUSY: usize = 512;
/// Calls of one person that may be under way while a server is busy.
pub(super) const IN_FLIGHT_WHEN_BUSY_MAX: usize = 64;
/// Credentials and people whose failures are remembered at once.
const TROUBLED_MAX: usize = 10_000;

/// Refusals of one server are logged at least this far apart.
const LOG_SPACING: Duration = Duration::from_secs(1);

/// Who calls, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    /// The credential's fingerprint.
    pub(super) credential: [u8; 16],
    /// The person; none for the gateway's own lists.
    pub(super) person: Option<UserId>,
}

impl Caller {
    /// The gateway itself with the same credential.
    fn gateway(self) -> Self {
        Self {
            person: None,
            ..self
        }
    }
}

/// How an upstream does.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Whether a connection can be made at all.
    reach: Breaker,
    /// Breakers of those whose requests fail. Nearly always empty.
    troubled: Mutex<HashMap<Caller, Breaker>>,
    is_troubled: AtomicBool,
    in_flight: Mutex<InFlight>,
    /// When a refusal was last logged.
    logged: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct InFlight {
    all: usize,
    by_person: HashMap<Option<UserId>, usize>,
}

impl Health {
    /// Lets a request through, or not.
    pub(super) fn admit(&self, caller: Caller) -> bool {
        self.is_well(caller, Breaker::admit) && self.reach.admit()
    }

    /// Whether the next request of this caller would not be let through.
    pub(super) fn is_broken(&self, caller: Caller) -> bool {
        self.reach.is_open() || !self.is_well(caller, |breaker| !breaker.is_open())
    }

    /// What the gateway's own handshakes with a credential bring about counts for whoever uses that.
    fn is_well(&self, caller: Caller, ask: impl Fn(&Breaker) -> bool) -> bool {
        if !self.is_troubled.load(Ordering::Acquire) {
            return true;
        }
        let troubled = lock(&self.troubled);
        let mut breakers = [
            troubled.get(&caller),
            troubled
                .get(&caller.gateway())
                .filter(|_| caller.person.is_some()),
        ]
        .into_iter()
        .flatten();
        breakers.all(ask)
    }

    /// A handshake went well: the call that wanted it may follow, and its failure counts like any other.
    pub(super) fn connected(&self, caller: Caller) {
        self.reach.succeeded();
        if self.is_troubled.load(Ordering::Acquire) {
            let mut troubled = lock(&self.troubled);
            troubled.remove(&caller.gateway());
            if let Some(breaker) = troubled.get(&caller) {
                breaker.connected();
            }
        }
    }

    /// A request was answered.
    pub(super) fn succeeded(&self, caller: Caller) {
        self.reach.succeeded();
        self.forget(caller);
    }

    fn forget(&self, caller: Caller) {
        if self.is_troubled.load(Ordering::Acquire) {
            let mut troubled = lock(&self.troubled);
            troubled.remove(&caller);
            self.is_troubled
                .store(!troubled.is_empty(), Ordering::Release);
        }
    }

    /// A request brought no answer. An outage counts; a refusal shows that the server is there. `is_handshake` tells
    /// what the gateway itself asks for: its lists that fail shut out nobody's calls.
    pub(super) fn failed(&self, caller: Caller, failure: &CallFailure, is_handshake: bool) {
        if failure.is_unconnected {
            return self.reach.failed();
        }
        if failure.is_of_session {
            return self.succeeded(caller);
        }
        if failure.is_outage() {
            self.reach.succeeded();
            if caller.person.is_some() || is_handshake {
                self.trouble(caller);
            }
        } else if failure.is_from_upstream() {
            self.succeeded(caller);
        }
    }

    fn trouble(&self, caller: Caller) {
        let mut troubled = lock(&self.troubled);
        if troubled.len() >= TROUBLED_MAX {
            troubled.retain(|_, breaker| breaker.is_open());
        }
        if troubled.len() < TROUBLED_MAX || troubled.contains_key(&caller) {
            troubled.entry(caller).or_default().failed();
            self.is_troubled.store(true, Ordering::Release);
        }
    }

    /// Whether a refusal may be logged now: callers bring them about, and must not fill the log.
    pub(super) fn may_log(&self) -> bool {
        let mut logged = lock(&self.logged);
        let is_due = logged.is_none_or(|last| last.elapsed() >= LOG_SPACING);
        if is_due {
            *logged = Some(Instant::now());
        }
        is_due
    }

    /// A seat for a call of this person, if there is one: a busy server is shared out.
    pub(super) fn seat(this: &Arc<Self>, caller: Caller) -> Option<Seat> {
        let mut in_flight = lock(&this.in_flight);
        let all = in_flight.all;
        let own = in_flight.by_person.entry(caller.person).or_default();
        let own_max = match all {
            0..IN_FLIGHT_BUSY => IN_FLIGHT_MAX,
            _ => IN_FLIGHT_WHEN_BUSY_MAX,
        };
        if all >= IN_FLIGHT_MAX || *own >= own_max {
            return None;
        }
        *own += 1;
        in_flight.all += 1;
        Some(Seat {
            caller,
            health: this.clone(),
        })
    }
}

/// A call's seat, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    /// Whose call it is.
    pub(super) caller: Caller,
    health: Arc<Health>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.health.in_flight);
        in_flight.all = in_flight.all.saturating_sub(1);
        let own = in_flight.by_person.get_mut(&self.caller.person);
        if let Some(own) = own {
            *own = own.saturating_sub(1);
            if *own == 0 {
                in_flight.by_person.remove(&self.caller.person);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::error::UpstreamFailureKind;

    fn caller(credential: u8, person: i64) -> Caller {
        Caller {
            credential: [credential; 16],
            person: Some(UserId(person)),
        }
    }

    fn failure(kind: UpstreamFailureKind) -> CallFailure {
        CallFailure::of(kind, true)
    }

    fn unconnected() -> CallFailure {
        CallFailure {
            is_unconnected: true,
            ..CallFailure::of(UpstreamFailureKind::Unreachable, false)
        }
    }

    /// Who fails, how, and whether in a handshake; then whether each of the others is let through.
    #[test]
    fn failures_shut_out_whom_they_belong_to() {
        use UpstreamFailureKind::{Closed, Forbidden, Http, Protocol, Timeout, Unauthorized};
        let (ann, bob, other) = (caller(1, 7), caller(1, 8), caller(2, 7));
        let own = Caller {
            person: None,
            ..ann
        };
        let rows = [
            (ann, failure(Http(500)), false, [false, true, true, true]),
            (ann, failure(Timeout), false, [false, true, true, true]),
            (ann, failure(Closed), true, [false, true, true, true]),
            (ann, failure(Http(400)), false, [true; 4]),
            (ann, failure(Http(429)), false, [true; 4]),
            (ann, failure(Unauthorized), false, [true; 4]),
            (ann, failure(Forbidden), false, [true; 4]),
            (ann, failure(Protocol), false, [true; 4]),
            (ann, unconnected(), false, [false; 4]),
            (ann, unconnected(), true, [false; 4]),
            (own, failure(Http(500)), false, [true; 4]),
            (own, failure(Timeout), true, [false, false, true, false]),
        ];
        for (who, failure, is_handshake, expected) in rows {
            let health = Health::default();
            for _ in 0..5 {
                health.failed(who, &failure, is_handshake);
            }
            let well = [ann, bob, other, own].map(|caller| !health.is_broken(caller));
            assert_eq!(well, expected, "{who:?} {failure:?} {is_handshake}");
            let admitted = [ann, bob, other, own].map(|caller| health.admit(caller));
            assert_eq!(admitted, expected, "{who:?} {failure:?} {is_handshake}");
        }
    }

    #[test]
    fn one_success_forgets_the_failures_of_its_caller_alone() {
        let health = Health::default();
        let (ann, bob) = (caller(1, 7), caller(1, 8));
        for who in [ann, bob] {
            (0..4).for_each(|_| health.failed(who, &failure(UpstreamFailureKind::Timeout), false));
        }
        health.succeeded(ann);
        for who in [ann, bob] {
            health.failed(who, &failure(UpstreamFailureKind::Timeout), false);
        }
        assert_eq!((health.admit(ann), health.admit(bob)), (true, false));
    }

    #[test]
    fn a_busy_server_is_shared_out() {
        let health = Arc::new(Health::default());
        let (ann, bob) = (caller(1, 7), caller(1, 8));
        let taken: Vec<_> = std::iter::from_fn(|| Health::seat(&health, ann)).collect();
        assert_eq!(taken.len(), IN_FLIGHT_BUSY);
        let others: Vec<_> = std::iter::from_fn(|| Health::seat(&health, bob)).collect();
        assert_eq!(others.len(), IN_FLIGHT_WHEN_BUSY_MAX);
        drop(taken);
        assert!(Health::seat(&health, ann).is_some());
        drop(others);
        assert!(lock(&health.in_flight).by_person.is_empty());
    }
}
