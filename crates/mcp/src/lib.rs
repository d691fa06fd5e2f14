//! What MCP itself says: revisions, JSON-RPC envelopes, error codes, header encoding.
//! Messages are kept as the bytes that came; only what a relay must touch is opened
//! (docs/inside/decisions.md#raw-relay).

pub mod error;
pub mod headers;
pub mod heard;
pub mod message;
pub mod meta;
pub mod method;
pub mod raw;
pub mod version;

pub use message::{Message, ParseError};
pub use raw::RawObject;
pub use version::Version;

/// The levels that `logging/setLevel` knows: the severities of RFC 5424, the least first.
pub const LOG_LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];
