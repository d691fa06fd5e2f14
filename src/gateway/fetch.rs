//! One look at everything an upstream offers: its lists drained page by page, bounded and loop-safe.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::catalog::{Item, List, ParamHeader, Snapshot};
use crate::credentials::Outbound;
use crate::error::UpstreamFailureKind;
use crate::mcp::raw::string;
use crate::mcp::{RawObject, headers};
use crate::upstream::{ANSWER_BYTES_MAX, CallFailure, Client, Lane, Session, Upstream};

/// Pages of one list at most.
const PAGES_MAX: usize = 500;
/// Items of one list at most.
const ITEMS_MAX: usize = 10_000;
/// Reasons for leaving something out that are kept; the others are only counted.
const REASONS_MAX: usize = 20;
/// Longest instructions that are passed on, in bytes; what is longer is cut.
const INSTRUCTIONS_BYTES_MAX: usize = 16 * 1024;
/// Largest schema that is searched for mirrored parameters, in bytes.
const MIRRORING_SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Longest name of an item, in characters (URIs: 2048).
const NAME_CHARACTERS_MAX: usize = 128;
const URI_CHARACTERS_MAX: usize = 2048;
/// Integers that a header may carry: what JavaScript holds exactly.
const X_MCP_HEADER: &str = "x-mcp-header";

/// Reads every list that the upstream says it has.
pub(super) async fn everything(
    upstream: &Arc<Upstream>,
    credential: &Outbound,
) -> Result<Snapshot, CallFailure> {
    let client = Client::gateway();
    let session = upstream
        .session(&Lane::default(), credential, &client)
        .await?;
    session.listen_to_lists(&client);
    let handshake = session.handshake();
    let handshake = RawObject::parse(&handshake).unwrap_or_default();
    let capabilities = handshake
        .get("capabilities")
        .and_then(|json| RawObject::parse(json).ok());
    let mut snapshot = Snapshot {
        instructions: handshake.get_str("instructions").map(cut),
        ..Snapshot::default()
    };
    let mut left_out = LeftOut::default();
    for list in List::ALL {
        // A server that says nothing of its capabilities is asked for everything.
        if capabilities
            .as_ref()
            .is_some_and(|c| c.get(list.capability()).is_none())
        {
            continue;
        }
        let drained = drain(&session, &client, list).await;
        match drained {
            Ok(drained) => {
                snapshot.ttl_ms = least(snapshot.ttl_ms, drained.ttl_ms);
                left_out.append(drained.left_out);
                snapshot.items[list as usize] = drained.items.into();
            }
            // Templates came later than resources, and some servers have the one without the other.
            Err(failure)
                if failure.kind == UpstreamFailureKind::Protocol && list != List::Tools =>
            {
                left_out.push(format!("{} cannot be read", list.method()));
            }
            Err(failure) => return Err(failure),
        }
    }
    snapshot.left_out = left_out.reasons();
    Ok(snapshot)
}

