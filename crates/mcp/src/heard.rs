//! What a server says, read as leniently as the official clients read it: what two of the four take is taken
//! (docs/inside/decisions.md#lenient-with-servers). Names the rule where nothing can be made of a text.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::message::{self, ID_BYTES_MAX, METHOD_BYTES_MAX, Message, ParseError};
use super::raw::slice_of;
use base::error::BrokenRule;

/// Messages of one batch at most (2025-03-26 has batches).
pub(crate) const BATCH_MESSAGES_MAX: usize = 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One message, or the messages of a batch.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    One(Message),
    /// A batch; never empty.
    Batch(Vec<Message>),
}

/// Reads what a server sent.
///
/// # Errors
/// The rule that it breaks.
pub fn hear(text: Bytes) -> Result<Heard, BrokenRule> {
    match Message::parse(text.clone()) {
        Ok(message) => Ok(Heard::One(message)),
        Err(ParseError::Batch | ParseError::LargeBatch) => batch(&text).map(Heard::Batch),
        Err(ParseError::NotJson | ParseError::NotAMessage) => once_more(text),
    }
}

/// Reads what is no message to the letter.
fn once_more(text: Bytes) -> Result<Heard, BrokenRule> {
    if text.trim_ascii().is_empty() {
        return Err(BrokenRule::new("empty", "it answers with nothing"));
    }
    if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        return hear(text.slice_ref(rest));
    }
    if std::str::from_utf8(&text).is_err() {
        let readable = String::from_utf8_lossy(&text).into_owned();
        return hear(Bytes::from(readable));
    }
    lenient(text).map(Heard::One)
}

fn batch(text: &Bytes) -> Result<Vec<Message>, BrokenRule> {
    let parts: Vec<&RawValue> = serde_json::from_slice(text).map_err(|_| not_json())?;
    if parts.is_empty() {
        return Err(BrokenRule::new("empty", "it answers with an empty batch"));
    }
    if parts.len() > BATCH_MESSAGES_MAX {
        return Err(BrokenRule::new(
            "batch",
            format!("a batch has more than {BATCH_MESSAGES_MAX} messages"),
        ));
    }
    let parts = parts.into_iter().map(|part| slice_of(text, part));
    parts
        .map(|part| Message::parse(part.clone()).or_else(|_| lenient(part)))
        .collect()
}

fn not_json() -> BrokenRule {
    BrokenRule::new("json", "what it says is not JSON")
}

/// Members that are `null` beside others that are not are absent, of two with one name the last counts, and an id may be
/// a whole number in any spelling.
fn lenient(whole: Bytes) -> Result<Message, BrokenRule> {
    let members: Members<'_> = serde_json::from_slice(&whole).map_err(|error| {
        if error.is_data() {
            BrokenRule::new("message", "what it says is not a JSON-RPC message")
        } else {
            not_json()
        }
    })?;
    if members.get("jsonrpc") != Some("\"2.0\"") {
        return Err(BrokenRule::new("jsonrpc", "its `jsonrpc` is not \"2.0\""));
    }
    let part = |name| members.raw(name).map(|raw| slice_of(&whole, raw));
    let some = |name| part(name).filter(|value| &value[..] != b"null");
    let method = some("method")
        .map(|json| serde_json::from_slice::<String>(&json))
        .transpose()
        .ok()
        .filter(|method| method.as_ref().is_none_or(|m| m.len() <= METHOD_BYTES_MAX))
        .ok_or_else(|| BrokenRule::new("method", "a method is not a text"))?;
    if method.is_some() && members.has_twin {
        return Err(BrokenRule::new(
            "member",
            "a member of its request is repeated",
        ));
    }
    let error = some("error");
    let result = match &error {
        None if method.is_none() => part("result"),
        _ => some("result"),
    };
    let is_one = usize::from(method.is_some())
        + usize::from(result.is_some())
        + usize::from(error.is_some())
        == 1;
    if !is_one {
        return Err(BrokenRule::new(
            "result",
            "its response has not one of `result` and `error`",
        ));
    }
    let id = match part("id") {
        Some(id) if &id[..] == b"null" && error.is_some() => Some(id),
        Some(id) if is_id(&id) => Some(plain_id(id)),
        None if method.is_some() || error.is_some() => None,
        Some(_) | None => {
            return Err(BrokenRule::new("id", "its response has no usable `id`"));
        }
    };
    let params = some("params");
    // What is passed on whole must be a message to the letter.
    let whole = match (&method, &id) {
        (Some(method), Some(id)) => {
            message::request(id, method, params.as_deref().unwrap_or(b"{}")).into()
        }
        (Some(method), None) => {
            message::notification(method, params.as_deref().unwrap_or(b"{}")).into()
        }
        (None, _) => whole,
    };
    Ok(Message {
        id,
        method: method.map(String::into_boxed_str),
        params,
        result,
        error,
        whole,
    })
}

