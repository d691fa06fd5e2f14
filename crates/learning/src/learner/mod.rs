//! Learners: who they are, what they did and when, and what that comes to.
//! Computes every answer when it is asked for; knows neither MCP nor HTTP.

mod details;
pub mod event;
mod info;
mod over_time;
mod overview;
mod record;
mod window;

pub use details::{DetailQuestion, Details, metrics_of};
pub use info::{Learner, UserInfo};
pub use over_time::Granularity;
pub use overview::{Overview, Question};
pub use record::zone_of;
pub use window::{Asked, Window};
