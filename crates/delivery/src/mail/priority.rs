//! How much a letter matters: who is sent first of those that are due, and what its headers say of it (RFC 2156).
//! Makes nothing due: when a letter goes out at the earliest is its campaign's to say.

use lettre::message::header::{HeaderName, HeaderValue};

use base::storage::words;

words! {
    /// How much a letter matters.
    #[derive(Default)]
    Priority {
        /// Whenever.
        Low = "low",
        /// As usual.
        #[default]
        Normal = "normal",
        /// Soon.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}

const IMPORTANCE: HeaderName = HeaderName::new_from_ascii_str("Importance");
const PRIORITY: HeaderName = HeaderName::new_from_ascii_str("Priority");

impl Priority {
    /// What is stored: the higher, the sooner.
    pub(super) fn urgency(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
            Self::Urgent => 3,
        }
    }
}

/// What a mail of this urgency says of itself; one as usual says nothing.
pub(super) fn headers(urgency: i64) -> Vec<HeaderValue> {
    let header = |name: HeaderName, word: &str| HeaderValue::new(name, word.to_owned());
    match urgency {
        0 => vec![header(IMPORTANCE, "low"), header(PRIORITY, "non-urgent")],
        2 => vec![header(IMPORTANCE, "high")],
        3.. => vec![header(IMPORTANCE, "high"), header(PRIORITY, "urgent")],
        _ => Vec::new(),
    }
}
