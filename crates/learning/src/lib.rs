//! The academy, its learners, their careers and the files that they bring.
//! The nouns behind the native servers and the REST surface; knows neither.
#![deny(clippy::unwrap_used)]
pub mod files;
pub mod academy;
pub mod learner;
pub mod career;
