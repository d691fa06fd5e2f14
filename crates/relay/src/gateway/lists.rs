//! Lists of a mentor's endpoint: the union of its servers' items under their names, in a stable order,
//! with every server's state beside them (docs/inside/decisions.md#lists-from-a-snapshot,
//! docs/inside/decisions.md#names-of-tools).

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::join_all;
use moka::sync::Cache;
use serde_json::json;

use super::catalog::FIRST_LOOK_PATIENCE;
use super::connect::tool as connect_tool;
use super::item::{Item, List, SERVERS_META, TTL_MS_MAX};
use super::mend::notes;
use super::names::{Prefix, expose_all};
use super::snapshot::Snapshot;
use super::view::{Access, Closed, Member, View};
use crate::upstream::CallFailure;
use base::error::UpstreamFailureKind;
use mcp::error::{INVALID_PARAMS, RpcError};
use mcp::raw::{string, write_string};
use mcp::{RawObject, Version};

/// Items in a page.
const PAGE_ITEMS: usize = 1000;
/// Bytes of the items in a page, unless a single one is larger.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the first look at a server may hold up the first list; later ones never wait. Clients that list once have
/// nothing of a server that is later than that; lists are not kept on disk for them, because they may be one person's
/// own, and old ones would be shown for a server that is gone.
const FIRST_LIST_PATIENCE: Duration = Duration::from_secs(10);
/// Listings held at once, and how long an unused one is.
const LISTINGS_MAX: u64 = 2_000;
const LISTING_IDLE: Duration = Duration::from_secs(600);
/// The `_meta` key under which an empty list says why it is empty.
pub(crate) const NOTE_META: &str = "mentor-gateway/note";

/// One list of a view, ready to be sent: server by server as they were attached, each in its own order.
#[derive(Debug)]
pub struct Listing {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
    /// The array of all entries, when they fit a page.
    whole: Option<Bytes>,
    /// The same for the revisions with sessions, where it differs.
    whole_for_sessions: Option<Bytes>,
    clashes: Vec<String>,
    /// The servers whose entries these are.
    servers: Vec<i64>,
}

#[derive(Debug)]
struct Entry {
    exposed: String,
    json: Bytes,
    /// As the revisions with sessions want it, where that differs.
    for_sessions: Option<Bytes>,
    member: usize,
    item: Item,
}

impl Entry {
    fn json(&self, version: Version) -> &Bytes {
        match &self.for_sessions {
            Some(json) if !version.is_modern() => json,
            _ => &self.json,
        }
    }
}

/// An entry of a listing: which member has it, and what it is there.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The index of the member in its view.
    pub member: usize,
    /// The item.
    pub item: &'a Item,
}

impl Listing {
    /// All entries in one page, if they fit one.
    fn whole(&self, version: Version) -> Option<&Bytes> {
        let other = self.whole_for_sessions.as_ref();
        other
            .filter(|_| !version.is_modern())
            .or(self.whole.as_ref())
    }

    /// What is shown under a name.
    pub fn find(&self, exposed: &str) -> Option<Found<'_>> {
        let entry = &self.entries[*self.index.get(exposed)?];
        Some(Found {
            member: entry.member,
            item: &entry.item,
        })
    }

    /// Whether a client that has the one list has the other. Those of one content are mostly one.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        let mut pairs = self.entries.iter().zip(&other.entries);
        std::ptr::eq(self, other)
            || self.entries.len() == other.entries.len() && pairs.all(|(a, b)| a.json == b.json)
    }

    /// Everything in it.
    pub fn all(&self) -> impl Iterator<Item = (&str, Found<'_>)> {
        self.entries.iter().map(|entry| {
            (
                entry.exposed.as_str(),
                Found {
                    member: entry.member,
                    item: &entry.item,
                },
            )
        })
    }
}

static LISTINGS: LazyLock<Cache<[u64; 2], Arc<Listing>>> = LazyLock::new(|| {
    Cache::builder()
        .max_capacity(LISTINGS_MAX)
        .time_to_idle(LISTING_IDLE)
        .build()
});
static HASHERS: LazyLock<[RandomState; 2]> =
    LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// A listing and what it is remembered under.
