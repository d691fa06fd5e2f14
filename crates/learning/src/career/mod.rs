//! Career profiles: companies, institutions, education, experience and resumes of a learner, with their rules and SQL.
//! Never finds a record of another learner; knows neither MCP nor HTTP.

mod company;
pub mod content;
mod draft;
mod education;
mod experience;
mod file;
mod institution;
mod picture;
mod record;
pub mod resume;
pub mod sample;

pub use company::Company;
pub use education::Education;
pub use experience::Experience;
pub use file::FILE_BYTES_MAX;
pub use institution::{Institution, InstitutionType};
pub use record::{Change, Record, complaints, create, delete, list, replace};
