//! What a chat client is told during a turn, and how it is spelled (docs/inside/contract.md#chat).
//! Knows no error frame: that is the wire's, which closes after it.

use serde_json::{Value, json};

use crate::gateway::chats::ChatEvent;

/// One frame of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A turn begins. Without it clients drop the text.
    Generation(String),
    /// A piece of the reply.
    Text(String),
    /// The turn is over; the connection stays open for more.
    End,
    /// Something is coming. Harmless, and sent while there is nothing else to say.
    Typing,
    /// A tool is called.
    ToolCall {
        /// Tells calls apart.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A tool has answered.
    ToolEnd {
        /// The call's.
        id: String,
        /// The tool.
        name: String,
        /// What it answered, shortened.
        text: String,
    },
    /// Tools could not be fetched at first, and now they were.
    ToolsRetrieved {
        /// The chat session.
        session: String,
        /// The mentor's UUID.
        mentor: String,
    },
    /// The turn goes on without something.
    Warning {
        /// For the learner.
        message: String,
        /// For the mentor's administrators.
        developer_error: String,
        /// The HTTP status that this would be.
        code: u16,
    },
}

impl Frame {
    /// The frame as clients read it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Generation(id) => json!({ "generation_id": id }),
            Self::Text(text) => json!({ "data": text }),
            Self::End => json!({ "eos": true }),
            Self::Typing => json!({ "type": "typing", "isTyping": true }),
            Self::ToolCall {
                id,
                name,
                arguments,
            } => json!({ "type": "tool_call", "id": id, "name": name, "value": arguments }),
            Self::ToolEnd { id, name, text } => {
                json!({ "type": "tool_call.end", "id": id, "name": name, "value": text })
            }
            Self::ToolsRetrieved { session, mentor } => {
                json!({ "type": "mcp_tools_retrieved", "session_id": session, "mentor_id": mentor })
            }
            Self::Warning {
                message,
                developer_error,
                code,
            } => json!({
                "type": "warning",
                "message": message,
                "developer_error": developer_error,
                "code": code,
            }),
        }
    }
}

/// What a sign-in has to say to a chat; an error in words if it ends the turn.
///
/// # Errors
/// The message of a sign-in that did not come about.
pub fn of_event(event: ChatEvent) -> Result<Value, String> {
    match event {
        ChatEvent::OauthRequired {
            server_id,
            server_name,
            auth_url,
            message,
        } => Ok(json!({
            "type": "oauth_required",
            "server_name": server_name,
            "server_id": server_id,
            "auth_url": auth_url,
            "message": message,
        })),
        ChatEvent::OauthResolved {
            server_id,
            server_name,
            message,
        } => Ok(json!({
            "type": "oauth_connection_resolved",
            "server_name": server_name,
            "server_id": server_id,
            "message": message,
        })),
        ChatEvent::OauthFailed { message, .. } => Err(message),
    }
}
