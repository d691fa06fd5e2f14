//! The reserved `_meta` keys of per-request and per-result metadata (2026-07-28, basic).

/// The revision of the request.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Name and version of the client.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What the client can do.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The least severe log message that the request wants.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Name and version of the server, in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Which subscription a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The task that a message belongs to (2025-11-25).
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// Opts a request into progress notifications.
pub const PROGRESS_TOKEN: &str = "progressToken";

/// What names of our own begin with; nobody else may say them (docs/inside/threats.md#names-of-the-gateway).
pub const OWN_PREFIX: &str = "mentor-gateway/";
/// What a client says to its own observers (W3C Baggage); a server is none of them.
pub const BAGGAGE: &str = "baggage";
/// Largest `_meta` that passes in either direction, in bytes.
pub const META_BYTES_MAX: usize = 256 * 1024;
/// Under which an upstream's `_meta` that was too large says so.
pub const LEFT_OUT: &str = "mentor-gateway/leftOut";

/// The keys that only mean something on a modern request; a legacy upstream gets none of them.
pub const MODERN_REQUEST_KEYS: [&str; 4] = [
    PROTOCOL_VERSION,
    CLIENT_INFO,
    CLIENT_CAPABILITIES,
    LOG_LEVEL,
];
