//! The frame of a chat client, in the one shape that WebSocket and SSE share (docs/inside/contract.md#chat).
//! Looks at its form only; who may talk to whom is not decided here.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::drf::fields::Fields;
use super::super::drf::json;
use super::super::drf::reader::{Reader, Text};
use super::who::Who;
use crate::chat::{PROMPT_BYTES_MAX, Told};
use crate::error::{Error, FieldErrors, Result};

/// Largest frame, in bytes.
pub(super) const FRAME_BYTES_MAX: usize = 512 * 1024;
/// Most text of the page around the chat, in characters; what is longer is cut.
const PAGE_CHARACTERS_MAX: usize = 100_000;
/// Most that a client may tell of the page around the chat, in bytes of JSON.
const METADATA_BYTES_MAX: usize = 16 * 1024;
/// Longest name of anything.
const NAME_CHARACTERS_MAX: usize = 255;

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
        let mut reader = Reader::new(fields);
        if reader.word("token_type").value().as_deref() == Some("link") {
            return Err(Error::InvalidCredentials);
        }
        let flow = match reader.json("flow").value() {
            Some(Value::Object(members)) => Fields::from_json(members),
            _ => Fields::default(),
        };
        let session = reader.uuid("session_id").value();
        let mut errors = FieldErrors::default();
        fields.require(&["flow", "session_id"], &mut errors);
        let (mentor, tenant, username) = addressee(&flow, &mut errors);
        let token = Who::token_in(&mut reader);
        let metadata = metadata(&mut reader);
        let has_files = matches!(reader.json("file_references").value(), Some(Value::Array(files)) if !files.is_empty());
        let told = told(&mut reader);
        for (field, messages) in reader.errors.iter().filter(|(name, _)| *name != "flow") {
            messages
                .iter()
                .for_each(|message| errors.add(field, message));
        }
        if session.is_none() && !errors.has("session_id") {
            errors.add("session_id", "Must be a valid UUID.");
        }
        errors.into_result()?;
        Ok(Self {
            mentor,
            who: Who {
                token,
                tenant,
                username,
            },
            session: session.map_or_else(String::new, |uuid: Uuid| uuid.to_string()),
            told,
            metadata,
            has_files,
        })
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
        let fields = object(text)?;
        let mut reader = Reader::new(&fields);
        let token = Who::token_in(&mut reader);
        let mut text = |name: &str| {
            let text = reader.text(name, Text::blank(NAME_CHARACTERS_MAX));
            text.value().unwrap_or_default()
        };
        let (generation, tenant) = (text("generation_id"), text("tenant"));
        let username = text("username");
        fields.require(&["generation_id", "tenant"], &mut reader.errors);
        reader.finish()?;
        let who = Who {
            token,
            tenant,
            username,
        };
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
fn addressee(flow: &Fields, errors: &mut FieldErrors) -> (String, String, String) {
    let mut reader = Reader::new(flow);
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

fn told(reader: &mut Reader<'_>) -> Option<Told> {
    let prompt = reader
        .text("prompt", Text::verbatim(PROMPT_BYTES_MAX))
        .value();
    let is_proactive = reader.boolean("is_proactive").value() == Some(true);
    let page = reader
        .text("page_content", Text::verbatim(FRAME_BYTES_MAX))
        .value();
    let text = prompt.unwrap_or_default();
    if text.len() > PROMPT_BYTES_MAX {
        reader.errors.add(
            "prompt",
            format!("Ensure this field has no more than {PROMPT_BYTES_MAX} bytes."),
        );
    }
    let is_turn = is_proactive || !text.trim().is_empty();
    is_turn.then(|| Told {
        text,
        is_proactive,
        page_content: page
            .unwrap_or_default()
            .chars()
            .take(PAGE_CHARACTERS_MAX)
            .collect(),
    })
}

fn metadata(reader: &mut Reader<'_>) -> Option<String> {
    let members: Map<String, Value> = match reader.json("metadata").value()? {
        Value::Object(members) => members,
        _ => {
            reader.errors.add("metadata", "Expected an object.");
            return None;
        }
    };
    let text = Value::Object(members).to_string();
    if text.len() > METADATA_BYTES_MAX {
        reader.errors.add(
            "metadata",
            format!("Ensure this field has no more than {METADATA_BYTES_MAX} bytes."),
        );
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
