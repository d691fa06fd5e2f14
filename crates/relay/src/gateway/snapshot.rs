//! What an upstream offered when it was last asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::item::{Item, List};
use crate::upstream::CallFailure;

/// How long a client may keep what a server of our own offers, in ms.
const FIXED_TTL_MS: u64 = 60_000;

/// The newest version of any snapshot in the process: lists are remembered under these numbers alone, so no
/// two catalogs may share one.
static LAST_VERSION: AtomicU64 = AtomicU64::new(0);

/// What an upstream offered when it was last asked.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows with every change of content; 0 before the first look.
    pub version: u64,
    /// The items of each list, in the upstream's order; indexed by [`List`] as `usize`.
    pub items: [Arc<[Item]>; 4],
    /// What it says about itself.
    pub instructions: Option<String>,
    /// How long the upstream lets answers be kept, in ms; `None` if it does not say.
    pub ttl_ms: Option<u64>,
    /// Why the last look failed, or a part of it, if it did; the items of that part are those of the last good one.
    pub failure: Option<CallFailure>,
    /// Parts that were left out of the last look and why, for `_meta` and the log.
    pub left_out: Arc<[String]>,
    /// What was found that looks as if it were meant to deceive somebody, and what became of it.
    pub flagged: Arc<[String]>,
}

impl Snapshot {
    /// The items of a list.
    pub fn list(&self, list: List) -> &[Item] {
        &self.items[list as usize]
    }

    /// A version that no other content in this process has.
    pub(super) fn next_version() -> u64 {
        LAST_VERSION.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// What a server of our own offers: the same until the next release.
    pub(super) fn fixed(items: [Arc<[Item]>; 4], instructions: &str) -> Self {
        Self {
            version: Self::next_version(),
            items,
            instructions: Some(instructions.to_owned()),
            ttl_ms: Some(FIXED_TTL_MS),
            ..Self::default()
        }
    }

    /// An item by its key.
    pub fn find(&self, list: List, key: &str) -> Option<&Item> {
        self.list(list).iter().find(|item| item.key == key)
    }

    /// A word for the state: `ok`, `pending` or the failure's.
    pub fn state(&self) -> &'static str {
        match (&self.failure, self.version) {
            (Some(failure), _) => failure.kind.as_str(),
            (None, 0) => "pending",
            (None, _) => "ok",
        }
    }
}
