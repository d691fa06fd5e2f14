//! What leaves by itself: mail and webhooks, each written down with the change that it tells of.
//! Whatever was committed is sent, in its order, by whichever replica comes to it.
#![deny(clippy::unwrap_used)]
pub mod webhook;
pub mod mail;
