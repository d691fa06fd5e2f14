//! The registry: MCP servers and the connections that hold credentials to them.
//! Rules and SQL; knows no wire. Only `sealed` opens a stored secret, to mask it or to seal it anew.

pub mod attachment;
pub mod chat_model;
pub mod connected_service;
pub mod connection;
pub mod header;
pub mod keys;
pub mod sealed;
pub mod server;

/// An enum of words that are stored and answered, some with other spellings that are understood.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant),+ }

        impl $type {
            /// Every word that is answered, in order.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word that is stored and answered.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = ();
            fn from_str(word: &str) -> Result<Self, ()> {
                match word { $($word $(| $alias)* => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(word: String) -> Result<Self, String> {
                word.parse().map_err(|()| format!("{word:?} is not a stored word"))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

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
    /// `tenant` and `agent` are accepted spellings (contract.md sections 4 and 20).
    Scope {
        /// The whole tenant's.
        Platform = "platform" | "tenant",
        /// One mentor's.
        Mentor = "mentor" | "agent",
        /// Each person's own.
        User = "user",
    }
}