fn cut(mut text: String) -> String {
    if text.len() > INSTRUCTIONS_BYTES_MAX {
        text.truncate(text.floor_char_boundary(INSTRUCTIONS_BYTES_MAX));
        text.push('…');
    }
    text
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

#[derive(Default)]
struct Drained {
    items: Vec<Item>,
    ttl_ms: Option<u64>,
    left_out: LeftOut,
}

/// Why parts of a look were left out: a bounded number of reasons, whatever an upstream sends.
#[derive(Default)]
struct LeftOut {
    kept: Vec<String>,
    more: usize,
}

impl LeftOut {
    fn push(&mut self, reason: String) {
        if self.kept.len() < REASONS_MAX {
            self.kept.push(reason);
        } else {
            self.more += 1;
        }
    }

    fn append(&mut self, other: Self) {
        other.kept.into_iter().for_each(|reason| self.push(reason));
        self.more += other.more;
    }

    fn reasons(mut self) -> Arc<[String]> {
        if self.more > 0 {
            self.kept.push(format!("and {} more", self.more));
        }
        self.kept.into()
    }
}

async fn drain(
    session: &Arc<Session>,
    client: &Client,
    list: List,
) -> Result<Drained, CallFailure> {
    let (mut drained, mut keys, mut cursors) = (Drained::default(), HashSet::new(), HashSet::new());
    let (mut cursor, mut bytes) = (None::<String>, 0);
    for _ in 0..PAGES_MAX {
        let mut params = RawObject::default();
        if let Some(cursor) = &cursor {
            params.set("cursor", string(cursor));
        }
        let result = session.ask(list.method(), params, client).await?;
        bytes += result.len();
        let page = RawObject::parse(&result)
            .map_err(|_| CallFailure::of(UpstreamFailureKind::Protocol, false))?;
        drained.ttl_ms = least(
            drained.ttl_ms,
            page.get("ttlMs")
                .and_then(|ms| serde_json::from_slice(ms).ok()),
        );
        let items = page
            .get(list.member())
            .ok_or_else(|| CallFailure::of(UpstreamFailureKind::Protocol, false))?;
        let mut count = 0;
        each(items, |json| {
            count += 1;
            take(&mut drained, &mut keys, list, json);
            count <= ITEMS_MAX
        })
        .map_err(|_| CallFailure::of(UpstreamFailureKind::Protocol, false))?;
        let is_too_long = drained.items.len() > ITEMS_MAX || count > ITEMS_MAX;
        if is_too_long || bytes > 4 * ANSWER_BYTES_MAX {
            return Err(CallFailure::of(UpstreamFailureKind::TooLarge, false));
        }
        cursor = page
            .get_str("nextCursor")
            .filter(|cursor| !cursor.is_empty());
        match &cursor {
            None => return Ok(drained),
            Some(cursor) if !cursors.insert(cursor.clone()) => {
                drained
                    .left_out
                    .push(format!("{} repeats a page", list.method()));
                return Ok(drained);
            }
            Some(_) => {}
        }
    }
    Err(CallFailure::of(UpstreamFailureKind::TooLarge, false))
}

/// Hands over the elements of an array one by one, without a list of them, for as long as `take` wants more.
fn each(array: &[u8], take: impl FnMut(&str) -> bool) -> Result<(), serde_json::Error> {
    struct Elements<F>(F);
    impl<'de, F: FnMut(&str) -> bool> Visitor<'de> for Elements<F> {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<bool, A::Error> {
            while let Some(element) = seq.next_element::<&RawValue>()? {
                if !(self.0)(element.get()) {
                    while seq.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(array);
    deserializer.deserialize_seq(Elements(take))?;
    Ok(())
}

/// Takes one item in, or says why not. One bad item never hides the others.
fn take(drained: &mut Drained, keys: &mut HashSet<String>, list: List, json: &str) {
    match item(list, json) {
        Ok(item) if keys.insert(item.key.clone()) => drained.items.push(item),
        Ok(item) => {
            drained
                .left_out
                .push(format!("{} {:?} stands twice", list.capability(), item.key))
        }
        Err(reason) => drained
            .left_out
            .push(format!("{} {reason}", list.capability())),
    }
}

pub(super) fn item(list: List, json: &str) -> Result<Item, String> {
    let object =
        RawObject::parse(json.as_bytes()).map_err(|_| "an item is not an object".to_owned())?;
    let key = object
        .get_str(list.key())
        .ok_or_else(|| format!("an item has no {}", list.key()))?;
    let characters_max = if list.key() == "name" {
        NAME_CHARACTERS_MAX
    } else {
        URI_CHARACTERS_MAX
    };
    if key.is_empty() || key.chars().count() > characters_max || key.chars().any(char::is_control) {
        return Err(format!("an item has a {} that cannot be used", list.key()));
    }
    let mut item = Item {
        key,
        json: Bytes::copy_from_slice(json.as_bytes()),
        param_headers: Arc::default(),
        is_idempotent: list != List::Tools,
    };
    if list == List::Tools {
        let schema = object
            .get("inputSchema")
            .filter(|schema| schema.starts_with(b"{"));
        let schema = schema.ok_or_else(|| format!("{:?} has no input schema", item.key))?;
        if !is_of_an_object(schema) {
            return Err(format!("{:?} has an input schema of no object", item.key));
        }
        item.param_headers = param_headers(schema)
            .map_err(|reason| format!("{:?} {reason}", item.key))?
            .into();
        let annotations = object
            .get("annotations")
            .and_then(|json| RawObject::parse(json).ok())
            .unwrap_or_default();
        let hint = |name| annotations.get(name) == Some(b"true");
        item.is_idempotent = hint("readOnlyHint") || hint("idempotentHint");
    }
    Ok(item)
}

/// Clients that know the schema of schemas lose a whole list to one tool that is not of an object.
fn is_of_an_object(schema: &[u8]) -> bool {
    RawObject::parse(schema).is_ok_and(|schema| schema.get("type") == Some(b"\"object\""))
}

/// The parameters that a schema mirrors into headers (2026-07-28, streamable HTTP, schema extension).
///
/// # Errors
/// If an annotation breaks a rule; then the whole tool is left out.
pub(super) fn param_headers(schema: &[u8]) -> Result<Vec<ParamHeader>, String> {
    let text =
        std::str::from_utf8(schema).map_err(|_| "has a schema that is not UTF-8".to_owned())?;
    if !text.contains(X_MCP_HEADER) {
        return Ok(Vec::new());
    }
    if text.len() > MIRRORING_SCHEMA_BYTES_MAX {
        return Err("has a schema that is too large to search".to_owned());
    }
    let schema: Value = serde_json::from_str(text)
        .map_err(|_| "has a schema that is nested too deeply".to_owned())?;
    let mut found = Vec::new();
    walk(&schema, &mut Vec::new(), &mut found)?;
    let mut names: Vec<&str> = found.iter().map(|p| p.header.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("mirrors two parameters into one header".into());
    }
    // An annotation that a chain of `properties` does not reach was not found, and makes the tool invalid.
    if found.len() == count_annotations(&schema) {
        Ok(found)
    } else {
        Err("mirrors a parameter that is not statically reachable".into())
    }
}

fn walk(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<ParamHeader>,
) -> Result<(), String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(());
    };
    for (name, property) in properties {
        path.push(name.clone());
        if let Some(annotation) = property.get(X_MCP_HEADER) {
            let kind = property.get("type").and_then(Value::as_str);
            if !matches!(kind, Some("string" | "integer" | "boolean")) {
                return Err("mirrors a parameter that is not a string, integer or boolean".into());
            }
            let word = annotation
                .as_str()
                .filter(|word| !word.is_empty() && word.is_ascii());
            let header =
                word.and_then(|word| format!("{}{word}", headers::PARAM_PREFIX).parse().ok());
            let header = header
                .ok_or_else(|| "mirrors a parameter into a header with no valid name".to_owned())?;
            found.push(ParamHeader {
                header,
                path: path.clone(),
            });
        }
        walk(property, path, found)?;
        path.pop();
    }
    Ok(())
}

/// Annotations anywhere in the schema, save in values that are data.
fn count_annotations(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match name.as_str() {
                X_MCP_HEADER => 1,
                "default" | "const" | "enum" | "examples" => 0,
                _ => count_annotations(value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(count_annotations).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(schema: &str) -> Result<Vec<String>, String> {
        let found = param_headers(schema.as_bytes())?;
        Ok(found
            .iter()
            .map(|p| format!("{} <- {}", p.header, p.path.join(".")))
            .collect())
    }

    #[test]
    fn mirrored_parameters_are_found_through_nested_properties() {
        let schema = r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"},
            "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}"#;
        assert_eq!(
            headers_of(schema).unwrap(),
            ["mcp-param-region <- region", "mcp-param-n <- deep.n"]
        );
    }

    #[test]
    fn an_annotation_that_breaks_a_rule_makes_the_tool_invalid() {
        for schema in [
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"X\r\nY"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"oneOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#,
        ] {
            assert!(headers_of(schema).is_err(), "{schema}");
        }
    }
}
