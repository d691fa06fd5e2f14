//! Asks fields for typed values in any encoding and gathers every complaint in the framework's words.

use std::str::FromStr;

use serde_json::Value;
use uuid::Uuid;

use super::lists::{LIST_ITEMS_MAX, Scalar, id_of, list_of};
use super::messages::{self, BLANK, NUL_CHARACTER};
use super::python::type_of;
use super::raw::{Fields, Raw, Upload};
use super::{json, python};
use crate::clock::UnixMs;
use crate::error::{FieldErrors, Result};

const NO_TIME: &str = "Enter a valid date/time with an offset, such as 2026-11-21T00:00:00Z.";

/// A value that may be absent (leave as it is) or null (clear it).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Given<T> {
    /// The field does not stand there.
    #[default]
    Absent,
    /// It stands there as null, or as what a form writes for null.
    Null,
    /// It stands there with a value.
    Value(T),
}

impl<T> Given<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Whether the field stands there at all.
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The stored value after this: kept, cleared or replaced.
    pub fn over(self, stored: Option<T>) -> Option<T> {
        match self {
            Self::Absent => stored,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// What a text may be.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    pub(super) characters_max: usize,
    pub(super) may_be_blank: bool,
    is_trimmed: bool,
}

impl Text {
    /// A text that must say something.
    pub const fn filled(characters_max: usize) -> Self {
        Self {
            characters_max,
            may_be_blank: false,
            is_trimmed: true,
        }
    }

    /// A text that may be empty.
    pub const fn blank(characters_max: usize) -> Self {
        Self {
            characters_max,
            may_be_blank: true,
            is_trimmed: true,
        }
    }

    /// A text that may be empty and whose spaces count.
    pub const fn verbatim(characters_max: usize) -> Self {
        Self {
            characters_max,
            may_be_blank: true,
            is_trimmed: false,
        }
    }
}

/// Which end of a day a bound means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// Its first moment.
    Begins,
    /// The first moment of the next one.
    Ends,
}

/// A file, or the text that stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOrText {
    /// A file part.
    File(Upload),
    /// A text, such as the URL that an earlier answer had.
    Text(String),
}

/// Reads fields. Complaints go to [`Reader::errors`]; a field with a complaint reads as absent.
#[derive(Debug)]
pub struct Reader<'a> {
    fields: &'a Fields,
    /// Every complaint so far; rules add theirs, so that all are answered together.
    pub errors: FieldErrors,
    /// Whether everything required must stand there.
    pub(super) is_whole: bool,
}

impl<'a> Reader<'a> {
    /// A reader without complaints.
    pub fn new(fields: &'a Fields) -> Self {
        Self {
            fields,
            errors: FieldErrors::default(),
            is_whole: false,
        }
    }

    /// A reader of a request in which everything required must stand.
    pub fn whole(fields: &'a Fields) -> Self {
        Self {
            is_whole: true,
            ..Self::new(fields)
        }
    }

    /// Every complaint at once, or nothing.
    ///
    /// # Errors
    /// `Invalid` if there was any.
    pub fn finish(self) -> Result<()> {
        self.errors.into_result()
    }

    /// Whether a field stands there.
    pub fn has(&self, name: &str) -> bool {
        self.fields.has(name)
    }