#[derive(Debug, Clone)]
struct Keyed {
    key: [u64; 2],
    listing: Arc<Listing>,
}

/// The list of a view as the catalogs have it now.
pub fn listing(view: &View, list: List) -> Arc<Listing> {
    keyed(view, list).listing
}

fn keyed(view: &View, list: List) -> Keyed {
    let snapshots: Vec<Option<Arc<Snapshot>>> = view.members.iter().map(Member::snapshot).collect();
    let identity: Vec<(&Prefix, u64)> = view
        .members
        .iter()
        .zip(&snapshots)
        .map(|(member, snapshot)| (&member.prefix, mark_of(member, snapshot.as_deref())))
        .collect();
    // Snapshot versions are unique in the process, so two views with equal identities show equal items.
    let key = [
        HASHERS[0].hash_one((list, &identity)),
        HASHERS[1].hash_one((list, &identity)),
    ];
    let listing = LISTINGS.get_with(key, || Arc::new(build(view, &snapshots, list)));
    Keyed { key, listing }
}

/// What tells the content of a member from its other contents. Versions of snapshots grow from 1.
fn mark_of(member: &Member, snapshot: Option<&Snapshot>) -> u64 {
    match (snapshot, &member.access) {
        (Some(snapshot), _) => snapshot.version,
        (None, Access::Closed(Closed::SignInNeeded)) => u64::MAX,
        (None, _) => 0,
    }
}

fn build(view: &View, snapshots: &[Option<Arc<Snapshot>>], list: List) -> Listing {
    let own: Vec<Option<Item>> = view
        .members
        .iter()
        .map(|member| connect_tool(member).filter(|_| list == List::Tools))
        .collect();
    let mut items: Vec<(usize, &Item)> = Vec::new();
    for (member, snapshot) in snapshots.iter().enumerate() {
        items.extend(
            snapshot
                .iter()
                .flat_map(|s| s.list(list))
                .chain(own[member].iter())
                .map(|item| (member, item)),
        );
    }
    let keyed: Vec<(&Prefix, &str)> = items
        .iter()
        .map(|(member, item)| (&view.members[*member].prefix, item.key.as_str()))
        .collect();
    let (names, clashes) = match list {
        List::Tools | List::Prompts => expose_all(&keyed),
        // A URI says itself whose it is: two servers' are never the same.
        List::Resources | List::Templates => {
            let uris = keyed.iter();
            let uris = uris.map(|(prefix, uri)| prefix.expose_uri(uri));
            (uris.collect(), Vec::new())
        }
    };
    if !clashes.is_empty() {
        tracing::warn!(
            list = list.method(),
            ?clashes,
            "two servers of a mentor share names; both are shown with their number"
        );
    }
    let entries = entries_of(view, list, items.into_iter().zip(names));
    let index = entries
        .iter()
        .enumerate()
        .map(|(i, entry)| (entry.exposed.clone(), i))
        .collect();
    let whole = |version| Bytes::from(array(&entries, version));
    let is_one_page = page_end(&entries, 0) == entries.len();
    let differs = entries.iter().any(|entry| entry.for_sessions.is_some());
    Listing {
        whole: is_one_page.then(|| whole(Version::V2026_07_28)),
        whole_for_sessions: (is_one_page && differs).then(|| whole(Version::NEWEST_LEGACY)),
        entries,
        index,
        clashes,
        servers: view
            .members
            .iter()
            .filter(|m| m.snapshot().is_some())
            .map(|m| m.server.id.0)
            .collect(),
    }
}

