//! JSON Schemas of tools. A keyword whose value no validator takes goes, because one such schema costs clients that
//! compile schemas their whole list; nothing is fetched from elsewhere (docs/inside/threats.md#the-way-out).

use std::collections::HashSet;

use super::json::{Change, Malformed, Sort, elements, members, number_of, text_of};
use super::mender::{Mended, Mender, Path, Wrong, is};
use super::pattern;
use super::shape::Kind;
use super::text::has_hidden;
use mcp::RawObject;
use mcp::raw::{string, value_at};

/// How often a schema is looked through until nothing of it has to go.
const ROUNDS_MAX: usize = 8;
/// References that may lead from one to the next.
const HOPS_MAX: usize = 64;
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// What the value of a keyword must be.
enum Keyword {
    Schema,
    SchemaOrList,
    List,
    Map,
    PatternMap,
    Dependencies,
    Names,
    NameLists,
    Types,
    Number,
    Positive,
    Count,
    Flag,
    Nullable,
    Title,
    Description,
    Reference,
    LocalReference,
    Pattern,
    Word,
    Id,
    OldId,
    Anchor,
    Values,
    Examples,
    Data,
    Forbidden,
}

impl Keyword {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "additionalProperties"
            | "additionalItems"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else"
            | "propertyNames"
            | "contentSchema" => Self::Schema,
            "items" => Self::SchemaOrList,
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => Self::List,
            "properties" | "$defs" | "definitions" | "dependentSchemas" => Self::Map,
            "patternProperties" => Self::PatternMap,
            "dependencies" => Self::Dependencies,
            "required" => Self::Names,
            "dependentRequired" => Self::NameLists,
            "type" => Self::Types,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => Self::Number,
            "multipleOf" => Self::Positive,
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" | "minContains" | "maxContains" => Self::Count,
            "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" | "$recursiveAnchor" => {
                Self::Flag
            }
            "nullable" => Self::Nullable,
            "title" => Self::Title,
            "description" | "$comment" => Self::Description,
            "$ref" => Self::Reference,
            "$dynamicRef" | "$recursiveRef" => Self::LocalReference,
            "pattern" => Self::Pattern,
            "$schema" | "format" | "contentEncoding" | "contentMediaType" => Self::Word,
            "$id" => Self::Id,
            "id" => Self::OldId,
            "$anchor" | "$dynamicAnchor" => Self::Anchor,
            "enum" => Self::Values,
            "examples" => Self::Examples,
            "const" | "default" => Self::Data,
            // Makes a validator promise its verdict for later, which no client waits for.
            "$async" => Self::Forbidden,
            _ => return None,
        })
    }
}

