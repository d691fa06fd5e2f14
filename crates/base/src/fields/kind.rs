//! The kinds of value that a field may have: how each is read, and beside it the JSON Schema that says so.
//! A rule that needs more than the value itself, such as whether a row exists, is the noun's.

use std::fmt;
use std::marker::PhantomData;

use serde_json::{Value, json};

use super::messages::{self, NULL};
use super::reader::{FileOrText, Given, Reader, Text};
use crate::clock::UnixMs;
use crate::storage::Word;

/// One kind of value.
pub trait Kind: fmt::Debug + Sync {
    /// What it is read as.
    type Value;

    /// The value of a field, in any encoding; complaints go to the reader.
    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<Self::Value>;

    /// The JSON Schema of a value, null aside.
    fn schema(&self) -> Value;

    /// What is said where null may not stand.
    fn null(&self) -> String {
        NULL.to_owned()
    }
}

impl Kind for Text {
    type Value = String;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<String> {
        reader.text(name, *self)
    }

    fn schema(&self) -> Value {
        let mut schema = json!({ "type": "string", "maxLength": self.characters_max });
        if !self.may_be_blank {
            schema["minLength"] = 1.into();
        }
        schema
    }
}

/// True or false.
#[derive(Debug)]
pub struct Bool;

impl Kind for Bool {
    type Value = bool;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<bool> {
        reader.boolean(name)
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean" })
    }
}

/// The number of a row, which may be one that no row has.
#[derive(Debug)]
pub struct Id;

impl Kind for Id {
    type Value = i64;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<i64> {
        reader.id(name)
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer" })
    }
}

/// A whole number within bounds.
#[derive(Debug)]
pub struct Whole {
    min: i64,
    max: i64,
}

impl Whole {
    /// From the first to the second.
    pub const fn between(min: i64, max: i64) -> Self {
        Self { min, max }
    }

    /// This or more.
    pub const fn at_least(min: i64) -> Self {
        Self::between(min, i64::MAX)
    }

    fn message(&self) -> String {
        match self.max {
            i64::MAX => format!("Enter a whole number above {}.", self.min - 1),
            max => format!("Enter a whole number from {} to {max}.", self.min),
        }
    }

    fn parse(&self, word: &str) -> Option<i64> {
        let whole = word.split_once('.').map_or(word, |(whole, fraction)| {
            let is_whole = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
            if is_whole { whole } else { word }
        });
        let number = whole.parse().ok();
        number.filter(|number| (self.min..=self.max).contains(number))
    }
}

impl Kind for Whole {
    type Value = i64;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<i64> {
        match reader.word(name) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(word) => match self.parse(&word) {
                Some(number) => Given::Value(number),
                None => reader.refuse(name, &self.message()),
            },
        }
    }

    fn schema(&self) -> Value {
        let mut schema = json!({ "type": "integer", "minimum": self.min });
        if self.max < i64::MAX {
            schema["maximum"] = self.max.into();
        }
        schema
    }

    fn null(&self) -> String {
        self.message()
    }
}

/// One of the words of a type, in any of their spellings.
pub struct Choice<T> {
    /// The only words that it takes.
    words: &'static [&'static str],
    reads: PhantomData<fn() -> T>,
}

impl<T: Word> Choice<T> {
    /// Any word of the type.
    pub const fn any() -> Self {
        Self::of(T::SPELLINGS)
    }

    /// Some words of the type.
    pub const fn of(words: &'static [&'static str]) -> Self {
        Self {
            words,
            reads: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Choice({})", self.words.join(", "))
    }
}

impl<T: Word> Kind for Choice<T> {
    type Value = T;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<T> {
        match reader.word(name) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(word) => {
                let choice = word.parse().ok();
                match choice.filter(|_| self.words.contains(&word.as_str())) {
                    Some(choice) => Given::Value(choice),
                    None => reader.refuse(name, &messages::no_choice(&word)),
                }
            }
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "enum": self.words })
    }
}

