//! Which era an upstream speaks, found once and remembered (2026-07-28, versioning, backward compatibility).

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use mcp::Message;
use mcp::error::{HEADER_MISMATCH, MISSING_CLIENT_CAPABILITY, UNSUPPORTED_VERSION};

/// Longest wait for the answer to a question that is asked to find something out.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(5);

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// The era of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Stateless requests with metadata.
    Modern,
    /// Sessions after `initialize`.
    Legacy,
}

impl Era {
    /// Both eras, the client's own first: a server that speaks it needs no bridge.
    pub(super) fn in_order(prefers_legacy: bool) -> [Self; 2] {
        if prefers_legacy {
            [Self::Legacy, Self::Modern]
        } else {
            [Self::Modern, Self::Legacy]
        }
    }
}

/// Which eras an upstream is known to speak, and not to speak.
#[derive(Debug, Default)]
pub(super) struct EraMemory {
    modern: AtomicU8,
    legacy: AtomicU8,
}

impl EraMemory {
    /// Whether it may speak an era, as far as is known.
    pub(super) fn may_speak(&self, era: Era) -> bool {
        self.of(era).load(Ordering::Acquire) != NO
    }

    /// Whether it is known to speak an era.
    pub(super) fn speaks(&self, era: Era) -> bool {
        self.of(era).load(Ordering::Acquire) == YES
    }

    pub(super) fn learn(&self, era: Era, speaks: bool) {
        self.of(era)
            .store(if speaks { YES } else { NO }, Ordering::Release);
    }

    /// For when what was remembered turns out wrong: the server was replaced.
    pub(super) fn forget(&self) {
        self.modern.store(UNKNOWN, Ordering::Release);
        self.legacy.store(UNKNOWN, Ordering::Release);
    }

    fn of(&self, era: Era) -> &AtomicU8 {
        match era {
            Era::Modern => &self.modern,
            Era::Legacy => &self.legacy,
        }
    }
}

/// Whether an error is one that only a modern server sends.
pub(super) fn is_modern_error(message: &Message) -> bool {
    #[derive(serde::Deserialize)]
    struct Code {
        code: i64,
    }
    let error = message
        .error
        .as_deref()
        .and_then(|error| serde_json::from_slice::<Code>(error).ok());
    error.is_some_and(|e| {
        [
            HEADER_MISMATCH,
            MISSING_CLIENT_CAPABILITY,
            UNSUPPORTED_VERSION,
        ]
        .contains(&e.code)
    })
}
