//! The frame of a chat client, in the one shape that WebSocket and SSE share (docs/inside/contract.md#chat).
//! Looks at its form only; who may talk to whom is not decided here.

use serde_json::Value;

use super::who::{TOKEN_CHARACTERS_MAX, Who};
use base::error::{Error, FieldErrors, Result};
use base::fields::kind::{Bool, Json, Spelled, Uuid};
use base::fields::{
    Fields, Given, Reader, Request, Text, json, messages, optional, request, required,
};
use relay::chat::{PROMPT_BYTES_MAX, Told};

/// Largest frame, in bytes.
pub(super) const FRAME_BYTES_MAX: usize = 512 * 1024;
/// Most text of the page around the chat, in characters; what is longer is cut.
const PAGE_CHARACTERS_MAX: usize = 100_000;
/// Most that a client may tell of the page around the chat, in bytes of JSON.
const METADATA_BYTES_MAX: usize = 16 * 1024;
/// Longest name of anything.
const NAME_CHARACTERS_MAX: usize = 255;

request! {
    /// A frame of a chat client.
    pub(super) struct ChatTurn {
        /// `name` (mentor: UUID, name or slug), `tenant`, `username`, `pathway`.
        flow: Given<Value> = required(Json::object("Expected an object.")) => { "name": "help-desk", "tenant": "acme", "username": "bob" };
        /// The session, a UUID; also in the query.
        session_id: Given<uuid::Uuid> = required(Uuid) => "0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11";
        /// What the learner says.
        prompt: Given<String> = optional(Text::verbatim(PROMPT_BYTES_MAX)) => "What is a prime number?";
        /// Whether the mentor is to begin.
        is_proactive: Given<bool> = optional(Bool) => false;
        /// The text of the page around the chat.
        page_content: Given<String> = optional(Text::verbatim(FRAME_BYTES_MAX)), such as "Lesson 1";
        /// What else there is to know of the page, an object; kept for the session.
        metadata: Given<Value> = optional(Json::object("Expected an object.")), such as { "lesson": 1 };
        /// The key, where no header has it.
        token: Given<String> = optional(Text::blank(TOKEN_CHARACTERS_MAX)), such as "";
        /// What the key is; of share links we issue none.
        token_type: Given<String> = optional(Spelled), such as "Token";
        /// Files, which no mentor here can read.
        file_references: Given<Value> = optional(Json::ANY), such as [];
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The mentor: UUID, name or slug.
    pub(super) mentor: String,
    /// Whom it comes from.
    pub(super) who: Who,
    /// The session, as a UUID is written canonically.
    pub(super) session: String,
    /// What was said; none if the client only connects.
    pub(super) told: Option<Told>,
    /// What the client tells of the page around the chat, a JSON object.
    pub(super) metadata: Option<String>,
    /// Whether it refers to files, which this mentor cannot read.
    pub(super) has_files: bool,
}

impl Asked {
    /// Reads a text frame.
    ///
    /// # Errors
    /// `Malformed` for what is no JSON object; `Invalid` with every wrong field.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        Self::of(&object(text)?)
    }

    /// Reads the fields of a frame.
    ///
    /// # Errors
    /// `Invalid` with every wrong field; `InvalidCredentials` for a token of a share link, of which we issue none.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let (turn, mut errors) = ChatTurn::whole(fields);
        if turn.token_type == Given::Value("link".to_owned()) {
            return Err(Error::InvalidCredentials);
        }
        let (mentor, tenant, username) = addressee(turn.flow, &mut errors);
        let metadata = metadata(turn.metadata, &mut errors);
        let has_files =
            matches!(turn.file_references, Given::Value(Value::Array(files)) if !files.is_empty());
        let prompt = turn.prompt.value().unwrap_or_default();
        let is_proactive = turn.is_proactive.value() == Some(true);
        let page = turn.page_content.value().unwrap_or_default();
        let told = told(prompt, is_proactive, &page, &mut errors);
        let session = turn.session_id.value();
        if session.is_none() && !errors.has("session_id") {
            errors.add("session_id", "Must be a valid UUID.");
        }
        errors.into_result()?;
        Ok(Self {
            mentor,
            who: Who {
                token: Who::token_in(turn.token),
                tenant,
                username,
            },
            session: session.map_or_else(String::new, |uuid| uuid.to_string()),
            told,
            metadata,
            has_files,
        })
    }
}

request! {
    /// A frame that stops a turn.
    struct StopFrame {
        /// Which turn.
        generation_id: Given<String> = required(Text::blank(NAME_CHARACTERS_MAX)) => "0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11";
        /// The tenant's key.
        tenant: Given<String> = required(Text::blank(NAME_CHARACTERS_MAX)) => "acme";
        /// The person, if it is not the key's own.
        username: Given<String> = optional(Text::blank(NAME_CHARACTERS_MAX)) => "bob";
        /// The key.
        token: Given<String> = optional(Text::blank(TOKEN_CHARACTERS_MAX)) => "a-key";
    }
}

