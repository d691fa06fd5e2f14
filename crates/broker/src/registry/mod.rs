//! The registry: MCP servers and the connections that hold credentials to them.
//! Rules and SQL; knows no wire. Only `sealed` opens a stored secret, to mask it or to seal it anew.

pub mod attachment;
pub mod audience;
pub mod chat_model;
pub mod connection;
pub mod grant;
pub mod header;
pub mod keys;
pub mod sealed;
pub mod server;
pub mod verdict;

use base::storage::words;

words! {
    /// The wire protocol of an upstream MCP endpoint.
    Transport {
        /// HTTP+SSE of 2024-11-05.
        Sse = "sse",
        /// WebSocket with the subprotocol `mcp`.
        Websocket = "websocket",
        /// Streamable HTTP of 2025-03-26 and later.
        StreamableHttp = "streamable_http",
    }
}

words! {
    /// How a call to a server is authenticated.
    AuthType {
        /// Not at all.
        None = "none",
        /// With a static token.
        Token = "token",
        /// With an OAuth grant.
        Oauth2 = "oauth2",
    }
}

words! {
    /// Whose credentials: of a server, the strategy; of a connection, the one it is for.
    /// `tenant` and `agent` are accepted spellings (docs/inside/contract.md#servers).
    Scope {
        /// The whole tenant's.
        Platform = "platform" | "tenant",
        /// One mentor's.
        Mentor = "mentor" | "agent",
        /// Each person's own.
        User = "user",
    }
}
