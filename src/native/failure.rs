//! Why a call got no answer: what the mechanism itself refuses, and what the nouns do.

use serde_json::Value;

use crate::academy;
use crate::error::{Error, FieldErrors};
use crate::rate_limit::{Refused, Standing};
use crate::storage::StorageError;

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What any part of the product may refuse.
    #[error(transparent)]
    Core(#[from] Error),
    /// A rule of the academy.
    #[error(transparent)]
    Academy(academy::Error),
    /// The key does not have a scope that suffices.
    #[error("the scope {required} is required")]
    Scope {
        /// The scope that the call needs.
        required: &'static str,
        /// Those that the key has.
        held: Vec<String>,
    },
    /// The key, its user or its tenant used up an allowance.
    #[error("rate limit exceeded")]
    Limited(Refused),
    /// No tool has this name.
    #[error("Unknown tool: {0}")]
    UnknownTool(String),
    /// No resource has this URI.
    #[error("Unknown resource: {0}")]
    UnknownResource(String),
}

/// A refusal in the words of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The HTTP status where the wire has one.
    pub status: u16,
    /// The face's code.
    pub code: &'static str,
    /// The whole answer: `{"error": {…}}`.
    pub body: Value,
}

impl Refusal {
    /// A failure that no caller can do anything about.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Core(Error::internal(source))
    }

    /// An argument that passed the schema and still cannot be read.
    pub(super) fn argument(error: &serde_json::Error) -> Self {
        Self::Core(Error::field("arguments", error.to_string()))
    }
}

impl From<academy::Error> for Refusal {
    fn from(error: academy::Error) -> Self {
        match error {
            academy::Error::Core(error) => Self::Core(error),
            error => Self::Academy(error),
        }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Core(error.into())
    }
}

impl From<FieldErrors> for Refusal {
    fn from(errors: FieldErrors) -> Self {
        Self::Core(Error::Invalid(errors))
    }
}

/// How the caller's allowance stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Nothing was counted.
    Uncounted,
    /// The request was counted.
    Counted(Standing),
    /// It was used up.
    UsedUp(Refused),
}
