//! The mentor's tools as a chat uses them: through the gateway in this process, as the learner, bound to their chat.
//! Never goes around the gateway: rights, credentials, limits and audit are those of any MCP client.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::gateway::item::SERVERS_META;
use crate::gateway::{Gateway, Outcome, Request, Target};
use crate::upstream::Client;
use base::clock::random_hex;
use base::error::{Error, Result};
use base::trace::{self, Trace};
use mcp::raw::string;
use mcp::{Message, RawObject, Version, message};
use tenancy::auth::Caller;

/// Pages of the tool list at most; a page has 1000 tools.
const PAGES_MAX: usize = 20;
/// What a client of ours calls every request; each is alone on its wire.
const ID: &[u8] = b"1";

/// A tool that the mentor offers.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tool {
    /// Its name at the mentor.
    pub(super) name: String,
    /// What it does.
    #[serde(default)]
    pub(super) description: String,
    /// What it takes, as its server wrote it.
    #[serde(rename = "inputSchema")]
    pub(super) schema: Option<Box<RawValue>>,
}

/// How a server of the mentor is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ServerState {
    /// Its number.
    pub(super) id: i64,
    /// Its name.
    pub(super) name: String,
    /// A word of `gateway`: `ok`, `pending`, or why not.
    pub(super) state: String,
    /// A sentence, if it is not well.
    #[serde(default)]
    pub(super) message: String,
}

impl ServerState {
    /// What is wrong with it, as a sentence; none if it is well.
    pub(super) fn sentence(&self) -> Option<String> {
        let mut characters = self.message.chars();
        let first = characters.next()?;
        let stop = if self.message.ends_with('.') { "" } else { "." };
        Some(format!(
            "{}{}{stop}",
            first.to_uppercase(),
            characters.as_str()
        ))
    }
}

/// The mentor's tools now.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Every tool of every server that could be read.
    pub(super) tools: Vec<Tool>,
    /// Every server of the mentor.
    pub(super) servers: Vec<ServerState>,
}

/// What a call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Called {
    /// What the tool said, in words.
    pub(super) text: String,
    /// Whether it says that it failed.
    pub(super) is_error: bool,
}

/// The way to the tools of one mentor from one chat.
#[derive(Debug, Clone)]
pub(super) struct Toolbox {
    pub(super) gateway: Arc<Gateway>,
    pub(super) caller: Arc<Caller>,
    /// The mentor's UUID.
    pub(super) mentor: String,
    /// The chat session that a sign-in speaks in.
    pub(super) chat: Arc<str>,
}

/// A page of `tools/list`.
#[derive(Deserialize)]
struct ToolPage {
    tools: Vec<Box<RawValue>>,
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
    #[serde(rename = "_meta", default)]
    metadata: Value,
}

impl Toolbox {
    /// The tools, every page of them, and how the servers are.
    ///
    /// # Errors
    /// What the gateway refuses.
    pub(super) async fn list(&self) -> Result<Listed> {
        let mut listed = Listed::default();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut params = RawObject::default();
            if let Some(cursor) = &cursor {
                params.set("cursor", string(cursor));
            }
            let answer = self.answer("tools/list", params).await?;
            let result = answer.map_err(|refused| Error::internal(refused.message))?;
            let page: ToolPage = serde_json::from_slice(&result).map_err(Error::internal)?;
            // What is no tool to us is none to a model either; the gateway has passed it on as it came.
            let tools = page.tools.iter();
            let tools = tools.filter_map(|tool| serde_json::from_str::<Tool>(tool.get()).ok());
            listed.tools.extend(tools);
            listed.servers =
                serde_json::from_value(page.metadata[SERVERS_META].clone()).unwrap_or_default();
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(listed)
    }

    /// Calls a tool. Whatever comes back is something that can be said; dropping the future cancels the call.
    pub(super) async fn call(&self, name: &str, arguments: &RawValue) -> Called {
        let mut params = RawObject::default();
        params.set("name", string(name));
        params.set("arguments", arguments.get().as_bytes());
        match self.answer("tools/call", params).await {
            Ok(Ok(result)) => said(&result),
            Ok(Err(refused)) => Called {
                text: refused.message,
                is_error: true,
            },
            Err(error) => {
                tracing::error!(error = %error.chain(), "a chat could not call a tool");
                Called {
                    text: "The tool could not be called.".into(),
                    is_error: true,
                }
            }
        }
    }

