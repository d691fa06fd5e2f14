//! The methods of requests that MCP has, in any revision: what logs and metrics may name.
//! Refuses nothing; what a server makes of a method is its own.

use super::Message;

/// What every other method is called: its name is a caller's text, and has no end of values.
pub(crate) const OTHER: &str = "other";

/// Every method of a client's request, of every revision and of the tasks extension.
pub const METHODS: [&str; 21] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
    OTHER,
];

/// The method of a message, of those that MCP has.
pub fn of(message: &Message) -> &'static str {
    let method = message.method.as_deref().unwrap_or_default();
    known(method).unwrap_or(OTHER)
}

/// The method as a word of the closed set; `None` for what is none of it.
pub fn known(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}
