//! mentor-gateway
#![deny(clippy::unwrap_used)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
pub mod error;
pub mod clock;
pub mod secret;
pub mod storage;
pub mod tenant;
pub mod auth;
