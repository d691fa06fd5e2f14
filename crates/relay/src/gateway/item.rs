//! The four lists, and what stands in one.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use mcp::raw::value_at;

/// Items of one list at most.
pub(super) const ITEMS_MAX: usize = 10_000;
/// Bytes of the items of one list at most; the items after that are left out.
pub(super) const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest `ttlMs` that we pass on, in ms: a changed attachment is felt within it.
pub(super) const TTL_MS_MAX: u64 = 60_000;
/// The `_meta` key of a list under which each server's state is reported.
pub(crate) const SERVERS_META: &str = "mentor-gateway/servers";

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

impl List {
    /// Every list.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that asks for it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds the items.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an item that names it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// The capability of servers that have it.
    pub fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// What stands in it, in the words of a sentence.
    pub fn things(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resource templates",
        }
    }

    /// The list that a method asks for.
    pub(crate) fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.method() == method)
    }
}

/// One tool, prompt, resource or template.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name or URI at the upstream.
    pub key: String,
    /// The object as it came, or as every client takes it.
    pub json: Bytes,
    /// As the revisions with sessions want it, where that differs.
    pub for_sessions: Option<Bytes>,
    /// Parameters that travel as headers too (tools of modern HTTP upstreams).
    pub param_headers: Arc<[ParamHeader]>,
    /// Whether carrying it out twice does no harm (annotations of tools).
    pub is_idempotent: bool,
}

/// A tool parameter that is mirrored into a header (2026-07-28, `x-mcp-header`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamHeader {
    /// The header.
    pub header: HeaderName,
    /// Where the value stands in the arguments.
    pub path: Vec<String>,
}

impl ParamHeader {
    /// The value that the arguments have for it, as text; none if they have none.
    pub fn value_in(&self, arguments: &[u8]) -> Option<String> {
        let value = value_at(arguments, &self.path)?;
        match value.first()? {
            b'"' => serde_json::from_slice(value).ok(),
            b't' | b'f' => Some(String::from_utf8_lossy(value).into_owned()),
            b'-' | b'0'..=b'9' => {
                let number: serde_json::Number = serde_json::from_slice(value).ok()?;
                Some(number.to_string())
            }
            _ => None,
        }
    }

    /// The header with that value.
    pub fn of(&self, arguments: &[u8]) -> Option<(HeaderName, HeaderValue)> {
        Some((
            self.header.clone(),
            mcp::headers::encode(&self.value_in(arguments)?),
        ))
    }
}
