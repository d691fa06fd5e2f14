//! Which era an upstream speaks, found once and remembered (2026-07-28, versioning, backward compatibility).

use std::sync::atomic::{AtomicU8, Ordering};

use crate::mcp::Message;
use crate::mcp::error::{HEADER_MISMATCH, MISSING_CLIENT_CAPABILITY, UNSUPPORTED_VERSION};

const UNKNOWN: u8 = 0;
const MODERN: u8 = 1;
const LEGACY: u8 = 2;

/// The era of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Stateless requests with metadata.
    Modern,
    /// Sessions after `initialize`.
    Legacy,
}

/// What is known of an upstream's era.
#[derive(Debug, Default)]
pub(super) struct EraMemory(AtomicU8);

impl EraMemory {
    pub(super) fn get(&self) -> Option<Era> {
        match self.0.load(Ordering::Acquire) {
            MODERN => Some(Era::Modern),
            LEGACY => Some(Era::Legacy),
            _ => None,
        }
    }

    pub(super) fn is_modern(&self) -> bool {
        self.get() == Some(Era::Modern)
    }

    pub(super) fn learn(&self, era: Era) {
        self.0.store(
            if era == Era::Modern { MODERN } else { LEGACY },
            Ordering::Release,
        );
    }

    /// For when what was remembered turns out wrong: the server was replaced.
    pub(super) fn forget(&self) {
        self.0.store(UNKNOWN, Ordering::Release);
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
