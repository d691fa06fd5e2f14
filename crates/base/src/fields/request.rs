//! A request as one table: [`request!`](crate::request!) declares a struct, and from each of its fields come the
//! reading, the published schema and the example. rustc complains of a field that nobody uses.

use std::fmt;

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::messages::REQUIRED;
use super::raw::Fields;
use super::reader::{Given, Reader};
use crate::error::FieldErrors;

/// A part of a request, or all of it.
pub trait Request: Sized {
    /// What it may hold.
    const TABLE: &'static Table;

    /// Reads it; complaints go to the reader.
    fn read(reader: &mut Reader<'_>) -> Self;

    /// Reads a request in which everything required must stand, with every complaint.
    fn whole(fields: &Fields) -> (Self, FieldErrors) {
        let mut reader = Reader::whole(fields);
        (Self::read(&mut reader), reader.errors)
    }

    /// Reads a change, which may name some fields only, with every complaint.
    fn partial(fields: &Fields) -> (Self, FieldErrors) {
        let mut reader = Reader::new(fields);
        (Self::read(&mut reader), reader.errors)
    }
}

/// Declares a [`Request`]: a type for each field, its kind, and an example. `Option` is a field that may not be null,
/// `Given` one in which null says something. After `=>` stands the field in the example of the whole request, after
/// `such as` one that is shown for the field alone, because it does not go with the others. What is `ignored` may
/// stand there too, for clients that send it, and is not looked at.
#[macro_export]
macro_rules! request {
    ($(#[doc = $about:literal])+ $vis:vis struct $name:ident {
        $($(#[doc = $says:literal])+ $field:ident: $type:ty = $kind:expr $(=> $shown:tt)? $(, such as $apart:tt)? ;)+
    } $(ignored { $($(#[doc = $note:literal])+ $ignored:ident = $sample:tt ;)+ })?) => {
        $(#[doc = $about])+
        $vis struct $name { $($(#[doc = $says])+ $vis $field: $type),+ }

        impl $crate::fields::Request for $name {
            const TABLE: &'static $crate::fields::Table = &$crate::fields::Table {
                about: &[$($about),+],
                rows: &[$($crate::fields::Row {
                    name: stringify!($field),
                    about: &[$($says),+],
                    field: &$kind,
                    takes_null: <$type as $crate::fields::Slot>::TAKES_NULL,
                    shown: $crate::fields::request!(@shown $($shown)?),
                    example: Some(|| serde_json::json!($($shown)? $($apart)?)),
                },)+ $($($crate::fields::Row {
                    name: stringify!($ignored),
                    about: &[$($note),+],
                    field: &$crate::fields::optional($crate::fields::kind::Json::ANY),
                    takes_null: true,
                    shown: false,
                    example: Some(|| serde_json::json!($sample)),
                },)+)?],
                read: |reader| { <Self as $crate::fields::Request>::read(reader); },
            };

            fn read(reader: &mut $crate::fields::Reader<'_>) -> Self {
                Self { $($field: reader.field(stringify!($field), &$kind)),+ }
            }
        }
    };
    (@shown) => { false };
    (@shown $shown:tt) => { true };
}

/// Whether a field must stand in a whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It need not.
    Optional,
    /// It need not; without it, or with null, this stands for it, as a form would write it.
    Default(&'static str),
}

/// A kind of value, and whether it must stand there.
#[derive(Debug)]
pub struct Field<K> {
    kind: K,
    need: Need,
}

/// A field without which there is no request.
pub const fn required<K>(kind: K) -> Field<K> {
    Field {
        kind,
        need: Need::Required,
    }
}

/// A field that may be left out.
pub const fn optional<K>(kind: K) -> Field<K> {
    Field {
        kind,
        need: Need::Optional,
    }
}

/// A field that has a value of its own until it is given one.
pub const fn default<K>(text: &'static str, kind: K) -> Field<K> {
    Field {
        kind,
        need: Need::Default(text),
    }
}

/// A field as it is published.
pub trait Published: fmt::Debug + Sync {
    /// The JSON Schema of its value, null aside.
    fn schema(&self) -> Value;

    /// Whether it must stand there.
    fn need(&self) -> Need;
}

impl<K: Kind> Published for Field<K> {
    fn schema(&self) -> Value {
        self.kind.schema()
    }

    fn need(&self) -> Need {
        self.need
    }
}

/// What holds a field once it is read.
pub trait Slot {
    /// The value, if there is one.
    type Value;
    /// Whether null may stand in the field.
    const TAKES_NULL: bool;

    /// From what was read.
    fn of(given: Given<Self::Value>) -> Self;
}

impl<T> Slot for Option<T> {
    type Value = T;
    const TAKES_NULL: bool = false;

    fn of(given: Given<T>) -> Self {
        given.value()
    }
}

impl<T> Slot for Given<T> {
    type Value = T;
    const TAKES_NULL: bool = true;

    fn of(given: Given<T>) -> Self {
        given
    }
}

impl Reader<'_> {
    /// A field of a [`request!`](crate::request!). One with a complaint is not looked at again.
    pub fn field<K: Kind, S: Slot<Value = K::Value>>(&mut self, name: &str, field: &Field<K>) -> S {
        if self.errors.has(name) {
            return S::of(Given::Absent);
        }
        let is_there = self.has(name);
        let given = field.kind.read(self, name);
        let given = match (field.need, given) {
            (Need::Required, given) if self.is_whole && !is_there => {
                self.errors.add(name, REQUIRED);
                given
            }
            (Need::Default(text), Given::Absent) if self.is_whole && !is_there => {
                filled_in(&field.kind, name, text)
            }
            (Need::Default(text), Given::Null) if self.is_whole => {
                filled_in(&field.kind, name, text)
            }
            (_, given) => given,
        };
        if matches!(given, Given::Null) && !S::TAKES_NULL {
            self.errors.add(name, field.kind.null());
        }
        S::of(given)
    }
}

fn filled_in<K: Kind>(kind: &K, name: &str, text: &str) -> Given<K::Value> {
    let mut fields = Fields::default();
    fields.add_text(name, text.to_owned());
    kind.read(&mut Reader::new(&fields), name)
}

/// One field of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is, line by line.
    pub about: &'static [&'static str],
    /// What it may be.
    pub field: &'static dyn Published,
    /// Whether null may stand in it.
    pub takes_null: bool,
    /// Whether its example is part of the whole request's.
    pub shown: bool,
    /// An example, if one says more than its schema.
    pub example: Option<fn() -> Value>,
}

impl Row {
    /// Its JSON Schema.
    pub fn schema(&self) -> Value {
        let mut schema = self.field.schema();
        if self.takes_null {
            or_null(&mut schema);
        }
        if !self.about.is_empty() {
            schema["description"] = sentence(self.about).into();
        }
        if let Need::Default(text) = self.field.need() {
            schema["default"] = value_of(&schema["type"], text);
        }
        if let Some(example) = self.example {
            schema["examples"] = json!([example()]);
        }
        schema
    }

    /// Its JSON Schema as the argument of a tool, which is left out and never null.
    pub fn argument(&self) -> Value {
        let schema = self.field.schema();
        let about = sentence(self.about);
        // Members keep the order in which clients have had them.
        let mut argument = match schema["enum"].is_array() {
            true => json!({ "description": about, "type": schema["type"] }),
            false => json!({ "type": schema["type"], "description": about }),
        };
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            // Models are told of dates; what a URL is, their clients' validators see in different ways.
            if value != "uri" {
                argument[keyword] = value.clone();
            }
        }
        argument
    }

    /// Whether it must stand in a whole request.
    pub fn is_required(&self) -> bool {
        self.field.need() == Need::Required
    }
}

/// Every field of a request, or of a part of one.
#[derive(Debug)]
pub struct Table {
    /// What it is, line by line.
    pub about: &'static [&'static str],
    /// Its fields.
    pub rows: &'static [Row],
    /// Reads it for its complaints alone.
    pub read: fn(&mut Reader<'_>),
}

/// A request as an endpoint publishes and reads it.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// What it is called.
    pub name: &'static str,
    /// Its parts; the first says what it is.
    pub tables: &'static [&'static Table],
    /// Whether everything required must stand in it.
    pub is_whole: bool,
}

impl Body {
    /// A request in which everything required must stand.
    pub const fn whole(name: &'static str, tables: &'static [&'static Table]) -> Self {
        Self {
            name,
            tables,
            is_whole: true,
        }
    }

    /// A change, which may name some fields only.
    pub const fn partial(name: &'static str, tables: &'static [&'static Table]) -> Self {
        Self {
            is_whole: false,
            ..Self::whole(name, tables)
        }
    }

    /// Its fields.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.tables.iter().flat_map(|table| table.rows)
    }

    /// The names of those that must stand in it.
    pub fn required(&self) -> impl Iterator<Item = &'static str> {
        let required = self.rows().filter(|row| self.is_whole && row.is_required());
        required.map(|row| row.name)
    }

    /// Its JSON Schema.
    pub fn schema(&self) -> Value {
        let properties = self.rows().map(|row| (row.name.to_owned(), row.schema()));
        let properties: Map<String, Value> = properties.collect();
        let about = self.tables.first().map_or(&[][..], |table| table.about);
        let mut schema = json!({
            "type": "object",
            "description": sentence(about),
            "properties": properties,
        });
        let required: Vec<&str> = self.required().collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// An example of it.
    pub fn example(&self) -> Value {
        let shown = self.rows().filter(|row| row.shown);
        let members =
            shown.filter_map(|row| Some((row.name.to_owned(), row.example.map(|make| make())?)));
        Value::Object(members.collect())
    }

    /// Everything that is wrong with these fields, as far as they alone say.
    pub fn complaints(&self, fields: &Fields) -> FieldErrors {
        let mut reader = match self.is_whole {
            true => Reader::whole(fields),
            false => Reader::new(fields),
        };
        self.tables
            .iter()
            .for_each(|table| (table.read)(&mut reader));
        reader.errors
    }
}

fn or_null(schema: &mut Value) {
    match schema.get_mut("type") {
        Some(Value::Array(kinds)) => kinds.push("null".into()),
        Some(kind) => *kind = json!([kind.take(), "null"]),
        None => {}
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
}

/// A default as JSON.
fn value_of(kind: &Value, text: &str) -> Value {
    let is_text = kind == "string";
    let parsed = (!is_text).then(|| text.parse().ok()).flatten();
    parsed.unwrap_or_else(|| match kind.as_str() {
        Some("array") => json!([]),
        _ => text.into(),
    })
}

/// The lines of a comment as one sentence.
fn sentence(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}
