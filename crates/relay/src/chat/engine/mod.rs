//! What answers for a mentor: the tenant's language model, or without one the tools themselves.
//! An engine talks through its [`Talk`] and touches neither the database nor a wire of ours.

pub(super) mod built_in;
pub(super) mod model;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::frame::Frame;
use super::message::Message;
use super::said::{Said, Told};
use super::tools::{Called, Listed, Toolbox};
use base::clock::random_uuid;
use broker::model::shorten;
use tenancy::tenant::mentor::Mentor;
use tenancy::tenant::mentor::settings::{SETTINGS, value_of};

/// Longest reply of one turn, in bytes; what is longer is cut.
const REPLY_BYTES_MAX: usize = 256 * 1024;
/// Most of a tool's answer that a client is shown beside the reply, in bytes.
const SHOWN_BYTES_MAX: usize = 4 * 1024;

/// Why a chat that was opened without tools has none.
pub(super) const NO_TOOLS: &str = "This chat was opened without tools.";

/// A turn as an engine sees it.
pub(super) struct Talk<'a> {
    pub(super) mentor: &'a Mentor,
    /// What was said before, the oldest first.
    pub(super) history: &'a [Message],
    pub(super) told: &'a Told,
    /// What the client told of the page around the chat, a JSON object.
    pub(super) metadata: &'a str,
    pub(super) listed: &'a Listed,
    /// Why the mentor has no tools at all, in a sentence.
    pub(super) note: Option<&'a str>,
    /// The way to the tools, if this chat may use any.
    pub(super) toolbox: Option<&'a Toolbox>,
    pub(super) out: &'a mut Out,
}

/// Where frames go, and what was said so far.
#[derive(Debug)]
pub(super) struct Out {
    client: mpsc::Sender<Said>,
    pub(super) said: String,
}

impl Out {
    pub(super) fn new(client: mpsc::Sender<Said>) -> Self {
        let said = String::new();
        Self { client, said }
    }

    /// Tells the client something. A client that is gone hears nothing; its turn is ended elsewhere.
    pub(super) async fn tell(&self, frame: Frame) {
        let _ = self.client.send(Said::Frame(frame)).await;
    }

    /// Says a piece of the reply. `false` when the reply is as long as one may be.
    pub(super) async fn say(&mut self, text: &str) -> bool {
        let room = REPLY_BYTES_MAX - self.said.len();
        let piece = &text[..text.floor_char_boundary(room)];
        if !piece.is_empty() {
            self.said.push_str(piece);
            self.tell(Frame::Text(piece.to_owned())).await;
        }
        piece.len() == text.len()
    }
}

impl Talk<'_> {
    /// Calls a tool and lets the client watch.
    pub(super) async fn call(&mut self, name: &str, arguments: &RawValue) -> Called {
        let Some(toolbox) = self.toolbox else {
            return Called {
                text: NO_TOOLS.to_owned(),
                is_error: true,
            };
        };
        let id = random_uuid().to_string();
        let shown: Value = serde_json::from_str(arguments.get()).unwrap_or_default();
        self.out
            .tell(Frame::ToolCall {
                id: id.clone(),
                name: name.to_owned(),
                arguments: shown,
            })
            .await;
        let called = toolbox.call(name, arguments).await;
        self.out
            .tell(Frame::ToolEnd {
                id,
                name: name.to_owned(),
                text: shorten(&called.text, SHOWN_BYTES_MAX),
            })
            .await;
        called
    }

    /// The text of a setting of the mentor; empty if it is not set.
    pub(super) fn setting(&self, name: &str) -> String {
        let stored = self.mentor.stored_settings();
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let value = setting.map(|setting| value_of(&stored, setting));
        let text = value.as_ref().and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// What the mentor says first, if that is a fixed text.
    pub(super) fn greeting(&self) -> Option<String> {
        let fixed = ["proactive_response", "initial_message"];
        let texts = fixed.into_iter().map(|name| self.setting(name));
        texts.into_iter().find(|text| !text.is_empty())
    }
}
