//! The only way out to the network: who may be dialled, and how much of an answer is read.
//! No other module opens an outbound socket (the database aside); this one never follows a redirect.

mod address;

pub use address::is_global;
