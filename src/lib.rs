//! mentor-gateway
#![deny(clippy::unwrap_used)]
pub mod error;
pub mod clock;
pub mod tasks;
pub mod egress;
pub mod secret;
pub mod storage;
pub mod config;
pub mod mcp;
pub mod tenant;
pub mod auth;
pub mod audit;
pub mod registry;
pub mod credentials;
pub mod upstream;
pub mod gateway;
pub mod app;
pub mod http;
pub mod cli;