/// The items as they are shown, each under its name here.
fn entries_of<'a>(
    view: &View,
    list: List,
    named: impl Iterator<Item = ((usize, &'a Item), String)>,
) -> Vec<Entry> {
    let entry = |((member, item), exposed): ((usize, &'a Item), String)| {
        let shown = |json| renamed(json, (item, &view.members[member].prefix), list, &exposed);
        Entry {
            json: shown(&item.json),
            for_sessions: item.for_sessions.as_ref().map(shown),
            exposed: exposed.clone(),
            member,
            item: item.clone(),
        }
    };
    named.map(entry).collect()
}

fn renamed(json: &Bytes, (item, prefix): (&Item, &Prefix), list: List, exposed: &str) -> Bytes {
    let named = prefix.namer().item(json, list.key());
    let json = named.map_or_else(|| json.clone(), Bytes::from);
    if item.key == exposed || list.key() != "name" {
        return json;
    }
    match RawObject::parse(&json) {
        Ok(mut object) => {
            object.set(list.key(), string(exposed));
            object.to_json().into()
        }
        Err(_) => json,
    }
}

/// Where the page ends that begins there.
fn page_end(entries: &[Entry], start: usize) -> usize {
    let mut bytes = 0;
    let part = entries.iter().skip(start).take(PAGE_ITEMS);
    let fitting = part.take_while(|entry| {
        let is_first = bytes == 0;
        bytes += entry.json.len();
        is_first || bytes <= PAGE_BYTES_MAX
    });
    start + fitting.count()
}

fn array(entries: &[Entry], version: Version) -> Vec<u8> {
    let size = entries.iter().map(|e| e.json(version).len() + 1);
    let mut out = Vec::with_capacity(size.sum::<usize>() + 2);
    out.push(b'[');
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(entry.json(version));
    }
    out.push(b']');
    out
}

/// Waits, a little, for the first look at each server that was never looked at, and for a look at what a call of the
/// caller has changed.
pub(crate) async fn first_looks(view: &View) {
    settle(view, FIRST_LIST_PATIENCE).await;
}

/// The same with another patience for the first look.
pub async fn settle(view: &View, patience: Duration) {
    let new = view.members.iter().filter(|member| member.is_pending());
    let new = new.filter_map(Member::ready);
    let opens = view.members.iter().filter_map(Member::ready);
    let stale = opens.filter(|open| open.cell.is_stale());
    let settled = join_all(stale.map(|open| open.cell.settled(FIRST_LOOK_PATIENCE)));
    let first = join_all(new.map(|open| open.cell.first_snapshot(patience)));
    tokio::join!(first, settled);
}

/// The result of a list request.
///
/// # Errors
/// -32602 for a cursor that we did not make.
pub async fn answer(
    view: &View,
    list: List,
    params: &[u8],
    version: Version,
) -> Result<Vec<u8>, RpcError> {
    first_looks(view).await;
    let current = keyed(view, list);
    let listing = current.listing.clone();
    let params = RawObject::parse(params).unwrap_or_default();
    // Some clients write out that they have none.
    let cursor = params.get("cursor").filter(|cursor| *cursor != b"null");
    let (items, next) = match (cursor, listing.whole(version)) {
        (None, Some(whole)) => (Cow::Borrowed(&**whole), None),
        _ => page(view, &current, cursor, version)?,
    };
    let mut out = Vec::with_capacity(items.len() + 1024);
    out.push(b'{');
    write_string(&mut out, list.member());
    out.push(b':');
    out.extend_from_slice(&items);
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextCursor\":");
        write_string(&mut out, &next);
    }
    if version.is_modern() {
        let (ttl_ms, scope) = cache_hints(view);
        out.extend_from_slice(
            format!(r#","resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"{scope}""#)
                .as_bytes(),
        );
    }
    let mut metadata =
        json!({ SERVERS_META: states(view), "mentor-gateway/clashes": listing.clashes });
    if listing.entries.is_empty() {
        metadata[NOTE_META] = why_empty(view, list).into();
    }
    out.extend_from_slice(format!(",\"_meta\":{metadata}}}").as_bytes());
    Ok(out)
}