/// A word as it was spelled: a key or a number, by which the tenant may be named.
#[derive(Debug)]
pub struct Spelled;

impl Kind for Spelled {
    type Value = String;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<String> {
        reader.word(name)
    }

    fn schema(&self) -> Value {
        json!({ "type": ["string", "integer"] })
    }
}

/// A UUID.
#[derive(Debug)]
pub struct Uuid;

impl Kind for Uuid {
    type Value = uuid::Uuid;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<uuid::Uuid> {
        reader.uuid(name)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "uuid" })
    }
}

/// A point in time with its offset.
#[derive(Debug)]
pub struct Time;

impl Kind for Time {
    type Value = UnixMs;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<UnixMs> {
        reader.time(name)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

/// JSON; in a form as its text, or as a Python literal.
#[derive(Debug)]
pub struct Json {
    /// What is said of anything but an object, where it must be one.
    object: Option<&'static str>,
}

impl Json {
    /// Any value.
    pub const ANY: Self = Self { object: None };

    /// An object, with what is said of everything else.
    pub const fn object(message: &'static str) -> Self {
        Self {
            object: Some(message),
        }
    }
}

impl Kind for Json {
    type Value = Value;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<Value> {
        let given = reader.json(name);
        match (self.object, &given) {
            (Some(message), Given::Value(value)) if !value.is_object() => {
                reader.refuse(name, message)
            }
            _ => given,
        }
    }

    fn schema(&self) -> Value {
        match self.object {
            Some(_) => json!({ "type": "object" }),
            None => json!({}),
        }
    }
}

/// A list of texts.
#[derive(Debug)]
pub struct Texts {
    items_max: usize,
    may_be_empty: bool,
    /// The only words that it takes, and what each of them is.
    words: Option<(&'static [&'static str], &'static str)>,
}

impl Texts {
    /// At most so many.
    pub const fn up_to(items_max: usize) -> Self {
        Self {
            items_max,
            may_be_empty: true,
            words: None,
        }
    }

    /// Words of these, at least one; each of them is, say, `an event`.
    pub const fn some_of(words: &'static [&'static str], what: &'static str) -> Self {
        Self {
            items_max: super::lists::LIST_ITEMS_MAX,
            may_be_empty: false,
            words: Some((words, what)),
        }
    }
}

impl Kind for Texts {
    type Value = Vec<String>;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<Vec<String>> {
        let given = reader.texts(name);
        let Given::Value(texts) = &given else {
            return given;
        };
        if texts.len() > self.items_max {
            return reader.refuse(name, &messages::too_many(self.items_max));
        }
        if texts.is_empty() && !self.may_be_empty {
            reader.errors.add(name, "This list may not be empty.");
        }
        let (words, what) = self.words.unwrap_or_default();
        let is_unknown = |text: &&String| !what.is_empty() && !words.contains(&text.as_str());
        for text in texts.iter().filter(is_unknown) {
            reader.errors.add(name, format!("{text:?} is not {what}."));
        }
        given
    }

    fn schema(&self) -> Value {
        let mut schema =
            json!({ "type": "array", "items": { "type": "string" }, "maxItems": self.items_max });
        if !self.may_be_empty {
            schema["minItems"] = 1.into();
        }
        if let Some((words, _)) = self.words {
            schema["items"]["enum"] = json!(words);
        }
        schema
    }
}

/// A list of row numbers, at most so many.
#[derive(Debug)]
pub struct Ids(pub usize);

impl Kind for Ids {
    type Value = Vec<i64>;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<Vec<i64>> {
        match reader.ids(name) {
            Given::Value(ids) if ids.len() > self.0 => {
                reader.refuse(name, &messages::too_many(self.0))
            }
            given => given,
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "array", "items": { "type": "integer" }, "maxItems": self.0 })
    }
}

/// A file; a text in its place is judged by the noun.
#[derive(Debug)]
pub struct File;

impl Kind for File {
    type Value = FileOrText;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<FileOrText> {
        reader.file(name)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "binary" })
    }
}
