//! Career profiles: companies, institutions, education, experience and resumes of a learner, with their rules and SQL.
//! Never finds a record of another learner; knows neither MCP nor HTTP.

mod company;
mod education;
mod experience;
mod input;
mod institution;
mod record;

pub use company::Company;
pub use education::Education;
pub use experience::Experience;
pub use institution::{Institution, InstitutionType};
pub use record::{Change, Record, create, delete, list, replace};