/// A number that is spelled otherwise, such as `7.0`, in its plain spelling.
fn plain_id(id: Bytes) -> Bytes {
    match number(&id) {
        Some(number) if !id.starts_with(b"\"") => Bytes::from(number.to_string()),
        _ => id,
    }
}

fn is_id(json: &[u8]) -> bool {
    json.len() <= ID_BYTES_MAX && (json.starts_with(b"\"") || number(json).is_some())
}

/// The whole number that an id or token of a server stands for, in any spelling: `7`, `"7"`, `7.0`, `"7.0"`.
pub fn number(json: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(json).ok()?;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let plain = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text)
        .trim();
    if let Ok(number) = plain.parse() {
        return Some(number);
    }
    let value: f64 = plain.parse().ok()?;
    // What lies beyond is not exact, and no number of ours is that large.
    let is_exact = value.fract() == 0.0 && (0.0..9e15).contains(&value);
    is_exact.then_some(value as u64)
}

/// The members of an object; of two with one name the last counts.
struct Members<'a> {
    all: Vec<(Cow<'a, str>, &'a RawValue)>,
    has_twin: bool,
}

impl<'a> Members<'a> {
    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.all.iter().rfind(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.raw(name).map(RawValue::get)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                const KNOWN: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
                let (mut all, mut has_twin) = (Vec::new(), false);
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value::<&RawValue>()?;
                    let Some(known) = KNOWN.into_iter().find(|known| *known == name) else {
                        continue;
                    };
                    has_twin |= all.iter().any(|(other, _)| other == known);
                    all.push((Cow::Borrowed(known), value));
                }
                Ok(Members { all, has_twin })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Message, &'static str> {
        match hear(Bytes::copy_from_slice(text.as_bytes())) {
            Ok(Heard::One(message)) => Ok(message),
            Ok(Heard::Batch(_)) => Err("a batch"),
            Err(broken) => Err(broken.rule),
        }
    }

    #[test]
    fn an_id_is_a_number_in_any_spelling() {
        for (json, expected) in [
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            ("7.0", Some(7)),
            ("7e0", Some(7)),
            ("\"7.0\"", Some(7)),
            ("\" 7 \"", Some(7)),
            ("7.5", None),
            ("-7", None),
            ("\"x\"", None),
            ("null", None),
            ("\"\"", None),
            ("1e300", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
        ] {
            assert_eq!(number(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn what_two_official_clients_take_is_taken() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":null,"params":null,"result":{}}"#,
            r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"result":{},"x":1}"#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
        ] {
            assert!(one(text).is_ok(), "{text}: {:?}", one(text));
        }
        let broken = [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}"[..]];
        for bytes in broken {
            assert!(hear(Bytes::copy_from_slice(bytes)).is_ok());
        }
    }

    #[test]
    fn what_is_refused_is_refused_by_its_rule() {
        for (text, rule) in [
            ("", "empty"),
            (" \n", "empty"),
            ("[]", "empty"),
            ("{", "json"),
            ("<html>", "json"),
            ("7", "message"),
            ("{}", "jsonrpc"),
            (r#"{"jsonrpc":2.0,"id":1,"result":{}}"#, "jsonrpc"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "result"),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
                "result",
            ),
            (r#"{"jsonrpc":"2.0","result":{}}"#, "id"),
            (r#"{"jsonrpc":"2.0","id":true,"result":{}}"#, "id"),
            (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, "id"),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
                "member",
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "method"),
        ] {
            assert_eq!(one(text).unwrap_err(), rule, "{text}");
        }
    }

    #[test]
    fn a_batch_is_read_message_by_message() {
        let text = r#"[{"jsonrpc":"2.0","method":"a"}, {"jsonrpc":"2.0","id":1.0,"result":{}}]"#;
        let Ok(Heard::Batch(messages)) = hear(Bytes::from_static(text.as_bytes())) else {
            panic!()
        };
        assert_eq!(messages.len(), 2);
        assert_eq!(&messages[0].whole[..], br#"{"jsonrpc":"2.0","method":"a"}"#);
        let many = format!("[{}]", vec!["{}"; BATCH_MESSAGES_MAX + 1].join(","));
        assert_eq!(one(&many).unwrap_err(), "batch");
    }
}
