//! Why a stored secret cannot be read.

use std::path::PathBuf;

/// Why a stored secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key that sealed it is not among the configured ones.
    #[error("the master key {0:?} is not configured")]
    UnknownKey(String),
    /// It was altered, moved to another record, or is for another origin.
    #[error("a stored secret does not belong where it was found")]
    NotAuthentic,
    /// The key file or variable is not in the documented form.
    #[error("the master keys cannot be read: {0}")]
    BadKeys(&'static str),
    /// The key file cannot be read or written.
    #[error("cannot use {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
