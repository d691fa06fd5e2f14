//! One look at everything an upstream offers: its lists drained page by page, bounded and loop-safe.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::item::{ITEMS_MAX, Item, LIST_BYTES_MAX, List, ParamHeader};
use super::mend::{self, ITEM_BYTES_MAX, Notes, shown};
use super::snapshot::Snapshot;
use crate::upstream::{ANSWER_BYTES_MAX, CallFailure, Client, Lane, Session, Upstream};
use base::error::UpstreamFailureKind;
use broker::credentials::Outbound;
use mcp::error::METHOD_NOT_FOUND;
use mcp::raw::string;
use mcp::{RawObject, headers};

/// Pages of one list at most.
const PAGES_MAX: usize = 500;
/// Lists of one look that may fail for want of an answer before the others are not asked for.
const OUTAGES_MAX: usize = 2;
/// Integers that a header may carry: what JavaScript holds exactly.
const X_MCP_HEADER: &str = "x-mcp-header";

/// Reads every list that the upstream says it has. A list that cannot be read stays as it was before, and takes no
/// other with it.
pub(super) async fn everything(
    upstream: &Arc<Upstream>,
    credential: &Outbound,
    before: &Snapshot,
) -> Result<Snapshot, CallFailure> {
    let client = Client::catalog();
    let session = upstream
        .session(&Lane::default(), credential, &client)
        .await?;
    session.listen_to_lists(&client);
    let handshake = session.handshake();
    let mut notes = Notes::default();
    let mut snapshot = Snapshot {
        instructions: instructions(&handshake, &mut notes),
        ..Snapshot::default()
    };
    let (mut outages, mut has_read) = (0, false);
    for list in List::ALL {
        let wanted = wanted(&handshake, list);
        if wanted == Wanted::No {
            continue;
        }
        if outages == OUTAGES_MAX {
            snapshot.items[list as usize] = before.items[list as usize].clone();
            continue;
        }
        let failure = match drain(&session, &client, list).await {
            Ok(drained) => {
                has_read = true;
                snapshot.ttl_ms = least(snapshot.ttl_ms, drained.ttl_ms);
                notes.append(drained.notes);
                snapshot.items[list as usize] = drained.items.into();
                continue;
            }
            // Templates came later than resources, and some servers have the one without the other.
            Err(Unread::Unknown) if wanted == Wanted::Guessed || list == List::Templates => {
                has_read = true;
                continue;
            }
            Err(Unread::Failed(failure))
                if wanted == Wanted::Guessed && failure.kind == UpstreamFailureKind::Protocol =>
            {
                has_read = true;
                continue;
            }
            Err(Unread::Unknown) => CallFailure::of(UpstreamFailureKind::Protocol, false),
            Err(Unread::Failed(failure)) => failure,
        };
        match extent(failure.kind) {
            Extent::List => {}
            Extent::Outage => outages += 1,
            Extent::Server => return Err(failure),
        }
        snapshot.items[list as usize] = before.items[list as usize].clone();
        notes
            .left_out
            .push(format!("{} cannot be read", list.method()));
        let is_minor = failure.kind == UpstreamFailureKind::Protocol && list != List::Tools;
        if !is_minor {
            snapshot.failure.get_or_insert(failure.of_a_list());
        }
    }
    if !has_read && let Some(failure) = snapshot.failure {
        return Err(failure);
    }
    snapshot.left_out = notes.left_out.into_sentences();
    snapshot.flagged = notes.flagged.into_sentences();
    Ok(snapshot)
}

fn instructions(handshake: &[u8], notes: &mut Notes) -> Option<String> {
    let instructions = mend::introduction(handshake, notes).instructions?;
    serde_json::from_slice(&instructions).ok()
}

/// What a failure of one list says of the others.
enum Extent {
    /// Nothing.
    List,
    /// That they may fail too.
    Outage,
    /// That they will.
    Server,
}

