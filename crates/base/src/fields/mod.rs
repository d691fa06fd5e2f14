//! What a request may hold, said once: from one table of fields come its reader, the schema that is published, the
//! example, and what is answered to a field that is missing, null, wrong or too long.
//! Knows no request itself: each stands where it is used, as a struct that [`request!`] declares.
//!
//! A REST body in any encoding becomes [`Fields`]; a [`Request`] is read from them through a [`Reader`]. Arguments of a
//! native tool are held against the schema of their type by [`check`], in which no keyword goes unchecked.

pub mod check;
pub mod entry;
pub mod json;
pub mod kind;
mod lists;
pub mod messages;
pub mod python;
mod raw;
mod reader;
mod request;

pub use crate::request;
pub use messages::no_such;
pub use raw::{FIELDS_MAX, Fields, Raw, Upload};
pub use reader::{Day, FileOrText, Given, Reader, Text};
pub use request::{
    Body, Field, Need, Published, Request, Row, Slot, Table, default, optional, required,
};
