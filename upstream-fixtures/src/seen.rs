//! What arrived at an upstream, in order, and a way to wait for it.
//! Must never change what it recorded: tests compare it with what was sent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// Entries kept; the oldest go first, so that a long demo does not fill the memory.
const SEEN_MAX: usize = 100_000;

/// Headers as they arrived, lower-case names, repeated names repeated.
pub(crate) type Headers = Vec<(String, String)>;

/// One thing that arrived at an upstream, or that happened to what arrived earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `POST`, `GET` or `DELETE`; `WS` for a WebSocket message; empty for what happened later.
    pub verb: String,
    /// Path and query of the HTTP request.
    pub path: String,
    /// All request headers; for a WebSocket message those of the handshake.
    pub headers: Headers,
    /// The JSON-RPC method. `cancelled` says that a running call was stopped, `closed` that a
    /// listening stream ended; both then carry the id, if there was one.
    pub method: Option<String>,
    /// The JSON-RPC id, whatever its type.
    pub id: Option<Value>,
    /// The JSON-RPC params, `null` when absent.
    pub params: Value,
    /// The whole JSON-RPC message, `null` when the request had none.
    pub message: Value,
}

impl Seen {
    /// Returns the first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Says whether this is a JSON-RPC message of this method.
    pub fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }
}

/// What was waited for did not come in time.
#[derive(Clone, Debug)]
pub struct NotSeen {
    /// The methods (or HTTP verbs) that did come, in order.
    pub instead: Vec<String>,
}

impl std::fmt::Display for NotSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not seen in time; seen: {}", self.instead.join(", "))
    }
}

impl std::error::Error for NotSeen {}

/// The log of one upstream.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Mutex<VecDeque<Seen>>,
    changed: watch::Sender<u64>,
}

impl Log {
    pub(crate) fn new() -> Log {
        Log {
            entries: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    pub(crate) fn push(&self, seen: Seen) {
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.len() == SEEN_MAX {
                entries.pop_front();
            }
            entries.push_back(seen);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Records that something happened to an earlier request.
    pub(crate) fn happened(&self, what: &str, headers: &Headers, id: Option<Value>) {
        self.push(Seen {
            verb: String::new(),
            path: String::new(),
            headers: headers.clone(),
            method: Some(what.to_owned()),
            id,
            params: Value::Null,
            message: Value::Null,
        });
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn forget(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    pub(crate) async fn wait_for(
        &self,
        wanted: impl Fn(&Seen) -> bool,
        deadline: Duration,
    ) -> Result<Seen, NotSeen> {
        let mut changes = self.changed.subscribe();
        let found = tokio::time::timeout(deadline, async {
            loop {
                changes.borrow_and_update();
                if let Some(seen) = self.all().into_iter().find(&wanted) {
                    return seen;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
        found.await.map_err(|_| NotSeen {
            instead: self
                .all()
                .into_iter()
                .map(|seen| seen.method.unwrap_or(seen.verb))
                .collect(),
        })
    }
}
