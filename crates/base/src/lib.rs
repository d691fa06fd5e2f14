//! What every floor stands on: errors, time, secrets, the database, fields of requests, the log, background work.
//! Knows nothing of tenants, of MCP or of HTTP.
#![deny(clippy::unwrap_used)]
pub mod error;
pub mod clock;
pub mod cache;
pub mod descriptors;
pub mod trace;
pub mod tasks;
pub mod metrics;
pub mod secret;
pub mod storage;
pub mod fields;
pub mod queue;