    /// Looks again at the servers whose lists could not be read.
    pub(super) async fn look_again(&self) -> Result<()> {
        let target = Target::Mentor(self.mentor.clone());
        self.gateway.look_again(&self.caller, &target).await
    }

    /// The result of a request to the mentor's endpoint, or why it was refused.
    async fn answer(
        &self,
        method: &str,
        params: RawObject<'_>,
    ) -> Result<std::result::Result<Bytes, Refused>> {
        let trace = Trace::call(random_hex::<16>().into());
        trace.called_by(&self.caller.tenant.key);
        let mut asking = self.ask(message::request(ID, method, &params.to_json()).into());
        trace::within(trace, asking.as_mut()).await
    }

    /// Boxed, as the call in it is, and made where nothing is polled: in debug builds a turn's stack is nearly full
    /// without a call on it.
    fn ask(&self, text: Bytes) -> BoxFuture<'_, Result<std::result::Result<Bytes, Refused>>> {
        Box::pin(self.ask_now(text))
    }

    /// Boxed as [`Toolbox::ask`] is.
    fn handle(&self, request: Request, message: Message) -> BoxFuture<'_, Outcome> {
        Box::pin(self.gateway.handle(request, message))
    }

    async fn ask_now(&self, text: Bytes) -> Result<std::result::Result<Bytes, Refused>> {
        let message = Message::parse(text).map_err(Error::internal)?;
        let cancelled = CancellationToken::new();
        let request = Request {
            guard: self.gateway.guards.guard(&self.caller),
            caller: self.caller.clone(),
            target: Target::Mentor(self.mentor.clone()),
            version: Version::V2026_07_28,
            client: Client::gateway(),
            session: None,
            request_id: trace::request_id(),
            cancelled,
            param_headers: None,
            chat: Some(self.chat.clone()),
        };
        let last = match self.handle(request, message).await {
            Outcome::Answer(text, _) => Some(text),
            Outcome::Stream(mut relay) => {
                let mut last = None;
                while let Some(text) = relay.next().await {
                    last = Some(text);
                }
                last
            }
            // A call with a token for its progress, which we give none, and a subscription.
            Outcome::Told(_) | Outcome::Listen(_) => None,
        };
        let last = last.ok_or_else(|| Error::internal("a request of a chat had no answer"))?;
        let message = Message::parse(last).map_err(Error::internal)?;
        Ok(match (message.result, message.error) {
            (Some(result), _) => Ok(result),
            (None, error) => {
                Err(serde_json::from_slice(error.as_deref().unwrap_or(b"{}")).unwrap_or_default())
            }
        })
    }
}

/// A JSON-RPC error.
#[derive(Debug, Default, Deserialize)]
struct Refused {
    #[serde(default)]
    message: String,
}

/// The words in a tool's result: its texts, else its structured content; what is no text is named.
fn said(result: &[u8]) -> Called {
    let result: Value = serde_json::from_slice(result).unwrap_or_default();
    let blocks = result["content"].as_array();
    let mut parts: Vec<String> = blocks.into_iter().flatten().map(words_of).collect();
    if parts.is_empty() && !result["structuredContent"].is_null() {
        parts.push(result["structuredContent"].to_string());
    }
    if result["resultType"] == "input_required" {
        parts.push("The tool asks for something that cannot be given in this chat.".into());
    }
    Called {
        text: parts.join("\n"),
        is_error: result["isError"] == true,
    }
}

fn words_of(block: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match block["type"].as_str() {
        Some("text") => text(&block["text"]),
        Some("resource_link") => text(&block["uri"]),
        Some("resource") if block["resource"]["text"].is_string() => {
            text(&block["resource"]["text"])
        }
        Some(kind) => format!("[{kind}]"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(result: &str) -> (String, bool) {
        let called = said(result.as_bytes());
        (called.text, called.is_error)
    }

    #[test]
    fn a_result_is_put_into_words() {
        let texts = r#"{"content":[{"type":"text","text":"a"},{"type":"image","data":"x"}]}"#;
        assert_eq!(words(texts), ("a\n[image]".into(), false));
        let structured = r#"{"content":[],"structuredContent":{"n":1},"isError":true}"#;
        assert_eq!(words(structured), (r#"{"n":1}"#.into(), true));
        let resource = r#"{"content":[{"type":"resource","resource":{"text":"t"}},{"type":"resource_link","uri":"u:1"}]}"#;
        assert_eq!(words(resource), ("t\nu:1".into(), false));
        assert_eq!(words("nonsense"), (String::new(), false));
    }
}
