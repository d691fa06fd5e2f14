//! Kinds of value in records that people keep of themselves. Here an empty text is nothing, whatever the kind, so that a
//! form may leave any field empty; the sentences are those of the front end of profiles.

use std::fmt;

use jiff::civil;
use serde_json::{Value, json};
use url::Url;

use super::check;
use super::kind::Kind;
use super::messages::{self, NUL_CHARACTER, REQUIRED};
use super::raw::Raw;
use super::reader::{Given, Reader};
use crate::storage::Word;

/// Longest value of JSON, in bytes.
const JSON_BYTES_MAX: usize = 16 * 1024;
/// Longest URL.
const URL_CHARACTERS_MAX: usize = 255;
/// Earliest year of anything.
const YEAR_MIN: i64 = 800;
/// Latest year of anything: a plan is not a profile.
const YEAR_MAX: i64 = 2100;
/// Digits of a grade before its point.
const GRADE_DIGITS_MAX: usize = 3;
/// Digits of a grade after its point.
const GRADE_DECIMALS: usize = 2;

/// What is said of a text that is no date.
pub(crate) const NO_DATE: &str = "Enter a date that exists, as YYYY-MM-DD.";
/// What is said of a text that is no URL.
pub const NO_URL: &str = "Enter a valid URL, such as https://example.com.";

/// A kind of value in a record.
pub trait Entry: fmt::Debug + Sync {
    /// What it is read as.
    type Value;

    /// The value, or what is wrong with it. What is empty does not get here.
    ///
    /// # Errors
    /// What is said of it.
    fn parse(&self, value: &Value) -> Result<Self::Value, String>;

    /// Its JSON Schema.
    fn schema(&self) -> Value;
}

impl<E: Entry> Kind for E {
    type Value = E::Value;

    fn read(&self, reader: &mut Reader<'_>, name: &str) -> Given<E::Value> {
        let value = match reader.raw(name) {
            None => return Given::Absent,
            Some(Raw::Json(value)) => value.clone(),
            Some(Raw::Texts(texts)) => texts.last().cloned().into(),
            Some(Raw::File(_)) => Value::Null,
        };
        if is_empty(&value) {
            return Given::Null;
        }
        match self.parse(&value) {
            Ok(value) => Given::Value(value),
            Err(message) => reader.refuse(name, &message),
        }
    }

    fn schema(&self) -> Value {
        Entry::schema(self)
    }

    fn null(&self) -> String {
        REQUIRED.to_owned()
    }
}

/// A text of at most so many characters.
#[derive(Debug)]
pub struct Line(pub usize);

impl Entry for Line {
    type Value = String;

    fn parse(&self, value: &Value) -> Result<String, String> {
        text(value, self.0)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "maxLength": self.0 })
    }
}

/// An address that a browser may follow.
#[derive(Debug)]
pub struct WebAddress;

impl Entry for WebAddress {
    type Value = String;

    fn parse(&self, value: &Value) -> Result<String, String> {
        let text = text(value, URL_CHARACTERS_MAX)?;
        let url = Url::parse(&text).ok();
        let is_good =
            url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        is_good.then_some(text).ok_or_else(|| NO_URL.to_owned())
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "uri", "maxLength": URL_CHARACTERS_MAX })
    }
}

/// A day.
#[derive(Debug)]
pub struct Date;

impl Entry for Date {
    type Value = String;

    fn parse(&self, value: &Value) -> Result<String, String> {
        let date = value.as_str().and_then(date);
        date.map(|date| date.to_string())
            .ok_or_else(|| NO_DATE.to_owned())
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "date" })
    }
}

/// A day that exists, written in full, in a year that anything may be in.
pub fn date(text: &str) -> Option<civil::Date> {
    let text = text.trim();
    let date: Option<civil::Date> = text.parse().ok().filter(|_| text.len() == 10);
    date.filter(|date| (YEAR_MIN..=YEAR_MAX).contains(&i64::from(date.year())))
}

/// One of the words of a type.
#[derive(Debug)]
pub struct OneOf<T>(std::marker::PhantomData<fn() -> T>);

impl<T> OneOf<T> {
    /// Any of them.
    pub const fn any() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T: Word<Err = String> + fmt::Debug> Entry for OneOf<T> {
    type Value = T;

    fn parse(&self, value: &Value) -> Result<T, String> {
        plain(value).parse()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "enum": T::SPELLINGS })
    }
}

