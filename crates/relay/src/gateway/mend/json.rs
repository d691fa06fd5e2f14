//! JSON that is changed where it must be: every value that stays, stays the bytes that it was.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde::de::{Deserializer as _, Visitor};
use serde_json::value::RawValue;

use mcp::RawObject;

/// What becomes of a value.
pub(super) enum Change {
    /// It stays as it is.
    Keep,
    /// This stands in its place.
    Set(Vec<u8>),
    /// It goes.
    Drop,
}

/// The JSON is not what it should be, or has a member twice.
#[derive(Debug)]
pub(super) struct Malformed;

/// Decides about each member of an object. `None` if all of it stays.
pub(super) fn members(
    json: &[u8],
    mut decide: impl FnMut(&str, &[u8]) -> Result<Change, Malformed>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let mut object = RawObject::parse(json).map_err(|_| Malformed)?;
    let mut is_changed = false;
    let mut kept = Vec::with_capacity(object.0.len());
    for (name, value) in object.0 {
        match decide(&name, &value)? {
            Change::Keep => kept.push((name, value)),
            Change::Set(value) => {
                is_changed = true;
                kept.push((name, Cow::Owned(value)));
            }
            Change::Drop => is_changed = true,
        }
    }
    object = RawObject(kept);
    Ok(is_changed.then(|| object.to_json()))
}

/// Decides about each element of an array. `None` if all of it stays.
pub(super) fn elements(
    json: &[u8],
    mut decide: impl FnMut(usize, &[u8]) -> Result<Change, Malformed>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let all: Vec<&RawValue> = serde_json::from_slice(json).map_err(|_| Malformed)?;
    let mut is_changed = false;
    let mut kept: Vec<Cow<'_, [u8]>> = Vec::with_capacity(all.len());
    for (index, element) in all.iter().enumerate() {
        let element = element.get().as_bytes();
        match decide(index, element)? {
            Change::Keep => kept.push(element.into()),
            Change::Set(value) => {
                is_changed = true;
                kept.push(value.into());
            }
            Change::Drop => is_changed = true,
        }
    }
    Ok(is_changed.then(|| array(kept.iter().map(|element| &**element))))
}

/// An array of these.
pub(super) fn array<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'['];
    for (at, element) in elements.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(element);
    }
    out.push(b']');
    out
}

/// The kind of a value, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl Sort {
    pub(super) fn of(json: &[u8]) -> Self {
        match json.first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }
}

/// The text of a JSON string. Halves of surrogate pairs, which are no text, become replacement characters.
pub(super) fn text_of(json: &[u8]) -> Option<String> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    if let Ok(text) = serde_json::from_slice(json) {
        return Some(text);
    }
    if Sort::of(json) != Sort::Text {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer.deserialize_bytes(Text).ok()
}

/// The number that a value is, if it is a finite one.
pub(super) fn number_of(json: &[u8]) -> Option<f64> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    f64::deserialize(&mut deserializer)
        .ok()
        .filter(|_| Sort::of(json) == Sort::Number)
}

/// How many objects and arrays lie inside one another at most. Reads each byte once and builds nothing.
pub(super) fn depth_of(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
