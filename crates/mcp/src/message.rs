//! JSON-RPC messages as the bytes they came in, with the parts that a relay needs marked out.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::raw::slice_of;

/// Longest id, in bytes of JSON.
pub const ID_BYTES_MAX: usize = 256;
/// Messages of one batch, in the one revision that has batches.
pub(crate) const BATCH_MESSAGES_MAX: usize = 100;
/// Longest method name, in bytes.
pub(super) const METHOD_BYTES_MAX: usize = 256;

/// One JSON-RPC message. The parts are slices of one buffer.
#[derive(Debug, Clone)]
pub struct Message {
    /// The id as it was written, such as `1` or `"a"`.
    pub id: Option<Bytes>,
    /// The method of a request or notification.
    pub method: Option<Box<str>>,
    /// The parameters as they were written.
    pub params: Option<Bytes>,
    /// The result of a response.
    pub result: Option<Bytes>,
    /// The error of a response.
    pub error: Option<Bytes>,
    /// The whole message.
    pub whole: Bytes,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Has a method and an id.
    Request,
    /// Has a method and no id.
    Notification,
    /// Has a result or an error.
    Response,
}

/// Why a text is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not JSON: -32700.
    #[error("Parse error")]
    NotJson,
    /// JSON, but not one JSON-RPC 2.0 message: -32600.
    #[error("Invalid Request")]
    NotAMessage,
    /// An array: batches ended with 2025-06-18. -32600.
    #[error("Invalid Request: batches are not supported")]
    Batch,
    /// An array of more messages than are taken at once. -32600.
    #[error("Invalid Request: a batch has at most {BATCH_MESSAGES_MAX} messages")]
    LargeBatch,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps an explicit `null`, which `Option` alone would take for an absent member.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Message {
    /// Reads one message. A member of the envelope that is repeated is refused (docs/inside/threats.md#bodies).
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn parse(whole: Bytes) -> Result<Self, ParseError> {
        let first = whole.iter().find(|b| !b.is_ascii_whitespace());
        if first == Some(&b'[') && serde_json::from_slice::<&RawValue>(&whole).is_ok() {
            return Err(ParseError::Batch);
        }
        let envelope: Envelope<'_> =
            serde_json::from_slice(&whole).map_err(|e| match e.classify() {
                serde_json::error::Category::Data => ParseError::NotAMessage,
                _ => ParseError::NotJson,
            })?;
        let shape = (
            envelope.method.is_some(),
            envelope.result.is_some(),
            envelope.error.is_some(),
        );
        let shaped = matches!(
            shape,
            (true, false, false) | (false, true, false) | (false, false, true)
        );
        let method_fits = envelope
            .method
            .as_ref()
            .is_none_or(|m| m.len() <= METHOD_BYTES_MAX);
        if envelope.jsonrpc != "2.0" || !shaped || !method_fits || !id_is_valid(&envelope) {
            return Err(ParseError::NotAMessage);
        }
        let part = |value: Option<&RawValue>| value.map(|raw| slice_of(&whole, raw));
        Ok(Self {
            id: part(envelope.id),
            method: envelope
                .method
                .map(|method| method.into_owned().into_boxed_str()),
            params: part(envelope.params),
            result: part(envelope.result),
            error: part(envelope.error),
            whole,
        })
    }

    /// Reads a batch (2025-03-26): its messages, or why one is none.
    ///
    /// # Errors
    /// If it is no array of one to a hundred values.
    pub fn batch(whole: &Bytes) -> Result<Vec<Result<Self, ParseError>>, ParseError> {
        let parts: Vec<&RawValue> =
            serde_json::from_slice(whole).map_err(|_| ParseError::NotAMessage)?;
        match parts.len() {
            0 => Err(ParseError::NotAMessage),
            1..=BATCH_MESSAGES_MAX => Ok(parts
                .into_iter()
                .map(|part| Self::parse(slice_of(whole, part)))
                .collect()),
            _ => Err(ParseError::LargeBatch),
        }
    }

    /// What the message is.
    pub fn kind(&self) -> Kind {
        match (&self.method, &self.id) {
            (Some(_), Some(_)) => Kind::Request,
            (Some(_), None) => Kind::Notification,
            (None, _) => Kind::Response,
        }
    }

    /// The parameters, or an empty object.
    pub fn params_or_empty(&self) -> &[u8] {
        self.params.as_deref().unwrap_or(b"{}")
    }
}

/// An id is a string or a whole number; only an error response may have `null` for it.
fn id_is_valid(envelope: &Envelope<'_>) -> bool {
    let Some(id) = envelope.id.map(RawValue::get) else {
        return envelope.method.is_some() || envelope.error.is_some();
    };
    let is_string = id.starts_with('"');
    let is_whole = !id.is_empty()
        && id
            .strip_prefix('-')
            .unwrap_or(id)
            .bytes()
            .all(|b| b.is_ascii_digit());
    let is_allowed_null = id == "null" && envelope.error.is_some();
    id.len() <= ID_BYTES_MAX && (is_string || is_whole || is_allowed_null)
}

/// A request with an id and parameters that are JSON already.
pub fn request(id: &[u8], method: &str, params: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + id.len() + method.len() + params.len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id);
    out.extend_from_slice(b",\"method\":");
    super::raw::write_string(&mut out, method);
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(params);
    out.push(b'}');
    out
}

/// A notification with parameters that are JSON already.
pub fn notification(method: &str, params: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + method.len() + params.len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
    super::raw::write_string(&mut out, method);
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(params);
    out.push(b'}');
    out
}

/// A response with a result that is JSON already.
pub fn result(id: &[u8], result: &[u8]) -> Vec<u8> {
    response(id, b"result", result)
}

/// A response with an error object that is JSON already.
pub fn error(id: &[u8], error: &[u8]) -> Vec<u8> {
    response(id, b"error", error)
}

fn response(id: &[u8], member: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(36 + id.len() + value.len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(member);
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, ParseError> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn an_id_beyond_64_bits_is_kept_to_the_letter() {
        let message =
            parse(r#"{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}"#).unwrap();
        assert_eq!(message.id.as_deref(), Some(&b"18446744073709551616"[..]));
        assert_eq!(message.kind(), Kind::Request);
    }

    #[test]
    fn what_is_not_one_message_is_refused_with_its_kind() {
        for (text, error) in [
            ("{", ParseError::NotJson),
            ("[]", ParseError::Batch),
            (
                r#"{"jsonrpc":"2.0","method":"tools/list","method":"tools/call"}"#,
                ParseError::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
                ParseError::NotAMessage,
            ),
            (r#"{"id":1,"method":"ping"}"#, ParseError::NotAMessage),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                ParseError::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                ParseError::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
                ParseError::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
                ParseError::NotAMessage,
            ),
            (r#"{"jsonrpc":"2.0","id":1}"#, ParseError::NotAMessage),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_null_result_is_a_result() {
        let message = parse(r#"{"jsonrpc":"2.0","id":"x","result":null}"#).unwrap();
        assert_eq!(message.result.as_deref(), Some(&b"null"[..]));
        assert_eq!(message.kind(), Kind::Response);
    }
}
