//! The academy: courses, cohorts, enrollments, materials and certificates of a tenant, with their rules and their SQL.
//! Knows neither MCP nor HTTP: the faces in `native` spell what is decided here.

pub mod calendar;
pub mod certificate;
pub mod cohort;
pub mod cohort_status;
pub mod completion;
pub mod course;
pub mod course_chat;
pub mod enroll;
pub mod enrollment;
mod enrollment_words;
pub mod download;
mod error;
mod event;
pub mod import;
mod json;
pub mod material;
pub mod message;
pub mod office_hours;
pub mod organization;
pub mod payment;
pub mod person;
mod realm;
pub mod sample;
pub mod sandbox;
pub mod statistics;
pub mod withdrawal;

pub use error::{Error, Result};
pub use json::Json;
pub use realm::{Actor, RealmId};

use base::clock::random_hex;

/// Random bytes of an id: 96 bits cannot be guessed.
const ID_BYTES: usize = 12;

/// A new id: `enr_` and random hexadecimal digits.
fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random_hex::<ID_BYTES>())
}
