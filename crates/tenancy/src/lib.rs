//! Tenants, their people, mentors and keys; the audit of what they do, and how much of it they may.
//! Every function takes the tenant that it is about.
#![deny(clippy::unwrap_used)]
pub mod tenant;
pub mod auth;
pub mod audit;
pub mod rate_limit;