/// Why there is nothing in a list, in sentences that a mentor can say.
fn why_empty(view: &View, list: List) -> String {
    if let Some(note) = &view.note {
        return note.clone();
    }
    let why = |member: &Member| {
        let name = &member.server.name;
        let Some(snapshot) = member.snapshot() else {
            return match &member.access {
                Access::Closed(closed) => closed.sentence(name),
                Access::Open(_) | Access::Own(_) => String::new(),
            };
        };
        match (&snapshot.failure, snapshot.version) {
            (Some(failure), _) => format!("{}.", failure.clone().into_error(name)),
            (None, 0) => format!("{name} has not answered yet."),
            (None, _) => format!("{name} has no {}.", list.things()),
        }
    };
    let sentences: Vec<String> = view.members.iter().map(why).collect();
    sentences.join(" ")
}

/// Where a list goes on. It goes on in the listing in which it began, as long as that is remembered, so that
/// nothing is lost or repeated while servers change; else after the last name that was sent.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Cursor {
    listing: [u64; 2],
    next: usize,
    after: String,
}

fn page(
    view: &View,
    current: &Keyed,
    cursor: Option<&[u8]>,
    version: Version,
) -> Result<(Cow<'static, [u8]>, Option<String>), RpcError> {
    let invalid = || RpcError::new(INVALID_PARAMS, "Invalid cursor");
    let (keyed, start) = match cursor {
        None => (current.clone(), 0),
        Some(json) => {
            let text: String = serde_json::from_slice(json).map_err(|_| invalid())?;
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
            let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
            match LISTINGS
                .get(&cursor.listing)
                .filter(|listing| is_within(listing, view))
            {
                Some(listing) => (
                    Keyed {
                        key: cursor.listing,
                        listing,
                    },
                    cursor.next,
                ),
                None => {
                    let last = current
                        .listing
                        .index
                        .get(&cursor.after)
                        .ok_or_else(invalid)?;
                    (current.clone(), last + 1)
                }
            }
        }
    };
    let entries = &keyed.listing.entries;
    let end = page_end(entries, start);
    let part = entries.get(start..end).ok_or_else(invalid)?;
    let next = part.last().filter(|_| end < entries.len()).map(|last| {
        let cursor = Cursor {
            listing: keyed.key,
            next: end,
            after: last.exposed.clone(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    });
    Ok((Cow::Owned(array(part, version)), next))
}

/// Whether a remembered listing has nothing that the view has not.
fn is_within(listing: &Listing, view: &View) -> bool {
    listing.servers.iter().all(|server| {
        view.members
            .iter()
            .any(|m| m.server.id.0 == *server && m.snapshot().is_some())
    })
}

/// Never longer than any upstream allows, and private as soon as one answer is somebody's own.
/// The view itself belongs to a caller, so nothing here is public.
fn cache_hints(view: &View) -> (u64, &'static str) {
    let snapshots = view.members.iter().filter_map(Member::snapshot);
    let ttl = snapshots.map(|snapshot| {
        if snapshot.failure.is_some() || snapshot.version == 0 {
            0
        } else {
            snapshot.ttl_ms.unwrap_or(0)
        }
    });
    (ttl.min().unwrap_or(0).min(TTL_MS_MAX), "private")
}

/// Each server's state, with a sentence where it is not well.
pub fn states(view: &View) -> serde_json::Value {
    let states = view.members.iter().map(|member| {
        let server = &member.server;
        match &member.access {
            Access::Closed(closed) => json!({
                "id": server.id.0, "name": server.name, "state": closed.as_str(), "message": closed.sentence(&server.name),
            }),
            Access::Open(_) | Access::Own(_) => {
                let snapshot = member.snapshot().unwrap_or_default();
                let mut state = json!({ "id": server.id.0, "name": server.name, "state": snapshot.state() });
                let broken = member.ready().filter(|open| open.is_broken());
                if let Some(open) = broken.filter(|_| snapshot.failure.is_none()) {
                    let failure = CallFailure::of(UpstreamFailureKind::BreakerOpen, false);
                    state["state"] = failure.kind.as_str().into();
                    state["message"] = failure.into_error(&open.upstream.name).to_string().into();
                }
                if let Some(failure) = &snapshot.failure {
                    state["message"] = failure.clone().into_error(&server.name).to_string().into();
                }
                notes::write(&mut state, &snapshot.left_out, &snapshot.flagged);
                state
            }
        }
    });
    states.collect()
}