fn extent(kind: UpstreamFailureKind) -> Extent {
    match kind {
        UpstreamFailureKind::Protocol | UpstreamFailureKind::TooLarge => Extent::List,
        UpstreamFailureKind::Timeout
        | UpstreamFailureKind::Closed
        | UpstreamFailureKind::Http(_) => Extent::Outage,
        UpstreamFailureKind::Refused
        | UpstreamFailureKind::Unreachable
        | UpstreamFailureKind::Unauthorized
        | UpstreamFailureKind::Forbidden
        | UpstreamFailureKind::BreakerOpen
        | UpstreamFailureKind::Busy
        | UpstreamFailureKind::Disabled => Extent::Server,
    }
}

/// Whether a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The server says that it has it.
    Declared,
    /// The server says nothing, as servers do that have it nevertheless.
    Guessed,
    No,
}

/// A server that says nothing of its capabilities is asked for everything; one that says that it has none of the lists,
/// for tools.
fn wanted(handshake: &[u8], list: List) -> Wanted {
    let handshake = RawObject::parse(handshake).unwrap_or_default();
    let Some(capabilities) = handshake
        .get("capabilities")
        .and_then(|json| RawObject::parse(json).ok())
    else {
        return Wanted::Guessed;
    };
    let has = |list: List| capabilities.get(list.capability()).is_some();
    if has(list) {
        Wanted::Declared
    } else if list == List::Tools && !List::ALL.into_iter().any(has) {
        Wanted::Guessed
    } else {
        Wanted::No
    }
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

#[derive(Default)]
struct Drained {
    items: Vec<Item>,
    bytes: usize,
    keys: HashSet<String>,
    ttl_ms: Option<u64>,
    notes: Notes,
}

/// Why a list was not read.
enum Unread {
    /// The server does not know the method.
    Unknown,
    Failed(CallFailure),
}

impl From<CallFailure> for Unread {
    fn from(failure: CallFailure) -> Self {
        Self::Failed(failure)
    }
}

fn failed(kind: UpstreamFailureKind) -> Unread {
    Unread::Failed(CallFailure::of(kind, false))
}

async fn drain(session: &Arc<Session>, client: &Client, list: List) -> Result<Drained, Unread> {
    let (mut drained, mut cursors) = (Drained::default(), HashSet::new());
    let (mut cursor, mut bytes) = (None::<String>, 0);
    for _ in 0..PAGES_MAX {
        // To some servers an empty cursor is one like another, and to some it is none.
        let may_be_over = cursor.as_ref().is_some_and(String::is_empty);
        let result = match ask(session, client, list, cursor.as_deref()).await {
            Err(_) if may_be_over => return Ok(drained),
            result => result?,
        };
        bytes += result.len();
        let page = RawObject::parse(&result).map_err(|_| failed(UpstreamFailureKind::Protocol))?;
        let known = drained.items.len();
        let (taken, count) = take_page(&mut drained, list, &page)?;
        if may_be_over && drained.items.len() == known {
            return Ok(drained);
        }
        drained.notes.append(taken);
        let is_too_long = drained.items.len() > ITEMS_MAX || count > ITEMS_MAX;
        if is_too_long || bytes > 4 * ANSWER_BYTES_MAX {
            return Err(failed(UpstreamFailureKind::TooLarge));
        }
        if drained.bytes > LIST_BYTES_MAX {
            return Ok(drained);
        }
        cursor = next_cursor(&mut drained.notes, list, &page);
        match &cursor {
            None => return Ok(drained),
            Some(cursor) if !cursors.insert(cursor.clone()) => {
                let repeats = format!("{} repeats a page", list.method());
                drained.notes.left_out.push(repeats);
                return Ok(drained);
            }
            Some(_) => {}
        }
    }
    Err(failed(UpstreamFailureKind::TooLarge))
}

/// Asks for a page.
async fn ask(
    session: &Arc<Session>,
    client: &Client,
    list: List,
    cursor: Option<&str>,
) -> Result<Bytes, Unread> {
    let mut params = RawObject::default();
    if let Some(cursor) = cursor {
        params.set("cursor", string(cursor));
    }
    let answer = session.ask_whole(list.method(), params, client).await?;
    if let Some(result) = answer.result {
        return Ok(result);
    }
    let error = answer
        .error
        .as_deref()
        .and_then(|e| RawObject::parse(e).ok());
    let code = error.and_then(|error| serde_json::from_slice::<i64>(error.get("code")?).ok());
    Err(match code {
        Some(METHOD_NOT_FOUND) => Unread::Unknown,
        _ => Unread::Failed(CallFailure::of(UpstreamFailureKind::Protocol, true)),
    })
}

/// Takes the items of a page; says what was done to them and how many there were.
fn take_page(
    drained: &mut Drained,
    list: List,
    page: &RawObject<'_>,
) -> Result<(Notes, usize), Unread> {
    drained.ttl_ms = least(
        drained.ttl_ms,
        page.get("ttlMs")
            .and_then(|ms| serde_json::from_slice(ms).ok()),
    );
    let items = page.get(list.member());
    let items = items.ok_or_else(|| failed(UpstreamFailureKind::Protocol))?;
    let (mut notes, mut count, mut too_many) = (Notes::default(), 0, 0);
    // Programs of some languages write `null` for a list of none.
    if items != b"null" {
        each(items, |json| {
            count += 1;
            if json.len() <= ITEM_BYTES_MAX && drained.bytes + json.len() > LIST_BYTES_MAX {
                // What is small is not taken instead: a list ends where it ends.
                drained.bytes = LIST_BYTES_MAX + 1;
                too_many += 1;
            } else {
                take(drained, &mut notes, list, json);
            }
            count <= ITEMS_MAX
        })
        .map_err(|_| failed(UpstreamFailureKind::Protocol))?;
    }
    if too_many > 0 {
        notes.left_out.push(format!(
            "{} is longer than {LIST_BYTES_MAX} bytes: {too_many} items and whatever comes after them",
            list.method()
        ));
    }
    Ok((notes, count))
}

fn next_cursor(notes: &mut Notes, list: List, page: &RawObject<'_>) -> Option<String> {
    let json = page.get("nextCursor").filter(|json| *json != b"null")?;
    let cursor = serde_json::from_slice(json).ok();
    if cursor.is_none() {
        let reason = format!("{} names its next page by no string", list.method());
        notes.left_out.push(reason);
    }
    cursor
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
fn take(drained: &mut Drained, notes: &mut Notes, list: List, json: &str) {
    let what = list.capability();
    // What is said of one that is not taken in the end is of no use.
    let mut own = Notes::default();
    match item(list, json, &mut own) {
        Ok(item) if drained.keys.insert(item.key.clone()) => {
            notes.append(own);
            drained.bytes += item.json.len();
            drained.items.push(item);
        }
        Ok(item) => notes
            .left_out
            .push(format!("{what} {} is repeated", shown(&item.key))),
        Err(reason) => notes.left_out.push(format!("{what} {reason}")),
    }
}

/// An item as every client takes it, or why there can be none.
pub(super) fn item(list: List, json: &str, notes: &mut Notes) -> Result<Item, String> {
    let sound = mend::item(list, json.as_bytes(), notes)?;
    let came = || Bytes::copy_from_slice(json.as_bytes());
    let mut item = Item {
        json: sound.json.map_or_else(came, Bytes::from),
        for_sessions: sound.for_sessions.map(Bytes::from),
        key: sound.key,
        param_headers: Arc::default(),
        is_idempotent: list != List::Tools,
    };
    if list == List::Tools {
        let json = item.json.clone();
        let object = RawObject::parse(&json).unwrap_or_default();
        let schema = object.get("inputSchema").unwrap_or(b"{}");
        item.param_headers = param_headers(schema)
            .map_err(|reason| format!("{} {reason}", shown(&item.key)))?
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
