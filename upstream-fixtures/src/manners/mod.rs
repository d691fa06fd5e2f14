//! Servers that speak MCP in manners of their own: one small server for each row of a table, and what a client has to
//! do with it. The same table is run against the gateway and against the official SDKs' clients.
//! Knows nothing of either, and answers no more than a few methods.

mod reply;
mod rows;
mod rows_http;
mod serve;

pub use serve::Manners;

use serde_json::{Value, json};

pub(crate) use reply::{Asked, Reply};

/// What a client has to do with a manner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// Use the server as if it behaved.
    Accept,
    /// Refuse it, and name this rule.
    Refuse(&'static str),
}

/// The official clients: TypeScript SDK 1 and 2, Python SDK 1 and 2.
pub const SDKS: [&str; 4] = ["ts1", "ts2", "py1", "py2"];

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Streamable HTTP, at `/NAME/mcp`.
    Http,
    /// HTTP+SSE, at `/NAME/sse`.
    Sse,
}

/// One manner.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Its name, and its part of the URL.
    pub name: &'static str,
    /// The transport.
    pub over: Over,
    /// What a client has to do.
    pub must: Must,
    /// The official clients that use such a server as if it behaved.
    pub taken_by: &'static [&'static str],
    /// Why it is refused although one of them takes it; else empty.
    pub reason: &'static str,
    /// What it answers instead of the well answer.
    pub(crate) does: fn(&Asked) -> Option<Reply>,
}

impl Manner {
    /// Every row.
    pub fn table() -> Vec<Manner> {
        [rows::ROWS, rows_http::ROWS].concat()
    }

    /// A bridge that has one child for all its connections and sends each answer to all of them, as `supergateway` does.
    /// Not in the table: the official clients all count from 0, and mix each other's answers up.
    pub fn bridge() -> Manner {
        Manner {
            name: serve::BRIDGE,
            over: Over::Sse,
            must: Must::Accept,
            taken_by: &[],
            reason: "",
            does: |_| None,
        }
    }

    /// Where its server is, below the address of [`Manners`].
    pub fn path(&self) -> String {
        match self.over {
            Over::Http => format!("/{}/mcp", self.name),
            Over::Sse => format!("/{}/sse", self.name),
        }
    }

    fn to_json(self) -> Value {
        json!({ "name": self.name, "path": self.path(), "takenBy": self.taken_by })
    }
}

impl std::fmt::Debug for Manner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
