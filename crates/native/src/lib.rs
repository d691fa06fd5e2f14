//! Native servers, MCP servers of our own: tools and resources that are small functions over the nouns, behind one
//! mechanism.
//! Holds no rule and no SQL of any noun; knows neither HTTP nor the relay.
//!
//! A [`Face`] is a server as a client sees it: names, spelling, errors. A tool is one file with a [`Tool`], one row in
//! its face's table and one test file; everything that must hold for all of them is checked over the tables.

pub mod academy;
mod audited;
mod call;
mod failure;
mod face;
mod faces;
mod long;
mod progress;
mod protocol;
mod resource;
mod schema;
mod server;
mod telling;
mod tool;
mod user;

pub use call::Call;
pub use face::Face;
pub use faces::{FACES, find};
pub use failure::{Allowance, Failure, Refusal};
pub use long::{LongCall, LongTool};
pub use progress::{Progress, Step, Told};
pub use protocol::{Answer, error_of, resources, tools};
pub use resource::{Resource, ResourceEntry, resource};
pub use server::{Parts, Reply, Request, Server, input, spell};
pub use telling::Telling;
pub use tool::{Access, Tool, ToolEntry, entry, long_entry};
