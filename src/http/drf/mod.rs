//! The habits of the Django REST Framework that clients rely on: bodies, pages, error bodies. What fields mean is read in [`base::fields`].
//! Knows no noun.

pub mod body;
pub mod error;
mod form;
pub mod page;
