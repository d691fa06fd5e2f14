//! What native servers offer to a mentor's callers: the same to all who may mean anybody, and without the argument that
//! says who is meant to everybody else. Made once a process: it changes with a release only.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::fetch;
use super::item::{Item, List};
use super::mend::Notes;
use super::snapshot::Snapshot;
use native::{self, FACES, Face};
use tenancy::auth::Caller;

/// The argument that says whom a call is about.
pub(super) const WHO: &str = "username";

/// A server of our own.
#[derive(Debug)]
pub struct Own {
    /// Which.
    pub face: &'static Face,
    /// What it offers to this caller.
    pub snapshot: Arc<Snapshot>,
}

impl Own {
    /// The server with this name as a caller may use it.
    pub(super) fn named(name: &str, caller: &Caller) -> Option<Self> {
        let face = native::find(name)?;
        let snapshot = OFFERED.get(&(face.name, is_locked(caller)))?.clone();
        Some(Self { face, snapshot })
    }
}

/// A learner is meant by their own calls; whoever administers the tenant says whom they mean.
pub(super) fn is_locked(caller: &Caller) -> bool {
    !caller.is_admin()
}

/// What each offers, by its name and by whether its caller is the only one who may be meant.
static OFFERED: LazyLock<HashMap<(&str, bool), Arc<Snapshot>>> = LazyLock::new(|| {
    let kinds = FACES
        .iter()
        .flat_map(|face| [(*face, true), (*face, false)]);
    let offered = kinds.map(|(face, is_locked)| {
        let snapshot = offer(face, is_locked);
        ((face.name, is_locked), Arc::new(snapshot))
    });
    offered.collect()
});

fn offer(face: &'static Face, is_locked: bool) -> Snapshot {
    let mut tools = native::tools(face).to_vec();
    if is_locked {
        tools.iter_mut().for_each(hide_who);
    }
    let items = |list, values: Vec<Value>| -> Arc<[Item]> {
        let items = values.iter();
        let items = items.map(|value| {
            let mut notes = Notes::default();
            let item = fetch::item(list, &value.to_string(), &mut notes)?;
            debug_assert!(notes.is_empty(), "{notes:?}");
            Ok::<_, String>(item)
        });
        items
            .map(|item| item.expect("our own lists are well formed"))
            .collect()
    };
    let lists = [
        items(List::Tools, tools),
        Arc::default(),
        items(List::Resources, native::resources(face, false)),
        items(List::Templates, native::resources(face, true)),
    ];
    Snapshot::fixed(lists, face.instructions)
}

/// Whom a tool is about is not for a model to say, nor to know of.
fn hide_who(tool: &mut Value) {
    let schema = &mut tool["inputSchema"];
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.remove(WHO);
    }
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|name| name != WHO);
    }
}
