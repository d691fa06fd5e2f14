//! What goes into a turn, and what comes out of it.

use super::frame::Frame;
use base::error::Error;

/// What a client sent for a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What the learner said; empty if the mentor is to begin.
    pub text: String,
    /// Whether the mentor is to begin.
    pub is_proactive: bool,
    /// The text of the page around the chat.
    pub page_content: String,
}

/// What comes out of a turn.
#[derive(Debug)]
pub enum Said {
    /// Something to tell the client.
    Frame(Frame),
    /// The turn failed; nothing comes after this.
    Failed(Error),
}
