//! Mentors on the REST surface: the mentors themselves, their settings and their tools.

mod api_key_request;
pub(crate) mod api_keys;
mod mentor_answer;
mod mentor_request;
pub(crate) mod mentors;
pub(crate) mod settings;
mod settings_answer;
pub(crate) mod tools;
