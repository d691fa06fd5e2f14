//! Answers of one server that a client parses whole: lists and completions. For `/mcp/servers/{id}/`, where nothing
//! stands between the two but the relay; what a mentor shows was mended when it was fetched.

use super::json::{self, Change, Sort, elements};
use super::mender::{Mender, ROOT};
use super::notes::Notes;
use super::shape::{COMPLETED, Kind, may};
use super::{ITEM_BYTES_MAX, item};
use crate::gateway::item::{ITEMS_MAX, LIST_BYTES_MAX, List, SERVERS_META};
use mcp::{RawObject, Version};

/// Most values of a completion.
const VALUES_MAX: usize = 100;

/// Whose answer it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway) struct Origin<'a> {
    /// The server's number.
    pub(in crate::gateway) id: i64,
    /// Its name.
    pub(in crate::gateway) name: &'a str,
}

/// The result as every client of the revision takes it; none if it stays as it came.
pub(in crate::gateway) fn answer(
    method: &str,
    client: Version,
    origin: Origin<'_>,
    result: &[u8],
) -> Option<Vec<u8>> {
    let mut notes = Notes::default();
    let mended = match List::of_method(method) {
        Some(list) => listed(list, client, result, &mut notes),
        None if method == "completion/complete" => completed(result, &mut notes),
        None => return None,
    };
    if notes.is_empty() {
        return mended;
    }
    let mended = mended.unwrap_or_else(|| result.to_vec());
    let mut object = RawObject::parse(&mended).ok()?;
    let metadata = noted(object.get("_meta"), origin, notes);
    object.set("_meta", metadata);
    Some(object.to_json())
}

/// `_meta` with what was done to an answer, beside the state of the server that gave it.
pub(in crate::gateway) fn noted(
    metadata: Option<&[u8]>,
    origin: Origin<'_>,
    notes: Notes,
) -> Vec<u8> {
    let metadata = metadata.and_then(|json| RawObject::parse(json).ok());
    let mut metadata = metadata.unwrap_or_default();
    let mut state = serde_json::json!({ "id": origin.id, "name": origin.name, "state": "ok" });
    notes.write(&mut state);
    let states = serde_json::json!([state]).to_string().into_bytes();
    metadata.set(SERVERS_META, states);
    metadata.to_json()
}

fn listed(list: List, client: Version, result: &[u8], notes: &mut Notes) -> Option<Vec<u8>> {
    let mut object = RawObject::parse(result).ok()?;
    let mut is_changed = false;
    match object.get(list.member()) {
        Some(items) if Sort::of(items) == Sort::Array => {
            if let Some(items) = items_of(list, client, items, notes) {
                object.set(list.member(), items);
                is_changed = true;
            }
        }
        other => {
            if other.is_some_and(|other| Sort::of(other) != Sort::Null) {
                let method = list.method();
                notes
                    .left_out
                    .push(format!("{method} has no array of items"));
            }
            object.set(list.member(), &b"[]"[..]);
            is_changed = true;
        }
    }
    let mut mender = Mender {
        what: list.method(),
        notes,
    };
    let rest = [may("nextCursor", Kind::Word), may("_meta", Kind::Metadata)];
    let before = object.to_json();
    let mended = mender.record(&rest, &before, ROOT).ok().flatten();
    mended.or_else(|| is_changed.then_some(before))
}

fn items_of(list: List, client: Version, items: &[u8], notes: &mut Notes) -> Option<Vec<u8>> {
    let (mut bytes, mut too_many) = (0, 0);
    let mended = elements(items, |at, json| {
        let is_too_large = json.len() <= ITEM_BYTES_MAX && bytes + json.len() > LIST_BYTES_MAX;
        if at >= ITEMS_MAX || is_too_large {
            bytes = LIST_BYTES_MAX;
            too_many += 1;
            return Ok(Change::Drop);
        }
        Ok(match item(list, json, notes) {
            Ok(sound) => {
                bytes += json.len();
                let for_era = sound.for_sessions.filter(|_| !client.is_modern());
                for_era.or(sound.json).map_or(Change::Keep, Change::Set)
            }
            Err(reason) => {
                let what = list.capability();
                notes.left_out.push(format!("{what} {reason}"));
                Change::Drop
            }
        })
    });
    if too_many > 0 {
        let method = list.method();
        notes
            .left_out
            .push(format!("{method} is too long by {too_many} items"));
    }
    // What cannot be read as an array is none.
    mended.unwrap_or_else(|_| Some(b"[]".to_vec()))
}

fn completed(result: &[u8], notes: &mut Notes) -> Option<Vec<u8>> {
    let mut mender = Mender {
        what: "completion/complete",
        notes,
    };
    let Ok(mended) = mender.record(COMPLETED, result, ROOT) else {
        let mut object = RawObject::parse(result).unwrap_or_default();
        object.set("completion", &br#"{"values":[]}"#[..]);
        return Some(object.to_json());
    };
    let object = RawObject::parse(mended.as_deref().unwrap_or(result)).ok()?;
    let mut completion = RawObject::parse(object.get("completion")?).ok()?;
    let values: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(completion.get("values")?).ok()?;
    if values.len() <= VALUES_MAX {
        return mended;
    }
    let values = json::array(
        values[..VALUES_MAX]
            .iter()
            .map(|value| value.get().as_bytes()),
    );
    completion.set("values", values);
    completion.set("hasMore", &b"true"[..]);
    let mut object = RawObject::parse(mended.as_deref().unwrap_or(result)).ok()?;
    object.set("completion", completion.to_json());
    Some(object.to_json())
}
