//! What an upstream says, before anybody hears it: without secrets that it was sent, without names that are ours, and
//! without `_meta` beyond all measure. Whatever comes from an upstream passes here once; all else of it stays byte for
//! byte.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use base::secret::STARS;
use broker::credentials::Echoes;
use mcp::message::{self, Kind};
use mcp::meta::{BAGGAGE, LEFT_OUT, META_BYTES_MAX, OWN_PREFIX};
use mcp::raw::string;
use mcp::{Message, RawObject};

/// Of [`OWN_PREFIX`], what no encoder of JSON escapes.
static OWN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"mentor-gateway"));
/// A letter that is written as an escape may hide our prefix.
static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br"\u00"));

/// Members of results that hold the items of a list.
const LISTS: [&str; 4] = ["tools", "prompts", "resources", "resourceTemplates"];
/// `_meta` within `_meta` that is read; what lies deeper is left out.
const META_DEPTH_MAX: usize = 8;
/// Names of members of errors and of what tools say of a failure: they stay, even where a short secret is one of them.
const NAMES: [&str; 20] = [
    "_meta",
    "annotations",
    "blob",
    "code",
    "content",
    "data",
    "description",
    "icons",
    "isError",
    "message",
    "mimeType",
    "name",
    "resource",
    "resultType",
    "size",
    "structuredContent",
    "text",
    "title",
    "type",
    "uri",
];

/// The message as it may be passed on; `None` if it may as it is.
pub(super) fn clean(message: &Message, echoes: &Echoes) -> Option<Message> {
    let whole = &message.whole;
    let has_meta = may_say_our_names(whole) || whole.len() > META_BYTES_MAX;
    let has_secret = echoes.may_be_in(whole) || echoes.has_short() && is_about_an_error(message);
    if !has_meta && !has_secret {
        return None;
    }
    let method = message.method.as_deref().unwrap_or_default();
    let id = message.id.as_deref().unwrap_or(b"null");
    let part = [&message.params, &message.result, &message.error];
    let part = part.into_iter().find_map(Option::as_ref)?;
    let part = cleaned(part, echoes, is_about_an_error(message))?;
    let text = match message.kind() {
        Kind::Request => message::request(id, method, &part),
        Kind::Notification => message::notification(method, &part),
        Kind::Response if message.error.is_some() => message::error(id, &part),
        Kind::Response => message::result(id, &part),
    };
    let clean = Message::parse(Bytes::from(text));
    Some(clean.unwrap_or_else(|_| without_content(message)))
}

/// Whether a text has names of ours, in the letter or with a letter of them escaped.
fn may_say_our_names(text: &[u8]) -> bool {
    let is_letter = |at: usize| {
        let digits = text.get(at + ESCAPE.needle().len()..)?.get(..2)?;
        let code = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        Some(code.is_ascii_alphabetic() || matches!(code, b'-' | b'_'))
    };
    OWN.find(text).is_some() || ESCAPE.find_iter(text).any(|at| is_letter(at) == Some(true))
}

/// A part of a message as it may be passed on; `None` if it may as it is.
pub(super) fn cleaned(json: &[u8], echoes: &Echoes, is_error: bool) -> Option<Vec<u8>> {
    let without_names = without_foreign_meta(json, is_error, 0);
    let json = without_names.as_deref().unwrap_or(json);
    if echoes.is_empty() {
        return without_names;
    }
    without_secrets(json, echoes, is_error).or(without_names)
}

/// An error, or what a tool says of its failure.
fn is_about_an_error(message: &Message) -> bool {
    let is_failed = |result: &Bytes| {
        let result = RawObject::parse(result).unwrap_or_default();
        result.get("isError") == Some(b"true")
    };
    message.error.is_some() || message.result.as_ref().is_some_and(is_failed)
}

/// Rather nothing than what could not be cleaned.
fn without_content(message: &Message) -> Message {
    let id = message.id.as_deref().unwrap_or(b"null");
    let method = message.method.as_deref().unwrap_or_default();
    let text = match message.kind() {
        Kind::Request => message::request(id, method, b"{}"),
        Kind::Notification => message::notification(method, b"{}"),
        Kind::Response => message::result(id, b"{}"),
    };
    Message::parse(Bytes::from(text)).expect("an empty message is a message")
}