impl Mender<'_> {
    /// The schema of what a tool takes: of an object, also where it does not say so.
    pub(super) fn input_schema(&mut self, json: &[u8], path: Path<'_>) -> Mended {
        if Sort::of(json) != Sort::Object {
            return Err(is("is not an object"));
        }
        let mended = self.schema_of(json, path, false)?;
        let schema = mended.as_deref().unwrap_or(json);
        match type_of(schema) {
            RootType::Object => Ok(mended),
            RootType::Among | RootType::None => Ok(Some(of_object(schema)?)),
            RootType::Other => Err(is("is of no object")),
        }
    }

    /// The schema of what a tool gives. Clients compile it as soon as they have it.
    pub(super) fn output_schema(&mut self, json: &[u8], path: Path<'_>) -> Mended {
        if Sort::of(json) != Sort::Object {
            return Err(is("is not an object"));
        }
        self.schema_of(json, path, true)
    }

    /// A tool as the revisions with sessions want it, if that differs: what it gives is an object, and each property
    /// has a schema that is one.
    pub(super) fn for_sessions(&mut self, tool: &[u8]) -> Option<Vec<u8>> {
        let changed = members(tool, |name, schema| match name {
            "inputSchema" => Ok(with_objects(schema)?.map_or(Change::Keep, Change::Set)),
            "outputSchema" => match type_of(schema) {
                RootType::Object => Ok(with_objects(schema)?.map_or(Change::Keep, Change::Set)),
                RootType::Among | RootType::None => {
                    let schema = of_object(schema)?;
                    Ok(Change::Set(with_objects(&schema)?.unwrap_or(schema)))
                }
                RootType::Other => {
                    let what = self.what;
                    self.notes.left_out.push(format!(
                        "{what}: outputSchema is of no object and was dropped for clients with sessions"
                    ));
                    Ok(Change::Drop)
                }
            },
            _ => Ok(Change::Keep),
        });
        changed.ok().flatten()
    }

    fn schema_of(&mut self, json: &[u8], path: Path<'_>, is_compiled: bool) -> Mended {
        let mut current: Option<Vec<u8>> = None;
        let mut has_hidden_data = false;
        // What goes may have been what something else refers to.
        for _ in 0..ROUNDS_MAX {
            let root = current.as_deref().unwrap_or(json);
            let mut schemas = Schemas {
                mender: self,
                root,
                is_compiled,
                anchors: HashSet::new(),
                has_hidden_data: false,
            };
            let next = schemas.schema(root, path)?;
            has_hidden_data |= schemas.has_hidden_data;
            match next {
                Some(next) => current = Some(next),
                None => {
                    if has_hidden_data {
                        self.flag(
                            path,
                            "has invisible characters in names or values, which stay as they are",
                        );
                    }
                    return Ok(current);
                }
            }
        }
        Err(is("refers to itself in too many ways"))
    }
}

/// What a schema says its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootType {
    /// Objects.
    Object,
    /// Objects among others.
    Among,
    /// Nothing is said.
    None,
    /// Something else.
    Other,
}

pub(super) fn type_of(schema: &[u8]) -> RootType {
    let schema = RawObject::parse(schema).unwrap_or_default();
    match schema.get("type") {
        None | Some(b"null") => RootType::None,
        Some(b"\"object\"") => RootType::Object,
        Some(types) => match serde_json::from_slice::<Vec<String>>(types) {
            Ok(types) if types.iter().any(|kind| kind == "object") => RootType::Among,
            _ => RootType::Other,
        },
    }
}

fn of_object(schema: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut schema = RawObject::parse(schema).map_err(|_| Malformed)?;
    schema.set("type", &b"\"object\""[..]);
    Ok(schema.to_json())
}

/// The schema with objects for those of its properties that only say yes or no.
fn with_objects(schema: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    members(schema, |name, value| {
        if name != "properties" {
            return Ok(Change::Keep);
        }
        let properties = members(value, |_, property| {
            Ok(match property {
                b"true" => Change::Set(b"{}".to_vec()),
                b"false" => Change::Set(br#"{"not":{}}"#.to_vec()),
                _ => Change::Keep,
            })
        })?;
        Ok(properties.map_or(Change::Keep, Change::Set))
    })
}

/// A schema that is looked through.
struct Schemas<'m, 'n, 'r> {
    mender: &'m mut Mender<'n>,
    root: &'r [u8],
    /// Whether clients compile it, so that a pattern which is none costs them the list.
    is_compiled: bool,
    anchors: HashSet<String>,
    has_hidden_data: bool,
}

