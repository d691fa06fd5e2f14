//! What a client said in one line: a message for the gateway, nothing, or what is to be answered at once.
//! Sends nothing.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::Line;
use mcp::error::{INVALID_REQUEST, PARSE_ERROR, RpcError};
use mcp::message::{ID_BYTES_MAX, ParseError};
use mcp::{Message, message};

/// What a program may write before its first message, though it should not.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is in a line.
#[derive(Debug)]
pub(super) enum Said {
    /// Only white space.
    Nothing,
    /// A message.
    Message(Message),
    /// An array, which is several messages in the one revision that has batches.
    Batch(Bytes),
    /// What cannot be passed on, and the answer to it.
    Bad(Vec<u8>),
}

impl Said {
    /// Reads a line, of which a message may have so many bytes.
    pub(super) fn of(line: Line, bytes_max: usize) -> Self {
        let line = match line {
            Line::Whole(line) if line.len() <= bytes_max => line,
            Line::Whole(line) | Line::TooLong(line) => {
                let text = format!("the message is larger than {bytes_max} bytes");
                return bad(&line, &RpcError::new(INVALID_REQUEST, text));
            }
        };
        let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
        let text = text.trim_ascii();
        if text.is_empty() {
            return Self::Nothing;
        }
        if std::str::from_utf8(text).is_err() {
            let error = RpcError::new(PARSE_ERROR, "Parse error: the message is not UTF-8");
            return bad(text, &error);
        }
        let whole = Bytes::copy_from_slice(text);
        match Message::parse(whole.clone()) {
            Ok(message) => Self::Message(message),
            Err(ParseError::Batch) => Self::Batch(whole),
            Err(error) => bad(text, &error.into()),
        }
    }

    /// What is in it one by one. A batch is refused where there is none.
    pub(super) fn spread(self, takes_batches: bool) -> Vec<Self> {
        let Self::Batch(whole) = self else {
            return vec![self];
        };
        let refuse = |error: ParseError| bad(b"", &error.into());
        if !takes_batches {
            return vec![refuse(ParseError::Batch)];
        }
        match Message::batch(&whole) {
            Ok(messages) => messages
                .into_iter()
                .map(|message| message.map_or_else(refuse, Self::Message))
                .collect(),
            Err(error) => vec![refuse(error)],
        }
    }
}

fn bad(line: &[u8], error: &RpcError) -> Said {
    let id = id_in(&String::from_utf8_lossy(line));
    let id = id.as_deref().unwrap_or("null");
    Said::Bad(message::error(id.as_bytes(), &error.to_json()))
}

/// The id of what may be the beginning of a message, so that whoever waits for its answer need not wait for ever.
fn id_in(text: &str) -> Option<String> {
    struct Found<'a>(&'a mut Option<String>);
    impl<'de> Visitor<'de> for Found<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<String>()? {
                if name == "id" {
                    let id = map.next_value::<Box<RawValue>>()?;
                    *self.0 = Some(id.get().to_owned());
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(())
        }
    }
    let mut found = None;
    let text = text.trim_start_matches('\u{feff}');
    // It may end anywhere: what stands before that is enough.
    let _ = serde_json::Deserializer::from_str(text).deserialize_map(Found(&mut found));
    let is_id = |id: &String| {
        id.len() <= ID_BYTES_MAX && (id.starts_with('"') || id.parse::<i64>().is_ok())
    };
    found.filter(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to a line, or the id of the message that is passed on.
    fn answer(line: &[u8]) -> String {
        said(line, false)
    }

    fn said(line: &[u8], takes_batches: bool) -> String {
        let said = Said::of(Line::Whole(line.to_vec()), 64).spread(takes_batches);
        let texts = said.into_iter().map(|said| match said {
            Said::Nothing => String::new(),
            Said::Message(message) => format!("id {:?}", message.id.unwrap_or_default()),
            Said::Batch(_) => "a batch".to_owned(),
            Said::Bad(bytes) => String::from_utf8(bytes).unwrap(),
        });
        texts.collect::<Vec<_>>().join(" and ")
    }

    #[test]
    fn a_batch_is_its_messages_where_there_are_batches() {
        let two = br#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"id":2}]"#;
        let bad =
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}"#;
        assert_eq!(said(two, true), format!("id b\"1\" and {bad}"));
    }

    #[test]
    fn what_is_no_message_is_answered_under_its_id_if_it_has_one() {
        let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        let long = format!(r#"{{"id":"a","params":"{}""#, "x".repeat(64));
        for (line, expected) in [
            (b" \r".to_vec(), ""),
            (format!("\u{feff}{ping}\r").into(), "id b\"7\""),
            (
                long.clone().into(),
                r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32600,"message":"the message is larger than 64 bytes"}}"#,
            ),
            (
                br#"{"jsonrpc":"2.0","id":8,"method":"\xff"}"#.to_vec(),
                r#"{"jsonrpc":"2.0","id":8,"error":{"code":-32700,"message":"Parse error"}}"#,
            ),
            (
                b"{\"id\":8,\"method\":\"\xff\"}".to_vec(),
                r#"{"jsonrpc":"2.0","id":8,"error":{"code":-32700,"message":"Parse error: the message is not UTF-8"}}"#,
            ),
            (
                br#"{"id":9,"method":"ping"}"#.to_vec(),
                r#"{"jsonrpc":"2.0","id":9,"error":{"code":-32600,"message":"Invalid Request"}}"#,
            ),
            (
                br#"[{"id":9}]"#.to_vec(),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request: batches are not supported"}}"#,
            ),
            (
                br#"{"id":{"a":1},"x""#.to_vec(),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
            ),
        ] {
            let line_text = String::from_utf8_lossy(&line).into_owned();
            assert_eq!(answer(&line), expected, "{line_text}");
        }
    }
}