/// Without our names in any `_meta` and in the data of an error.
fn without_foreign_meta(json: &[u8], is_error: bool, depth: usize) -> Option<Vec<u8>> {
    let mut edits = Edits::default();
    // The ends of what was opened and goes on.
    let mut open: Vec<usize> = Vec::new();
    let lists = lists_in(json);
    let mut done = 0;
    for token in strings(json) {
        let list = lists.iter().find(|list| list.contains(&token.start));
        done = list.map_or(done, |list| list.end);
        if token.start < done || !is_key(json, &token) {
            continue;
        }
        let key = text_of(&json[token.clone()]);
        if key != "_meta" && !(is_error && key == "data") {
            continue;
        }
        let before = json[token.end..].iter().take_while(|b| !is_value(**b));
        let start = token.end + before.count();
        let end = value_end(json, start);
        open.retain(|other| *other > start);
        open.push(end);
        let value = &json[start..end];
        let instead = if depth + open.len() > META_DEPTH_MAX {
            Some(b"{}".to_vec())
        } else {
            without_own_names(value, key == "_meta")
        };
        let is_clean = instead.is_none() && !may_say_our_names(value);
        if is_clean || instead.is_some() {
            done = end;
        }
        if let Some(own) = instead {
            let deeper = without_foreign_meta(&own, false, depth + 1);
            edits.replace(start..end, deeper.unwrap_or(own));
        }
    }
    edits.apply(json)
}

/// The items of a list, each of which is looked at when it is taken in: what had to be dropped is said with the list.
fn lists_in(result: &[u8]) -> Vec<Range<usize>> {
    let result_start = result.as_ptr() as usize;
    let object = RawObject::parse(result).unwrap_or_default();
    let lists = LISTS.iter().filter_map(|name| object.get(name));
    let arrays = lists.filter(|value| value.first() == Some(&b'['));
    arrays
        .map(|value| {
            let start = value.as_ptr() as usize - result_start;
            start..start + value.len()
        })
        .collect()
}

fn is_value(byte: u8) -> bool {
    byte != b':' && !byte.is_ascii_whitespace()
}

fn without_own_names(value: &[u8], is_meta: bool) -> Option<Vec<u8>> {
    if is_meta && value.len() > META_BYTES_MAX {
        let mut instead = RawObject::default();
        let reason = format!("a _meta of {} bytes", value.len());
        instead.set(LEFT_OUT, string(&reason));
        return Some(instead.to_json());
    }
    if value.first() != Some(&b'{') {
        return None;
    }
    if !may_say_our_names(value) {
        return None;
    }
    // What cannot be opened, such as a name that is repeated, is read in more than one way.
    let Ok(mut object) = RawObject::parse(value) else {
        return Some(b"{}".to_vec());
    };
    let before = object.0.len();
    object.0.retain(|(name, _)| !name.starts_with(OWN_PREFIX));
    (object.0.len() < before).then(|| object.to_json())
}

/// `_meta` of a client as an upstream may see it: without our names, and without baggage.
pub(super) fn leaves(metadata: &mut RawObject<'_>) {
    metadata
        .0
        .retain(|(name, _)| !name.starts_with(OWN_PREFIX) && name != BAGGAGE);
}

/// What a client says, in a notification or an answer, as an upstream may see it.
pub(super) fn said(json: &[u8]) -> Cow<'_, [u8]> {
    let Ok(mut object) = RawObject::parse(json) else {
        return Cow::Borrowed(json);
    };
    let Some(metadata) = object.get("_meta").map(<[u8]>::to_vec) else {
        return Cow::Borrowed(json);
    };
    let mut metadata = RawObject::parse(&metadata).unwrap_or_default();
    leaves(&mut metadata);
    let metadata = metadata.to_json();
    object.set("_meta", metadata);
    Cow::Owned(object.to_json())
}

fn without_secrets(json: &[u8], echoes: &Echoes, is_error: bool) -> Option<Vec<u8>> {
    let mut edits = Edits::default();
    let mut done = 0;
    for token in strings(json) {
        for number in numbers(json, done..token.start) {
            if echoes.hide_in(&json[number.clone()], false).is_some() {
                edits.replace(number, string(STARS));
            }
        }
        done = token.end;
        let is_name = is_key(json, &token) && NAMES.contains(&&*text_of(&json[token.clone()]));
        let is_all_hidden = is_error && !is_name;
        let inside = token.start + 1..token.end - 1;
        if let Some(hidden) = echoes.hide_in(&json[inside.clone()], is_all_hidden) {
            edits.replace(inside, hidden);
        }
    }
    for number in numbers(json, done..json.len()) {
        if echoes.hide_in(&json[number.clone()], false).is_some() {
            edits.replace(number, string(STARS));
        }
    }
    edits.apply(json)
}

/// Replacements in a text, in its order.
#[derive(Default)]
struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    fn replace(&mut self, part: Range<usize>, by: Vec<u8>) {
        self.0.push((part, by));
    }

    fn apply(self, text: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        for (part, by) in self.0 {
            out.extend_from_slice(&text[done..part.start]);
            out.extend_from_slice(&by);
            done = part.end;
        }
        out.extend_from_slice(&text[done..]);
        Some(out)
    }
}

