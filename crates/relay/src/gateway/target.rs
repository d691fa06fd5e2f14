//! What an endpoint of ours stands for.

/// What an MCP endpoint of ours stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The union of a mentor's servers; UUID, name or slug.
    Mentor(String),
    /// One server, names unprefixed.
    Server(i64),
    /// A server of our own, by its name in paths. `native` answers for it; nothing here does.
    Native(&'static str),
}