/// A frame that stops a turn.
#[derive(Debug)]
pub(super) struct Stop {
    /// Whom it comes from.
    pub(super) who: Who,
    /// Which turn.
    pub(super) generation: String,
}

impl Stop {
    /// Reads a text frame.
    ///
    /// # Errors
    /// `Malformed` for what is no JSON object; `Invalid` with every wrong field.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let (frame, errors) = StopFrame::whole(&object(text)?);
        errors.into_result()?;
        let who = Who {
            token: Who::token_in(frame.token),
            tenant: frame.tenant.value().unwrap_or_default(),
            username: frame.username.value().unwrap_or_default(),
        };
        let generation = frame.generation_id.value().unwrap_or_default();
        Ok(Self { who, generation })
    }
}

/// The members of a frame's object.
fn object(text: &[u8]) -> Result<Fields> {
    match json::parse(text)? {
        Value::Object(members) => Ok(Fields::from_json(members)),
        _ => Err(Error::Malformed("a frame must be a JSON object".into())),
    }
}

/// Mentor, tenant and user in a `flow`; complaints are filed under it.
fn addressee(flow: Given<Value>, errors: &mut FieldErrors) -> (String, String, String) {
    let flow = match flow {
        Given::Value(Value::Object(members)) => Fields::from_json(members),
        _ => Fields::default(),
    };
    let mut reader = Reader::new(&flow);
    let mut text = |name: &str| {
        let text = reader.text(name, Text::blank(NAME_CHARACTERS_MAX));
        text.value().unwrap_or_default()
    };
    let (mentor, tenant, username) = (text("name"), text("tenant"), text("username"));
    if !errors.has("flow") {
        for (name, value) in [("name", &mentor), ("tenant", &tenant)] {
            if value.is_empty() {
                errors.add("flow", format!("`{name}` is required."));
            }
        }
    }
    (mentor, tenant, username)
}

fn told(text: String, is_proactive: bool, page: &str, errors: &mut FieldErrors) -> Option<Told> {
    if text.len() > PROMPT_BYTES_MAX && !errors.has("prompt") {
        errors.add("prompt", messages::too_large(PROMPT_BYTES_MAX));
    }
    let is_turn = is_proactive || !text.trim().is_empty();
    is_turn.then(|| Told {
        text,
        is_proactive,
        page_content: page.chars().take(PAGE_CHARACTERS_MAX).collect(),
    })
}

fn metadata(given: Given<Value>, errors: &mut FieldErrors) -> Option<String> {
    let text = given.value()?.to_string();
    if text.len() > METADATA_BYTES_MAX {
        errors.add("metadata", messages::too_large(METADATA_BYTES_MAX));
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "0D9F0C6E-36f5-4a5c-9d0c-1f0b7f5d3c11";

    fn refused(frame: &str) -> String {
        Asked::parse(frame.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_frame_of_the_published_client_is_read() {
        let frame = format!(
            r#"{{"flow":{{"name":"m","tenant":"acme","username":"bob","pathway":"m"}},"session_id":"{SESSION}","token":"k","prompt":"hi"}}"#
        );
        let asked = Asked::parse(frame.as_bytes()).unwrap();
        let who = asked.who;
        assert_eq!(
            (&*asked.mentor, &*who.tenant, &*who.username),
            ("m", "acme", "bob")
        );
        assert_eq!(asked.session, SESSION.to_lowercase());
        assert_eq!(asked.told.unwrap().text, "hi");
    }

    #[test]
    fn a_frame_that_says_nothing_only_connects() {
        for more in [
            "",
            r#","prompt":" ""#,
            r#","prompt":null,"is_proactive":false"#,
        ] {
            let frame = format!(
                r#"{{"flow":{{"name":"m","tenant":"acme"}},"session_id":"{SESSION}"{more}}}"#
            );
            assert_eq!(Asked::parse(frame.as_bytes()).unwrap().told, None, "{more}");
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(
            refused("{}"),
            "invalid input: flow: This field is required.; session_id: This field is required."
        );
        assert_eq!(
            refused(r#"{"flow":{"tenant":"acme"},"session_id":"x","metadata":[]}"#),
            "invalid input: flow: `name` is required.; metadata: Expected an object.; session_id: Must be a valid UUID."
        );
        assert_eq!(
            refused("[]"),
            "malformed request: a frame must be a JSON object"
        );
        assert_eq!(refused(r#"{"token_type":"link"}"#), "invalid token");
    }
}
