//! What a server of ours is to its clients: a name, its tools and resources, and how it spells a failure.

use super::failure::{Failure, Refusal};
use super::resource::ResourceEntry;
use super::tool::ToolEntry;
use base::clock::UnixMs;
use tenancy::auth::Caller;
use tenancy::auth::token::TokenKind;
use tenancy::rate_limit::Charges;

/// A server of ours.
#[derive(Debug)]
pub struct Face {
    /// Its name in paths: `/mcp/{name}/`.
    pub name: &'static str,
    /// `serverInfo.name`.
    pub server_name: &'static str,
    /// `serverInfo.title`.
    pub title: &'static str,
    /// `serverInfo.version`.
    pub version: &'static str,
    /// What a model is told about the whole.
    pub instructions: &'static str,
    /// The kind of key that opens it.
    pub key: TokenKind,
    /// The scope that stands for every other; empty: none does.
    pub every_scope: &'static str,
    /// Largest file that comes in a call, in base64; in bytes.
    pub file_bytes_max: usize,
    /// Its tools.
    pub tools: &'static [ToolEntry],
    /// Its resources.
    pub resources: &'static [ResourceEntry],
    /// What a request counts under that needs this scope.
    pub charges: fn(&Caller, &'static str) -> Charges,
    /// How it spells a failure.
    pub spell: fn(&Refusal, &Circumstances<'_>) -> Failure,
}

/// What an error answer says beside the error.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The id of the request, for support.
    pub request_id: &'a str,
    /// When it happened.
    pub now: UnixMs,
}

impl Face {
    /// The tool with this name.
    pub fn tool(&self, name: &str) -> Option<&'static ToolEntry> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}
