//! File descriptors: how many the process may have, and who may have how many of them.
//! The only place that asks for the limit and raises it.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most that is asked for; a kernel that gives more without end is not taken at its word.
const WANTED_MAX: u64 = 1 << 20;
/// What is nobody's share: the database and its files, listeners, the log, clients that are turned away.
pub(crate) const RESERVED: usize = 96;
/// What each has at least, however low the limit is.
const SHARE_MIN: usize = 16;
/// Two in five of the rest go out; a call has one descriptor each way, and idle clients are more than idle upstreams.
const OUT_OF_FIVE: usize = 2;

/// Who may have how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Connections of clients.
    pub clients: usize,
    /// Connections to upstreams, providers, webhooks and the mail server.
    pub upstreams: usize,
}

impl Shares {
    /// The shares of a process with so many descriptors, of which no one needs more than these.
    pub fn of(descriptors: usize, needed: Self) -> Self {
        let rest = descriptors.saturating_sub(RESERVED);
        let upstreams = (rest / 5 * OUT_OF_FIVE).min(needed.upstreams);
        let clients = (rest - upstreams).min(needed.clients);
        Self {
            clients: clients.max(SHARE_MIN),
            upstreams: upstreams.max(SHARE_MIN),
        }
    }
}

/// How many this process may have: the soft limit, raised as far as it goes. Asked once.
pub fn limit() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| usize::try_from(raised()).unwrap_or(usize::MAX))
}

fn raised() -> u64 {
    let limits = getrlimit(Resource::Nofile);
    // No limit at all is written as none.
    let current = limits.current.unwrap_or(WANTED_MAX);
    let wanted = limits.maximum.unwrap_or(WANTED_MAX).min(WANTED_MAX);
    if wanted <= current {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limits.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, current, wanted, "the limit of file descriptors was not raised");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_share_of_another() {
        let needed = Shares {
            clients: 20_000,
            upstreams: 4_096,
        };
        for (descriptors, clients, upstreams) in [
            (1 << 20, 20_000, 4_096),
            (65_536, 20_000, 4_096),
            (4_096, 2_400, 1_600),
            (1_024, 558, 370),
            (256, 96, 64),
            (0, 16, 16),
        ] {
            let shares = Shares { clients, upstreams };
            assert_eq!(Shares::of(descriptors, needed), shares, "{descriptors}");
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let limit = limit() as u64;
        let limits = getrlimit(Resource::Nofile);
        assert_eq!(limits.current, Some(limit));
        assert!(
            limits
                .maximum
                .is_none_or(|maximum| limit == maximum.min(WANTED_MAX))
        );
    }
}
