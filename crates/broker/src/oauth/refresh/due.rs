//! When a grant is due. Pure, so that every edge can be tested.

use std::time::Duration;

use base::clock::UnixMs;

/// How long before its end a token is refreshed in the background, at most.
pub(super) const AHEAD: Duration = Duration::from_secs(300);
/// How long before its end a call does not travel with a token any more, at most.
const MARGIN: Duration = Duration::from_secs(30);
/// A token that lives shortly is refreshed in the last part of its life, whatever the times above.
const LAST_PART_AHEAD: u64 = 4;
const LAST_PART_MARGIN: u64 = 10;

/// A token is not replaced because a server refused it before it is so old: the next would be refused as well.
const REFUSED_AGE_MIN: Duration = Duration::from_secs(30);

/// Why a refresh is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ask {
    /// A call is about to travel with the token.
    Call,
    /// The server refused the token of this version of the grant.
    Refused(i64),
    /// It will be needed soon.
    Ahead,
}

/// The times of a grant, and how often its tokens were stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    /// When the access token was stored.
    pub(super) from: UnixMs,
    /// When it ends; `None` if it does not.
    pub(super) until: Option<UnixMs>,
    /// Counts the tokens.
    pub(super) version: i64,
}

impl Life {
    /// Whether there is something to do now. `jitter` is between 0 and 1: replicas and grants that begin together
    /// must not end together.
    pub(super) fn is_due(&self, ask: Ask, now: UnixMs, jitter: f64) -> bool {
        if let Ask::Refused(version) = ask {
            return version == self.version && now >= self.from.plus(REFUSED_AGE_MIN);
        }
        let Some(until) = self.until else {
            return false;
        };
        let whole = until.since_ms(self.from);
        let before = match ask {
            Ask::Ahead => part(AHEAD, whole / LAST_PART_AHEAD).mul_f64(0.5 + jitter / 2.0),
            Ask::Call | Ask::Refused(_) => part(MARGIN, whole / LAST_PART_MARGIN),
        };
        now.plus(before) >= until
    }
}

fn part(most: Duration, part_ms: u64) -> Duration {
    most.min(Duration::from_millis(part_ms))
}

/// Whether a call does not travel with a token that was stored and ends at these times.
pub fn is_ending(from: UnixMs, until: Option<UnixMs>, now: UnixMs) -> bool {
    let version = 0;
    Life {
        from,
        until,
        version,
    }
    .is_due(Ask::Call, now, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn life(ms: i64) -> Life {
        Life {
            from: UnixMs(0),
            until: Some(UnixMs(ms)),
            version: 3,
        }
    }

    #[test]
    fn a_call_waits_for_a_new_token_from_half_a_minute_before_the_end() {
        let due = |at| life(HOUR).is_due(Ask::Call, UnixMs(at), 0.0);
        assert!(!due(HOUR - 30_001) && due(HOUR - 30_000) && due(HOUR + 1));
    }

    #[test]
    fn the_background_comes_earlier_and_not_all_at_once() {
        let due = |at, jitter| life(HOUR).is_due(Ask::Ahead, UnixMs(at), jitter);
        assert!(!due(HOUR - 150_001, 0.0) && due(HOUR - 150_000, 0.0));
        assert!(!due(HOUR - 300_001, 1.0) && due(HOUR - 300_000, 1.0));
    }

    #[test]
    fn a_token_of_five_seconds_is_not_refreshed_all_the_time() {
        assert!(!life(5_000).is_due(Ask::Ahead, UnixMs(3_700), 1.0));
        assert!(life(5_000).is_due(Ask::Ahead, UnixMs(3_750), 1.0));
        assert!(!life(5_000).is_due(Ask::Call, UnixMs(4_400), 0.0));
        assert!(life(5_000).is_due(Ask::Call, UnixMs(4_500), 0.0));
    }

    #[test]
    fn a_refused_token_is_due_while_it_is_the_stored_one_and_not_new() {
        let due = |version, at| life(HOUR).is_due(Ask::Refused(version), UnixMs(at), 0.0);
        assert!(due(3, 30_000) && !due(3, 29_999) && !due(2, 30_000));
    }

    #[test]
    fn a_token_without_an_end_is_never_due() {
        let life = Life {
            until: None,
            ..life(0)
        };
        assert!(!life.is_due(Ask::Call, UnixMs(i64::MAX), 1.0));
    }
}