/// The strings of a valid JSON text with their quotes, keys among them.
fn strings(json: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + memchr::memchr(b'"', json.get(at..)?)?;
        let end = string_end(json, start);
        at = end;
        Some(start..end)
    })
}

/// Behind the closing quote of the string that begins here.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(next) = json
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += next;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

/// The numbers between two strings.
fn numbers(json: &[u8], part: Range<usize>) -> Vec<Range<usize>> {
    let is_part =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let mut found = Vec::new();
    let mut at = part.start;
    while let Some(next) = json[at..part.end].iter().position(u8::is_ascii_digit) {
        let first = at + next;
        let sign = usize::from(first > part.start && json[first - 1] == b'-');
        let length = json[first..part.end]
            .iter()
            .take_while(|b| is_part(**b))
            .count();
        found.push(first - sign..first + length);
        at = first + length;
    }
    found
}

fn is_key(json: &[u8], token: &Range<usize>) -> bool {
    let rest = json.get(token.end..).unwrap_or_default();
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

fn text_of(token: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(&token[1..token.len() - 1]) {
        Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
        _ => Cow::Owned(serde_json::from_slice(token).unwrap_or_default()),
    }
}

/// Behind the value that begins here.
fn value_end(json: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                at = string_end(json, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 0 { at } else { at + 1 },
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::secret::Secret;

    fn heard(text: &str, secrets: &[&str]) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let message = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let clean = clean(&message, &Echoes::of(&secrets)).unwrap_or(message);
        String::from_utf8(clean.whole.to_vec()).unwrap()
    }

    const LONG: &str = "0123456789abcdefXYZ";

    #[test]
    fn what_is_clean_stays_byte_for_byte() {
        for text in [
            r#"{ "jsonrpc":"2.0", "id":1, "result":{"a":[ 0.70 ],"b":"\u00e9 100% \u003c"} }"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"text":"mentor-gateway/servers","_meta":{"a":1}} }"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"text":"hunter2"}}"#,
        ] {
            assert_eq!(heard(text, &[LONG, "hunter2"]), text);
        }
    }

    #[test]
    fn a_secret_goes_from_every_part_and_nothing_else() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":"0123456789abcdefXYZ","result":{"a" : "x 0123456789abcdefXYZ y","0123456789abcdefXYZ":0.70}}"#,
                r#"{"jsonrpc":"2.0","id":"0123456789abcdefXYZ","result":{"a" : "x **** y","****":0.70}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"hunter2, code","data":[{"code":"0123456789abcdefXYZ"}]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"****, ****","data":[{"code":"****"}]}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":"hunter2"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":"****"}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"m","params":{"data":"\u00300123456789abcdefXYZ"}}"#,
                r#"{"jsonrpc":"2.0","method":"m","params":{"data":"\u0030****"}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"n":[1234567890123456789,-1234567890123456789.5,1]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"n":["****","****",1]}}"#,
            ),
        ] {
            let secrets = [LONG, "hunter2", "code", "1234567890123456789"];
            assert_eq!(heard(text, &secrets), expected);
        }
    }

    #[test]
    fn names_of_ours_go_from_every_meta() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"mentor-gateway/x","_meta":{"mentor-gateway/x":{"_meta":1},"b":{"_meta":{"mentor-gateway/y":1}}}}],"_meta" : {"a":1,"mentor\u002dgateway/sign-in":{}}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"mentor-gateway/x","_meta":{"b":{"_meta":{}}}}],"_meta" : {"a":1}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"\u005fmeta":{"mentor-gateway\/x":1}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"\u005fmeta":{}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"mentor-gateway/sign-in":{},"x":1}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"x":1}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{"mentor-gateway/x":1,"mentor-gateway/x":2}}}"#,
                r#"{"jsonrpc":"2.0","method":"m","params":{"_meta":{}}}"#,
            ),
        ] {
            assert_eq!(heard(text, &[]), expected);
        }
        let large = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"_meta":{{"a":"{}"}},"b":1}}}}"#,
            "x".repeat(META_BYTES_MAX)
        );
        let expected = r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"mentor-gateway/leftOut":"a _meta of 262152 bytes"},"b":1}}"#;
        assert_eq!(heard(&large, &[]), expected);
    }

    #[test]
    fn what_a_client_says_leaves_without_names_of_ours() {
        let text = br#"{"a":1,"_meta":{"mentor-gateway/x":1,"baggage":"u=1","traceparent":"t"}}"#;
        assert_eq!(*said(text), *br#"{"a":1,"_meta":{"traceparent":"t"}}"#);
    }
}