/// The number of a record, which may be one that nobody has.
#[derive(Debug)]
pub struct RecordNumber;

impl Entry for RecordNumber {
    type Value = i64;

    fn parse(&self, value: &Value) -> Result<i64, String> {
        whole(value).ok_or_else(|| "Enter the number of a record.".to_owned())
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer" })
    }
}

/// A year.
#[derive(Debug)]
pub struct Year;

impl Entry for Year {
    type Value = i64;

    fn parse(&self, value: &Value) -> Result<i64, String> {
        whole(value)
            .filter(|year| (YEAR_MIN..=YEAR_MAX).contains(year))
            .ok_or_else(|| format!("Enter a year between {YEAR_MIN} and {YEAR_MAX}."))
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer", "minimum": YEAR_MIN, "maximum": YEAR_MAX })
    }
}

/// A grade, with two digits after its point.
#[derive(Debug)]
pub struct Grade;

impl Entry for Grade {
    type Value = String;

    fn parse(&self, value: &Value) -> Result<String, String> {
        grade(&plain(value)).ok_or_else(|| "Enter a number, such as 3.75.".to_owned())
    }

    fn schema(&self) -> Value {
        json!({ "type": ["string", "number"] })
    }
}

/// True or false.
#[derive(Debug)]
pub struct Flag;

impl Entry for Flag {
    type Value = bool;

    fn parse(&self, value: &Value) -> Result<bool, String> {
        match plain(value).to_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("Must be true or false.".to_owned()),
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean" })
    }
}

/// Any JSON; in a form, its text.
#[derive(Debug)]
pub struct Data;

impl Entry for Data {
    type Value = Value;

    fn parse(&self, value: &Value) -> Result<Value, String> {
        let parsed = value
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        let value: Value = parsed.unwrap_or_else(|| value.clone());
        let is_short = value.to_string().len() <= JSON_BYTES_MAX;
        is_short
            .then_some(value)
            .ok_or_else(|| format!("Must be at most {JSON_BYTES_MAX} bytes of JSON."))
    }

    fn schema(&self) -> Value {
        json!({})
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map(str::trim);
    text.map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value, max: usize) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err("Not a valid string.".to_owned()),
    };
    if text.contains('\0') {
        return Err(NUL_CHARACTER.to_owned());
    }
    if text.chars().count() > max {
        return Err(messages::too_long(max));
    }
    Ok(text)
}

fn whole(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_f64().filter(|_| !value.is_i64()) {
        return check::whole(number).filter(|number| *number >= 0);
    }
    let text = plain(value);
    let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal)
}

fn grade(text: &str) -> Option<String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |part: &str, max: usize| {
        (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let is_grade = are_digits(whole, GRADE_DIGITS_MAX) && are_digits(decimals, GRADE_DECIMALS);
    is_grade.then(|| format!("{whole}.{decimals:0<GRADE_DECIMALS$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_exists_and_is_written_in_full() {
        let date = |text: &str| Date.parse(&json!(text));
        assert_eq!(date("2024-02-29"), Ok("2024-02-29".into()));
        for text in [
            "2025-02-30",
            "2025-2-3",
            "0000-01-01",
            "9999-12-31",
            "20250203",
            "soon",
        ] {
            assert_eq!(date(text), Err(NO_DATE.into()), "{text}");
        }
    }

    #[test]
    fn a_grade_is_a_decimal_text() {
        for (given, stored) in [
            (json!("3.75"), "3.75"),
            (json!(3.5), "3.50"),
            (json!(4), "4.00"),
            (json!("95.1"), "95.10"),
        ] {
            assert_eq!(Grade.parse(&given), Ok(stored.to_owned()));
        }
        for given in [
            json!("A+"),
            json!("1e3"),
            json!(-1),
            json!("3.755"),
            json!(true),
            json!("NaN"),
        ] {
            assert!(Grade.parse(&given).is_err(), "{given}");
        }
        let fields =
            super::super::Fields::from_json([("x".to_owned(), json!(""))].into_iter().collect());
        assert_eq!(Grade.read(&mut Reader::new(&fields), "x"), Given::Null);
    }

    #[test]
    fn a_url_is_one_that_a_browser_may_follow() {
        let url = |text: &str| WebAddress.parse(&json!(text)).is_ok();
        assert!(url("https://acme.example/jobs"));
        for text in [
            "acme",
            "javascript:alert(1)",
            "ftp://acme.example",
            "https://",
        ] {
            assert!(!url(text), "{text}");
        }
    }
}
