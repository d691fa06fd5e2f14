//! Why the academy refuses: its own rules, and what every part may refuse.
//! Says nothing of codes or statuses; each face has one file that spells them.

use super::enrollment_words::Status;
use base::error;
use base::storage::StorageError;

/// The outcome of everything in the academy.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing that is the academy's own.
    #[error(transparent)]
    Core(#[from] error::Error),
    /// Somebody else's, or not there at all: both answer the same.
    #[error("{0} not found")]
    NotYours(&'static str),
    /// No seat is left.
    #[error("Cannot enroll: cohort is at full capacity")]
    CohortFull {
        /// The cohort.
        cohort: String,
        /// Its seats.
        seats_total: i64,
        /// Those that are taken.
        seats_taken: i64,
    },
    /// The cohort takes nobody, whatever its seats.
    #[error("Cannot enroll: {0}")]
    CohortClosed(String),
    /// The person has a place in this cohort already.
    #[error("User is already enrolled in this cohort")]
    EnrollmentExists {
        /// Their enrollment.
        enrollment: String,
    },
    /// The access that came with the enrollment has ended.
    #[error("This enrollment has expired")]
    EnrollmentExpired {
        /// The enrollment.
        enrollment: String,
        /// When it ended, Unix ms.
        expired_at: i64,
    },
    /// There is no enrollment that would open this.
    #[error("You need an active enrollment to access {0}")]
    NotEnrolled(&'static str),
    /// The course is not completed.
    #[error("Certificate is only available for completed enrollments")]
    CertificateNotAvailable {
        /// What the enrollment is instead.
        status: Status,
        /// How far it is, in percent.
        progress: i64,
    },
    /// The office hours are taken, past, or too many.
    #[error("{0}")]
    BookingConflict(String),
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Core(error.into())
    }
}

impl Error {
    /// One field, one message.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self::Core(error::Error::field(name, message))
    }

    /// No such thing in this realm.
    pub fn not_found(what: &'static str) -> Self {
        Self::Core(error::Error::NotFound(what))
    }
}
