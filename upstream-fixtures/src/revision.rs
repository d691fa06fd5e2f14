//! The revisions of the protocol, and what each of them has no word for.
//! Must never add to an answer: a fixture says the same thing in every revision, or less.

use serde_json::{Value, json};

/// A revision of the protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05
    V2024_11_05,
    /// 2025-03-26
    V2025_03_26,
    /// 2025-06-18
    V2025_06_18,
    /// 2025-11-25
    V2025_11_25,
    /// 2026-07-28
    V2026_07_28,
}

/// Every revision that begins with `initialize`, newest first.
pub(crate) const LEGACY: [Revision; 4] = [
    Revision::V2025_11_25,
    Revision::V2025_06_18,
    Revision::V2025_03_26,
    Revision::V2024_11_05,
];

impl Revision {
    /// Returns the date that stands for this revision on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
            Revision::V2026_07_28 => "2026-07-28",
        }
    }

    /// Finds the revision that a date stands for.
    pub fn find(date: &str) -> Option<Revision> {
        [Revision::V2026_07_28]
            .into_iter()
            .chain(LEGACY)
            .find(|known| known.as_str() == date)
    }

    /// Says whether requests carry their own version and no session exists.
    pub fn is_modern(self) -> bool {
        self == Revision::V2026_07_28
    }

    /// Takes out of a result what this revision does not know.
    ///
    /// Annotations and audio came with 2025-03-26; titles, `_meta` of items, structured content and
    /// resource links with 2025-06-18; icons with 2025-11-25.
    pub(crate) fn trim(self, result: &mut Value) {
        if self < Revision::V2025_06_18 {
            take(result, &["structuredContent"]);
        }
        for list in ["tools", "resources", "resourceTemplates", "prompts"] {
            for item in items(result, list) {
                self.trim_item(item, list == "tools");
            }
        }
        for block in items(result, "content") {
            self.trim_block(block);
        }
    }

    /// Takes out of an implementation's description what this revision does not know.
    pub(crate) fn trim_implementation(self, implementation: &mut Value) {
        if self < Revision::V2025_11_25 {
            take(implementation, &["icons", "description", "websiteUrl"]);
        }
        if self < Revision::V2025_06_18 {
            take(implementation, &["title"]);
        }
    }

    fn trim_item(self, item: &mut Value, is_tool: bool) {
        if self < Revision::V2025_11_25 {
            take(item, &["icons"]);
        }
        if self < Revision::V2025_06_18 {
            take(item, &["title", "outputSchema", "_meta"]);
        }
        // Resources had annotations from the first, tools only from the second revision.
        if self < Revision::V2025_03_26 && is_tool {
            take(item, &["annotations"]);
        }
    }

    fn trim_block(self, block: &mut Value) {
        let unknown = match block["type"].as_str() {
            Some("resource_link") => self < Revision::V2025_06_18,
            Some("audio") => self < Revision::V2025_03_26,
            _ => false,
        };
        if unknown {
            *block = json!({ "type": "text", "text": block.to_string() });
        }
        if self < Revision::V2025_06_18 {
            take(block, &["_meta"]);
        }
    }
}

fn items<'a>(result: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    result
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

fn take(value: &mut Value, members: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|member, _| !members.contains(&member.as_str()));
    }
}
