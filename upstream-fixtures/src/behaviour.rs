//! What an upstream is like before it starts: its transport, its era, what it offers.
//! Must never hold state; what changes while it runs is in `state.rs`.

use serde_json::Value;

use crate::ill::{Ill, Illness};
use crate::revision::{LEGACY, Revision};
use crate::tools;

/// How an upstream is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP at `/mcp`.
    StreamableHttp,
    /// HTTP+SSE of 2024-11-05: `GET /sse`, `POST /messages?sessionId=`.
    Sse,
    /// WebSocket at `/ws`, subprotocol `mcp`.
    WebSocket,
}

/// Which eras an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize` first, then a session.
    Legacy,
    /// 2026-07-28: each request stands alone.
    Modern,
    /// Both on one URL.
    Dual,
}

/// How a streamable HTTP upstream answers a request that needs no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// One JSON object; a stream only when something goes before the answer.
    Json,
    /// Always an event stream.
    Stream,
}

/// What an upstream is like.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How it is reached.
    pub transport: Transport,
    /// Which eras it speaks.
    pub era: Era,
    /// Its name in `serverInfo`.
    pub name: String,
    /// Its tools, as they are listed; the names that `tools/` knows do what they do there, any
    /// other echoes its arguments.
    pub tools: Vec<Value>,
    /// Whether it also offers resources, prompts, completion and logging.
    pub offers_all: bool,
    /// Items in a page of any list.
    pub page_size: usize,
    /// The legacy revisions it accepts, newest first.
    pub revisions: Vec<Revision>,
    /// How it answers over streamable HTTP.
    pub answers: Answers,
    /// Whether `GET` opens a stream over streamable HTTP with sessions; 405 otherwise.
    pub has_get_stream: bool,
    /// How long a modern list may be kept, in ms.
    pub ttl_ms: u64,
    /// Who may share a modern list: `public` or `private`.
    pub cache_scope: String,
    /// What is wrong with it.
    pub illness: Option<Illness>,
}

impl Behaviour {
    /// Streamable HTTP of 2026-07-28 only.
    pub fn stateless() -> Behaviour {
        Behaviour::new(Transport::StreamableHttp, Era::Modern, "stateless")
    }

    /// Streamable HTTP with sessions, 2025-03-26 to 2025-11-25.
    pub fn sessions() -> Behaviour {
        let revisions = LEGACY[..3].to_vec();
        let new = Behaviour::new(Transport::StreamableHttp, Era::Legacy, "sessions");
        Behaviour { revisions, ..new }
    }

    /// Streamable HTTP that speaks both eras on one URL.
    pub fn dual() -> Behaviour {
        let revisions = LEGACY[..3].to_vec();
        Behaviour {
            revisions,
            ..Behaviour::new(Transport::StreamableHttp, Era::Dual, "dual")
        }
    }

    /// HTTP+SSE of 2024-11-05, speaking any legacy revision over it.
    pub fn sse() -> Behaviour {
        Behaviour::new(Transport::Sse, Era::Legacy, "sse")
    }

    /// WebSocket with a session for each connection.
    pub fn websocket() -> Behaviour {
        Behaviour::new(Transport::WebSocket, Era::Legacy, "websocket")
    }

    /// WebSocket carrying 2026-07-28 as stdio would: no headers, cancellation by notification.
    pub fn websocket_modern() -> Behaviour {
        Behaviour::new(Transport::WebSocket, Era::Modern, "websocket-modern")
    }

    fn new(transport: Transport, era: Era, name: &str) -> Behaviour {
        Behaviour {
            transport,
            era,
            name: format!("fixture-{name}"),
            tools: tools::every_tool(),
            offers_all: true,
            page_size: usize::MAX,
            revisions: LEGACY.to_vec(),
            answers: Answers::Json,
            has_get_stream: true,
            ttl_ms: 0,
            cache_scope: "private".to_owned(),
            illness: None,
        }
    }

    /// Gives it another name.
    pub fn named(self, name: impl Into<String>) -> Behaviour {
        Behaviour {
            name: name.into(),
            ..self
        }
    }

    /// Gives it other tools, and nothing but tools.
    pub fn with_tools(self, tools: Vec<Value>) -> Behaviour {
        Behaviour {
            tools,
            offers_all: false,
            ..self
        }
    }

    /// Lists in pages of this many items.
    pub fn paged(self, page_size: usize) -> Behaviour {
        Behaviour {
            page_size: page_size.max(1),
            ..self
        }
    }

    /// Accepts these legacy revisions only, newest first.
    pub fn speaking(self, revisions: &[Revision]) -> Behaviour {
        Behaviour {
            revisions: revisions.to_vec(),
            ..self
        }
    }

    /// Answers every request with an event stream.
    pub fn streaming(self) -> Behaviour {
        Behaviour {
            answers: Answers::Stream,
            ..self
        }
    }

    /// Answers `GET` with 405, as upstreams that never speak first do.
    pub fn without_get_stream(self) -> Behaviour {
        Behaviour {
            has_get_stream: false,
            ..self
        }
    }

    /// Lets modern lists be kept for `ttl_ms`, by `public` or `private` caches.
    pub fn cached(self, ttl_ms: u64, cache_scope: &str) -> Behaviour {
        Behaviour {
            ttl_ms,
            cache_scope: cache_scope.to_owned(),
            ..self
        }
    }

    /// Is ill from the start.
    pub fn ill(self, ill: Ill) -> Behaviour {
        self.with_illness(Illness::new(ill))
    }

    /// Is ill from the start, in the given place and as often as given.
    pub fn with_illness(self, illness: Illness) -> Behaviour {
        Behaviour {
            illness: Some(illness),
            ..self
        }
    }
}
