//! Learners: who they are, what they did and when, and what that comes to.
//! Computes every answer when it is asked for; knows neither MCP nor HTTP.

mod info;

pub use info::{Learner, UserInfo};