    /// What stands under a name, as it came.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Raw> {
        self.fields.get(name)
    }

    /// Every name with what stands under it, as it came.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Raw)> + use<'a> {
        self.fields.iter()
    }

    /// Complains about each name that is not among these.
    pub fn refuse_unknown(&mut self, is_known: impl Fn(&str) -> bool) {
        for name in self.fields.names().filter(|name| !is_known(name)) {
            if !self.errors.has(name) {
                self.errors.add(name, messages::UNKNOWN);
            }
        }
    }

    /// The text of a query parameter; an empty one asks for nothing.
    pub fn filter(&mut self, name: &str, characters_max: usize) -> Option<String> {
        let text = self.text(name, Text::blank(characters_max)).value();
        text.filter(|text| !text.is_empty())
    }

    /// A text. In a form, an empty one is a text too.
    pub fn text(&mut self, name: &str, rule: Text) -> Given<String> {
        let text = match self.scalar(name) {
            None => return Given::Absent,
            Some(Scalar::Json(Value::Null)) => return Given::Null,
            Some(Scalar::Text(text)) => text.to_owned(),
            Some(Scalar::Json(Value::String(text))) => text.clone(),
            Some(Scalar::Json(Value::Number(number))) => number.to_string(),
            Some(Scalar::Json(_)) => return self.refuse(name, "Not a valid string."),
        };
        let text = if rule.is_trimmed {
            text.trim().to_owned()
        } else {
            text
        };
        if text.contains('\0') {
            return self.refuse(name, NUL_CHARACTER);
        }
        if text.is_empty() && !rule.may_be_blank {
            return self.refuse(name, BLANK);
        }
        let max = rule.characters_max;
        if text.chars().count() > max {
            return self.refuse(name, &messages::too_long(max));
        }
        Given::Value(text)
    }

    /// A truth value in any of the spellings that the framework knows.
    pub fn boolean(&mut self, name: &str) -> Given<bool> {
        let word = match self.scalar(name) {
            None => return Given::Absent,
            Some(Scalar::Json(Value::Null)) => return Given::Null,
            Some(Scalar::Json(Value::Bool(value))) => return Given::Value(*value),
            Some(Scalar::Json(Value::Number(number))) => number.to_string(),
            Some(Scalar::Json(Value::String(text))) => text.clone(),
            Some(Scalar::Text(text)) => text.to_owned(),
            Some(Scalar::Json(_)) => return self.refuse(name, "Must be a valid boolean."),
        };
        match word.trim().to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" | "1.0" => Given::Value(true),
            "false" | "f" | "no" | "n" | "off" | "0" | "0.0" => Given::Value(false),
            "" | "null" | "none" => Given::Null,
            _ => self.refuse(name, "Must be a valid boolean."),
        }
    }

    /// The number of a row. Clients send `9`, `"9"` and `9.0`.
    pub fn id(&mut self, name: &str) -> Given<i64> {
        match self.scalar(name) {
            None => Given::Absent,
            Some(Scalar::Json(Value::Null)) | Some(Scalar::Text("")) => Given::Null,
            Some(Scalar::Json(Value::String(text))) if text.is_empty() => Given::Null,
            Some(scalar) => match id_of(&scalar) {
                Ok(id) => Given::Value(id),
                Err(message) => self.refuse(name, &message),
            },
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str) -> Given<f64> {
        let number = match self.scalar(name) {
            None => return Given::Absent,
            Some(Scalar::Json(Value::Null)) | Some(Scalar::Text("")) => return Given::Null,
            Some(Scalar::Json(Value::Number(number))) => number.as_f64(),
            Some(Scalar::Json(Value::String(text))) => text.parse().ok(),
            Some(Scalar::Text(text)) => text.parse().ok(),
            Some(Scalar::Json(_)) => None,
        };
        match number.filter(|number: &f64| number.is_finite()) {
            Some(number) => Given::Value(number),
            None => self.refuse(name, "A valid number is required."),
        }
    }

    /// One of the words of a type.
    pub fn choice<T: FromStr>(&mut self, name: &str) -> Given<T> {
        match self.word(name) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(word) => match word.parse() {
                Ok(choice) => Given::Value(choice),
                Err(_) => self.refuse(name, &messages::no_choice(&word)),
            },
        }
    }

    /// A word as it was spelled.
    pub fn word(&mut self, name: &str) -> Given<String> {
        match self.scalar(name) {
            None => Given::Absent,
            Some(Scalar::Json(Value::Null)) | Some(Scalar::Text("")) => Given::Null,
            Some(Scalar::Json(Value::String(text))) => Given::Value(text.clone()),
            Some(Scalar::Text(text)) => Given::Value(text.to_owned()),
            Some(Scalar::Json(other)) => Given::Value(other.to_string()),
        }
    }

    /// A UUID; an empty text is null.
    pub fn uuid(&mut self, name: &str) -> Given<Uuid> {
        match self.word(name) {
            Given::Value(word) if word.trim().is_empty() => Given::Null,
            Given::Value(word) => match word.trim().parse() {
                Ok(uuid) => Given::Value(uuid),
                Err(_) => self.refuse(name, "Must be a valid UUID."),
            },
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
        }
    }

    /// A time as ISO 8601 with an offset; an empty text is null.
    pub fn time(&mut self, name: &str) -> Given<UnixMs> {
        match self.word(name) {
            Given::Value(word) if word.trim().is_empty() => Given::Null,
            Given::Value(word) => match word.trim().parse::<jiff::Timestamp>() {
                Ok(time) => Given::Value(UnixMs(time.as_millisecond())),
                Err(_) => self.refuse(name, NO_TIME),
            },
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
        }
    }

    /// A point in time, or a whole day in UTC as its beginning or its end.
    pub fn time_or_day(&mut self, name: &str, day: Day) -> Option<UnixMs> {
        let word = self.word(name).value().unwrap_or_default();
        // To the parser of dates a time is one too.
        let is_day = word.trim().len() == "2026-11-21".len();
        let date = word.trim().parse::<jiff::civil::Date>().ok();
        let Some(date) = date.filter(|_| is_day) else {
            return self.time(name).value();
        };
        let date = match day {
            Day::Begins => Ok(date),
            Day::Ends => date.tomorrow(),
        };
        match date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC)) {
            Ok(begins) => Some(UnixMs(begins.timestamp().as_millisecond())),
            Err(_) => self.refuse(name, NO_TIME).value(),
        }
    }

    /// Any JSON value; in a form as JSON text or as a Python literal.
    pub fn json(&mut self, name: &str) -> Given<Value> {
        let text = match self.scalar(name) {
            None => return Given::Absent,
            Some(Scalar::Json(Value::Null)) => return Given::Null,
            Some(Scalar::Json(value)) => return Given::Value(value.clone()),
            Some(Scalar::Text(text)) => text.trim(),
        };
        if matches!(text, "" | "null" | "None") {
            return Given::Null;
        }
        let parsed = json::parse(text.as_bytes()).ok();
        match parsed.or_else(|| python::parse(text)) {
            Some(value) => Given::Value(value),
            None => self.refuse(name, "Value must be valid JSON."),
        }
    }

    /// A list of texts: a JSON array, a repeated field, or one text with commas, JSON or Python brackets.
    pub fn texts(&mut self, name: &str) -> Given<Vec<String>> {
        let items = match self.items(name) {
            Given::Value(items) => items,
            Given::Null => return Given::Null,
            Given::Absent => return Given::Absent,
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::String(text) if text.contains('\0') => {
                    return self.refuse(name, NUL_CHARACTER);
                }
                Value::String(text) => texts.push(text),
                _ => return self.refuse(name, "Not a valid string."),
            }
        }
        Given::Value(texts)
    }

    /// A list of row numbers, in the same encodings.
    pub fn ids(&mut self, name: &str) -> Given<Vec<i64>> {
        let items = match self.items(name) {
            Given::Value(items) => items,
            Given::Null => return Given::Null,
            Given::Absent => return Given::Absent,
        };
        let mut ids = Vec::with_capacity(items.len());
        let mut is_refused = false;
        for item in &items {
            match id_of(&Scalar::Json(item)) {
                Ok(id) => ids.push(id),
                Err(message) => {
                    is_refused = true;
                    self.errors.add(name, message);
                }
            }
        }
        if is_refused {
            Given::Absent
        } else {
            Given::Value(ids)
        }
    }

    fn items(&mut self, name: &str) -> Given<Vec<Value>> {
        let items = match self.raw(name) {
            None => return Given::Absent,
            Some(Raw::Json(Value::Null)) => return Given::Null,
            Some(Raw::Json(Value::Array(items))) => items.clone(),
            Some(Raw::Json(Value::String(text))) => list_of(text),
            Some(Raw::Json(other)) => {
                let kind = type_of(other);
                return self.refuse(
                    name,
                    &format!("Expected a list of items but got type \"{kind}\"."),
                );
            }
            Some(Raw::Texts(texts)) if texts.len() == 1 => list_of(&texts[0]),
            Some(Raw::Texts(texts)) => texts.iter().cloned().map(Value::String).collect(),
            Some(Raw::File(_)) => {
                return self.refuse(name, "Expected a list of items but got type \"file\".");
            }
        };
        if items.len() > LIST_ITEMS_MAX {
            return self.refuse(name, &messages::too_many(LIST_ITEMS_MAX));
        }
        Given::Value(items)
    }

    /// A file part, or a text in its place; an empty text is null.
    pub fn file(&mut self, name: &str) -> Given<FileOrText> {
        if let Some(Raw::File(upload)) = self.fields.get(name) {
            return Given::Value(FileOrText::File(upload.clone()));
        }
        match self.word(name) {
            Given::Value(text) if text.is_empty() => Given::Null,
            Given::Value(text) => Given::Value(FileOrText::Text(text)),
            Given::Null => Given::Null,
            Given::Absent => Given::Absent,
        }
    }

    pub(super) fn scalar(&self, name: &str) -> Option<Scalar<'a>> {
        match self.fields.get(name)? {
            Raw::Json(value) => Some(Scalar::Json(value)),
            Raw::Texts(texts) => texts.last().map(|text| Scalar::Text(text)),
            Raw::File(_) => Some(Scalar::Json(&Value::Bool(false))),
        }
    }

    /// Complains about a field, which reads as absent then.
    pub fn refuse<T>(&mut self, name: &str, message: &str) -> Given<T> {
        self.errors.add(name, message);
        Given::Absent
    }
}