impl Schemas<'_, '_, '_> {
    fn schema(&mut self, json: &[u8], path: Path<'_>) -> Result<Option<Vec<u8>>, Malformed> {
        match Sort::of(json) {
            Sort::Boolean => Ok(None),
            Sort::Object => {
                let is_root = std::ptr::eq(json, self.root);
                let has_type = RawObject::parse(json)
                    .map_err(|_| Malformed)?
                    .get("type")
                    .is_some();
                members(json, |name, value| {
                    let Some(keyword) = Keyword::of(name) else {
                        return Ok(Change::Keep);
                    };
                    let is_data = matches!(keyword, Keyword::Data);
                    if Sort::of(value) == Sort::Null && !is_data {
                        return Ok(Change::Drop);
                    }
                    if matches!(keyword, Keyword::Nullable) && self.is_compiled && !has_type {
                        return Ok(Change::Drop);
                    }
                    let path = path.name(name);
                    let mended = self
                        .check_compiled(&keyword, value, is_root)
                        .and_then(|()| self.keyword(&keyword, value, path));
                    match mended {
                        Ok(None) => Ok(Change::Keep),
                        Ok(Some(json)) => Ok(Change::Set(json)),
                        Err(Wrong::Said) => Ok(Change::Drop),
                        Err(Wrong::Is(why)) => {
                            self.mender.dropped(path, &why);
                            Ok(Change::Drop)
                        }
                    }
                })
            }
            _ => {
                self.mender.dropped(path, "is not a schema");
                Ok(Some(b"{}".to_vec()))
            }
        }
    }

    /// What compilers of schemas throw on beside what is wrong anyhow. They keep all names of parts in one place, across
    /// the schemas of all servers.
    fn check_compiled(
        &mut self,
        keyword: &Keyword,
        json: &[u8],
        is_root: bool,
    ) -> Result<(), Wrong> {
        match keyword {
            _ if !self.is_compiled => Ok(()),
            Keyword::Id if !is_root => Err(is("is a name that clients take for another's")),
            Keyword::OldId => Err(is("is no keyword of JSON Schema")),
            Keyword::Anchor => {
                let anchor = text_of(json).ok_or_else(|| is("is not a string"))?;
                let mut bytes = anchor.bytes();
                let is_name = bytes
                    .next()
                    .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
                    && bytes.all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.'));
                if !is_name || !self.anchors.insert(anchor) {
                    return Err(is("is not the name of one part"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn keyword(&mut self, keyword: &Keyword, json: &[u8], path: Path<'_>) -> Mended {
        let sort = Sort::of(json);
        let fits = |is_right: bool, why: &'static str| is_right.then_some(None).ok_or(is(why));
        match keyword {
            Keyword::Schema => match sort {
                Sort::Object | Sort::Boolean => Ok(self.schema(json, path)?),
                _ => Err(is("is not a schema")),
            },
            Keyword::SchemaOrList if sort != Sort::Array => {
                self.keyword(&Keyword::Schema, json, path)
            }
            Keyword::SchemaOrList => Ok(elements(json, |at, schema| {
                Ok(self
                    .schema(schema, path.index(at))?
                    .map_or(Change::Keep, Change::Set))
            })?),
            Keyword::List if sort != Sort::Array || is_empty(json) => {
                Err(is("is not a list of schemas"))
            }
            Keyword::List => self.keyword(&Keyword::SchemaOrList, json, path),
            Keyword::Map | Keyword::PatternMap | Keyword::Dependencies | Keyword::NameLists => {
                self.map(keyword, json, path)
            }
            Keyword::Names => self.names(json, path),
            Keyword::Types => fits(are_types(json), "is no type of JSON Schema"),
            Keyword::Number => fits(number_of(json).is_some(), "is not a number"),
            Keyword::Positive => fits(
                number_of(json).is_some_and(|n| n > 0.0),
                "is not a number above 0",
            ),
            Keyword::Count => fits(
                number_of(json).is_some_and(|n| n >= 0.0 && n.fract() == 0.0),
                "is not a count",
            ),
            Keyword::Flag | Keyword::Nullable => fits(sort == Sort::Boolean, "is not a boolean"),
            Keyword::Title => self.mender.value(&Kind::Line, json, path),
            Keyword::Description => self.mender.value(&Kind::Text, json, path),
            Keyword::Word | Keyword::Id | Keyword::OldId | Keyword::Anchor => {
                self.mender.value(&Kind::Word, json, path)
            }
            Keyword::Reference | Keyword::LocalReference => self.reference(keyword, json, path),
            Keyword::Pattern => {
                let text = text_of(json).ok_or_else(|| is("is not a string"))?;
                self.note_data(json);
                fits(
                    !self.is_compiled || pattern::is_valid(&text),
                    "is no pattern that every client takes",
                )
            }
            Keyword::Values => {
                self.note_data(json);
                fits(
                    sort == Sort::Array && !is_empty(json),
                    "is not a list of values",
                )
            }
            Keyword::Examples => {
                self.note_data(json);
                fits(sort == Sort::Array, "is not a list of values")
            }
            Keyword::Data => {
                self.note_data(json);
                Ok(None)
            }
            Keyword::Forbidden => Err(is("is no keyword of JSON Schema")),
        }
    }

    fn map(&mut self, keyword: &Keyword, json: &[u8], path: Path<'_>) -> Mended {
        if Sort::of(json) != Sort::Object {
            return Err(is("is not an object"));
        }
        Ok(members(json, |name, value| {
            self.has_hidden_data |= has_hidden(name);
            let path = path.name(name);
            if matches!(keyword, Keyword::PatternMap)
                && self.is_compiled
                && !pattern::is_valid(name)
            {
                self.mender
                    .dropped(path, "is no pattern that every client takes");
                return Ok(Change::Drop);
            }
            let are_names = match keyword {
                Keyword::NameLists => true,
                Keyword::Dependencies => Sort::of(value) == Sort::Array,
                _ => false,
            };
            if !are_names {
                return Ok(self.schema(value, path)?.map_or(Change::Keep, Change::Set));
            }
            Ok(match self.names(value, path) {
                Ok(None) => Change::Keep,
                Ok(Some(json)) => Change::Set(json),
                Err(_) => {
                    self.mender.dropped(path, "is not a list of names");
                    Change::Drop
                }
            })
        })?)
    }

    fn names(&mut self, json: &[u8], path: Path<'_>) -> Mended {
        if Sort::of(json) != Sort::Array {
            return Err(is("is not a list of names"));
        }
        self.note_data(json);
        Ok(elements(json, |at, name| {
            if serde_json::from_slice::<String>(name).is_ok() {
                return Ok(Change::Keep);
            }
            self.mender.dropped(path.index(at), "is not a name");
            Ok(Change::Drop)
        })?)
    }

    fn reference(&mut self, keyword: &Keyword, json: &[u8], path: Path<'_>) -> Mended {
        let to: String = serde_json::from_slice(json).map_err(|_| is("is not a string"))?;
        let Some(fragment) = self.fragment_of(&to) else {
            if !self.is_compiled && self.has_id(&to) {
                return Ok(None);
            }
            self.mender
                .flag(path, "refers to a schema elsewhere and was dropped");
            return Err(is("refers to a schema elsewhere"));
        };
        if matches!(keyword, Keyword::LocalReference) {
            return Ok(None);
        }
        if !self.has(fragment) {
            return Err(is("refers to nothing"));
        }
        if self.leads_in_a_circle(fragment) {
            return Err(is("refers to itself"));
        }
        Ok(None)
    }

    /// The part of this schema that a reference means, if it means one.
    fn fragment_of<'t>(&self, to: &'t str) -> Option<&'t str> {
        if let Some(fragment) = to.strip_prefix('#') {
            return Some(fragment);
        }
        let (id, fragment) = to.split_once('#').unwrap_or((to, ""));
        let root = RawObject::parse(self.root).ok()?.get_str("$id")?;
        (root.trim_end_matches('#') == id).then_some(fragment)
    }

    /// Whether one reference leads to the next without end, and never to a schema.
    fn leads_in_a_circle(&self, fragment: &str) -> bool {
        let mut fragment = fragment.to_owned();
        for _ in 0..HOPS_MAX {
            let next = self
                .target(&fragment)
                .and_then(|json| RawObject::parse(json).ok()?.get_str("$ref"));
            match next.as_deref().and_then(|next| self.fragment_of(next)) {
                Some(next) => fragment = next.to_owned(),
                None => return false,
            }
        }
        true
    }

    /// Whether a part of the schema bears this name, so that it need not be looked for elsewhere.
    fn has_id(&self, id: &str) -> bool {
        let id = id.split('#').next().unwrap_or_default();
        !id.is_empty() && self.has_value(&["\"$id\""], id)
    }

    /// Whether one of these members, quoted, has this text somewhere in the schema.
    fn has_value(&self, members: &[&str], text: &str) -> bool {
        let written = string(text);
        memchr::memmem::find_iter(self.root, &written).any(|at| {
            let before = self.root[..at].trim_ascii_end();
            let name = before.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
            name.is_some_and(|name| {
                members
                    .iter()
                    .any(|member| name.ends_with(member.as_bytes()))
            })
        })
    }

    /// Whether a part of the schema is found under a fragment. Inside of parts with names of their own, fragments mean
    /// something else, which is not looked into.
    fn has(&self, fragment: &str) -> bool {
        if !self.is_compiled
            && memchr::memmem::find_iter(self.root, b"\"$id\"")
                .nth(1)
                .is_some()
        {
            return true;
        }
        if fragment.is_empty() || fragment.starts_with('/') {
            let target = self.target(fragment);
            target.is_some_and(|json| matches!(Sort::of(json), Sort::Object | Sort::Boolean))
        } else {
            self.has_value(&["\"$anchor\"", "\"$dynamicAnchor\""], fragment)
        }
    }

    /// What a pointer points to.
    fn target(&self, pointer: &str) -> Option<&[u8]> {
        if pointer.is_empty() {
            return Some(self.root);
        }
        let mut tokens = pointer.strip_prefix('/')?.split('/');
        tokens.try_fold(self.root, |json, token| {
            let token = percent_decoded(token).replace("~1", "/").replace("~0", "~");
            child(json, &token)
        })
    }

    /// Values and names stay as they are: others would be refused by the server.
    fn note_data(&mut self, json: &[u8]) {
        let is_plain = json
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t') && *byte != b'\\');
        if is_plain || self.has_hidden_data {
            return;
        }
        let value: Option<serde_json::Value> = serde_json::from_slice(json).ok();
        self.has_hidden_data = value.is_none_or(|value| has_hidden_inside(&value));
    }
}

fn is_empty(array: &[u8]) -> bool {
    array
        .get(1..)
        .unwrap_or_default()
        .trim_ascii_start()
        .starts_with(b"]")
}

fn are_types(json: &[u8]) -> bool {
    let is_type = |text: &String| TYPES.contains(&text.as_str());
    match Sort::of(json) {
        Sort::Text => text_of(json).as_ref().is_some_and(is_type),
        Sort::Array => serde_json::from_slice::<Vec<String>>(json)
            .is_ok_and(|types| !types.is_empty() && types.iter().all(is_type)),
        _ => false,
    }
}

fn has_hidden_inside(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => has_hidden(text),
        serde_json::Value::Array(values) => values.iter().any(has_hidden_inside),
        serde_json::Value::Object(members) => members
            .iter()
            .any(|(name, value)| has_hidden(name) || has_hidden_inside(value)),
        _ => false,
    }
}

/// What stands under a name in an object, or at a place in an array.
fn child<'a>(json: &'a [u8], token: &str) -> Option<&'a [u8]> {
    match Sort::of(json) {
        Sort::Object => value_at(json, &[token.to_owned()]),
        Sort::Array => {
            let array: Vec<&serde_json::value::RawValue> = serde_json::from_slice(json).ok()?;
            let at: usize = token.parse().ok()?;
            Some(array.get(at)?.get().as_bytes())
        }
        _ => None,
    }
}

fn percent_decoded(token: &str) -> String {
    let mut out = Vec::with_capacity(token.len());
    let mut bytes = token.as_bytes().iter();
    while let Some(byte) = bytes.next().copied() {
        let digits = bytes.as_slice().get(..2).filter(|_| byte == b'%');
        let decoded = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(decoded) => {
                out.push(decoded);
                bytes.nth(1);
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
