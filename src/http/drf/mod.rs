//! The habits of the Django REST Framework that clients rely on: encodings, field errors, pages, error bodies.
//! Knows no noun.

pub mod body;
pub mod error;
pub mod fields;
mod form;
pub(super) mod json;
pub mod page;
mod python;
pub mod reader;
