//! What servers say of themselves and of their tools, prompts and resources, as every client can take it: held against
//! the schemas of all revisions at once, so that one bad item costs nobody a list, and without text that deceives.
//! What is sound stays byte for byte. Nothing is repaired in silence: the notes stand in `_meta`.

mod answer;
mod icon;
mod json;
mod mender;
pub(super) mod notes;
mod pattern;
mod schema;
mod shape;
mod text;

use url::Url;

pub(super) use answer::{Origin, answer, noted};
pub(super) use notes::{Notes, shown};

use super::item::List;
use json::Sort;
use mcp::RawObject;
use mender::{Mender, ROOT, Wrong};
use schema::RootType;
use shape::{HANDSHAKE, IMPLEMENTATION, Kind, Member, PROMPT, RESOURCE, TEMPLATE, TOOL};
use text::has_hidden;

/// Largest tool, prompt, resource or template, in bytes.
pub(super) const ITEM_BYTES_MAX: usize = 256 * 1024;
/// Objects and arrays inside one another in an item; some clients read no further than 128.
const ITEM_DEPTH_MAX: usize = 100;
/// Longest name of a tool, in characters.
const TOOL_NAME_CHARACTERS_MAX: usize = 128;
/// Longest name of a prompt, in characters.
const PROMPT_NAME_CHARACTERS_MAX: usize = 1024;
/// Longest URI, in characters.
const URI_CHARACTERS_MAX: usize = 2048;
/// What no program may be made to follow.
const SCRIPT_SCHEMES: [&str; 2] = ["javascript", "vbscript"];

/// An item that every client takes.
#[derive(Debug)]
pub(super) struct Sound {
    /// Its name or URI at the upstream.
    pub(super) key: String,
    /// The item; none if it stays as it came.
    pub(super) json: Option<Vec<u8>>,
    /// As the revisions with sessions want it, where that differs.
    pub(super) for_sessions: Option<Vec<u8>>,
}

/// Holds an item of a list against what it must be, or says why there can be none.
pub(super) fn item(list: List, json: &[u8], notes: &mut Notes) -> Result<Sound, String> {
    let object =
        RawObject::parse(json).map_err(|_| "list has an item that is not an object".to_owned())?;
    let key = object
        .get_str(list.key())
        .ok_or_else(|| format!("list has an item without a {}", list.key()))?;
    check_key(list, &key)?;
    let name = shown(&key);
    if json.len() > ITEM_BYTES_MAX {
        return Err(format!("{name} is larger than {ITEM_BYTES_MAX} bytes"));
    }
    if json::depth_of(json) > ITEM_DEPTH_MAX {
        return Err(format!(
            "{name} is nested in more than {ITEM_DEPTH_MAX} levels"
        ));
    }
    if list == List::Tools {
        let schema = object
            .get("inputSchema")
            .filter(|schema| Sort::of(schema) == Sort::Object)
            .ok_or_else(|| format!("{name} has no input schema"))?;
        if schema::type_of(schema) == RootType::Other {
            return Err(format!("{name} has an input schema of no object"));
        }
    }
    let what = format!("{} {name}", list.capability());
    let mut mender = Mender { what: &what, notes };
    let mended = match mender.record(shape_of(list), json, ROOT) {
        Ok(mended) => mended,
        Err(Wrong::Is(why)) => return Err(format!("{name} {why}")),
        Err(Wrong::Said) => return Err(format!("{name} cannot be used")),
    };
    let for_sessions = match list {
        List::Tools => mender.for_sessions(mended.as_deref().unwrap_or(json)),
        List::Prompts | List::Resources | List::Templates => None,
    };
    Ok(Sound {
        key,
        json: mended,
        for_sessions,
    })
}

fn shape_of(list: List) -> &'static [Member] {
    match list {
        List::Tools => TOOL,
        List::Prompts => PROMPT,
        List::Resources => RESOURCE,
        List::Templates => TEMPLATE,
    }
}

/// Whether a name or URI can be used at all: nothing may stand under another one than its own.
fn check_key(list: List, key: &str) -> Result<(), String> {
    let characters_max = match list {
        List::Tools => TOOL_NAME_CHARACTERS_MAX,
        List::Prompts => PROMPT_NAME_CHARACTERS_MAX,
        List::Resources | List::Templates => URI_CHARACTERS_MAX,
    };
    let is_unusable =
        key.is_empty() || key.chars().count() > characters_max || key.chars().any(char::is_control);
    if is_unusable {
        return Err(format!("list has an item with an unusable {}", list.key()));
    }
    let is_uri = matches!(list, List::Resources | List::Templates);
    if is_uri && has_hidden(key) {
        return Err(format!("{} has invisible characters", shown(key)));
    }
    if list == List::Resources {
        // Some clients parse it, and lose the list over one that has no scheme.
        match Url::parse(key) {
            Err(_) => return Err(format!("{} is no absolute URI", shown(key))),
            Ok(uri) if SCRIPT_SCHEMES.contains(&uri.scheme()) => {
                return Err(format!("{} is a script", shown(key)));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// What a server says of itself, in a result of `initialize` or `server/discover`.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    /// What it can do.
    pub(super) capabilities: Option<Vec<u8>>,
    /// Its name and version.
    pub(super) server_info: Option<Vec<u8>>,
    /// What models should know, as a JSON string.
    pub(super) instructions: Option<Vec<u8>>,
    /// Its `_meta`.
    pub(super) metadata: Option<Vec<u8>>,
}

/// Reads what a server says of itself, as far as every client takes it.
pub(super) fn introduction(handshake: &[u8], notes: &mut Notes) -> Introduction {
    let mut mender = Mender {
        what: "handshake",
        notes,
    };
    let Ok(mended) = mender.record(HANDSHAKE, handshake, ROOT) else {
        return Introduction::default();
    };
    let object = RawObject::parse(mended.as_deref().unwrap_or(handshake)).unwrap_or_default();
    let part = |name| object.get(name).map(<[u8]>::to_vec);
    Introduction {
        capabilities: part("capabilities"),
        server_info: part("serverInfo"),
        instructions: part("instructions"),
        metadata: part("_meta"),
    }
}

/// Name and version of a server, as far as every client takes them.
pub(super) fn implementation(json: &[u8]) -> Option<Vec<u8>> {
    let mut notes = Notes::default();
    let mut mender = Mender {
        what: "handshake",
        notes: &mut notes,
    };
    let mended = mender
        .value(&Kind::Record(IMPLEMENTATION), json, ROOT)
        .ok()?;
    Some(mended.unwrap_or_else(|| json.to_vec()))
}
