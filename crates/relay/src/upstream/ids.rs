//! Numbers for our requests, which are their ids and progress tokens. None is used twice in a process: a server or a
//! bridge that sends one connection's answer to another must find nobody there who waits for it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use base::clock::random_bytes;

/// Any server can hold these in a signed integer of 32 bits.
const LARGEST: u32 = i32::MAX as u32;

/// Begins anywhere, so that two replicas in front of one server hardly ever have the same number under way.
static NEXT: LazyLock<AtomicU32> =
    LazyLock::new(|| AtomicU32::new(u32::from_le_bytes(random_bytes()) & (LARGEST >> 1)));

/// The next number, from 1.
pub(super) fn next() -> u64 {
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) & LARGEST;
        if number > 0 {
            return number.into();
        }
    }
}
