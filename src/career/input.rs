//! Reads the fields of a record as they came, from JSON or a form, and gathers everything that is wrong.
//! A field with a complaint keeps what was stored and is not looked at again.

use std::str::FromStr;

use jiff::civil::Date;
use serde_json::{Map, Value};
use url::Url;

use crate::academy::Json;
use crate::error::FieldErrors;

/// Longest value of `data` and of `metadata`, in bytes of JSON.
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

const REQUIRED: &str = "This field is required.";
const NO_DATE: &str = "Enter a date that exists, as YYYY-MM-DD.";

/// The fields of one record.
#[derive(Debug)]
pub struct Input<'a> {
    fields: &'a Map<String, Value>,
    /// Every complaint so far.
    pub errors: FieldErrors,
}

/// What stands under a name.
enum Given<'a> {
    Nothing,
    /// Null, or a text without anything in it.
    Empty,
    Value(&'a Value),
}

impl<'a> Input<'a> {
    pub(super) fn new(fields: &'a Map<String, Value>, errors: FieldErrors) -> Self {
        Self { fields, errors }
    }

    /// Complains about each name under which nothing stands.
    pub(super) fn require(&mut self, names: &[&str]) {
        for name in names {
            let is_there = self.fields.get(*name).is_some_and(|value| !is_empty(value));
            if !is_there && !self.errors.has(name) {
                self.errors.add(name, REQUIRED);
            }
        }
    }

    /// Complains about each name that no record has.
    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        for name in self.fields.keys() {
            if !known.contains(&name.as_str()) && !self.errors.has(name) {
                self.errors.add(name, "Unknown field.");
            }
        }
    }

    /// Complains once about a field.
    pub(super) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        if !self.errors.has(name) {
            self.errors.add(name, message);
        }
    }

    fn given(&self, name: &str) -> Given<'a> {
        match self.fields.get(name).filter(|_| !self.errors.has(name)) {
            None => Given::Nothing,
            Some(value) if is_empty(value) => Given::Empty,
            Some(value) => Given::Value(value),
        }
    }

    /// The value of a field after the change: kept, cleared, or what `parse` makes of it.
    fn field<T>(
        &mut self,
        name: &str,
        stored: Option<T>,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.given(name) {
            Given::Nothing => stored,
            Given::Empty => None,
            Given::Value(value) => match parse(value) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.refuse(name, message);
                    stored
                }
            },
        }
    }

    pub(super) fn text(
        &mut self,
        name: &str,
        max: usize,
        stored: Option<String>,
    ) -> Option<String> {
        self.field(name, stored, |value| text(value, max))
    }

    pub(super) fn url(&mut self, name: &str, stored: Option<String>) -> Option<String> {
        self.field(name, stored, |value| {
            let text = text(value, URL_CHARACTERS_MAX)?;
            let url = Url::parse(&text).ok();
            let is_good =
                url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            is_good
                .then_some(text)
                .ok_or_else(|| "Enter a valid URL, such as https://example.com.".to_owned())
        })
    }

    pub(super) fn date(&mut self, name: &str, stored: Option<String>) -> Option<String> {
        self.field(name, stored, |value| {
            let text = value.as_str().unwrap_or_default().trim();
            let date: Option<Date> = text.parse().ok().filter(|_| text.len() == 10);
            date.filter(|date| (YEAR_MIN..=YEAR_MAX).contains(&i64::from(date.year())))
                .map(|date| date.to_string())
                .ok_or_else(|| NO_DATE.to_owned())
        })
    }

    /// One of the words of a type.
    pub(super) fn word<T: FromStr<Err = String>>(
        &mut self,
        name: &str,
        stored: Option<T>,
    ) -> Option<T> {
        self.field(name, stored, |value| plain(value).parse())
    }

    /// The number of a row, which may be one that nobody has.
    pub(super) fn id(&mut self, name: &str) -> Option<i64> {
        self.field(name, None, |value| {
            whole(value).ok_or_else(|| "Enter the number of a record.".to_owned())
        })
    }

    pub(super) fn year(&mut self, name: &str, stored: Option<i64>) -> Option<i64> {
        self.field(name, stored, |value| {
            whole(value)
                .filter(|year| (YEAR_MIN..=YEAR_MAX).contains(year))
                .ok_or_else(|| format!("Enter a year between {YEAR_MIN} and {YEAR_MAX}."))
        })
    }

    /// A grade, with two digits after its point.
    pub(super) fn grade(&mut self, name: &str, stored: Option<String>) -> Option<String> {
        self.field(name, stored, |value| {
            grade(&plain(value)).ok_or_else(|| "Enter a number, such as 3.75.".to_owned())
        })
    }

    pub(super) fn boolean(&mut self, name: &str, stored: bool) -> bool {
        let given = self.field(name, Some(stored), |value| {
            match plain(value).to_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err("Must be true or false.".to_owned()),
            }
        });
        given.unwrap_or_default()
    }

    /// Any JSON; in a form, its text.
    pub(super) fn json(&mut self, name: &str, stored: Json<Value>) -> Json<Value> {
        let given = self.field(name, Some(stored), |value| {
            let parsed = value
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok());
            let value: Value = parsed.unwrap_or_else(|| value.clone());
            let is_short = value.to_string().len() <= JSON_BYTES_MAX;
            is_short
                .then_some(Json(value))
                .ok_or_else(|| format!("Must be at most {JSON_BYTES_MAX} bytes of JSON."))
        });
        given.unwrap_or_default()
    }

    /// A span has an end that is not before its beginning, and none while it lasts.
    pub(super) fn check_span(&mut self, start: &str, end: Option<&str>, is_current: bool) {
        // Dates of this form are in order as texts.
        match end {
            Some(end) if !start.is_empty() && end < start => {
                self.refuse("end_date", "Must not be before the start date.");
            }
            Some(_) if is_current => {
                self.refuse("end_date", "What is current has no end date.");
            }
            _ => {}
        }
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
        return Err("Null characters are not allowed.".to_owned());
    }
    if text.chars().count() > max {
        let message = format!("Ensure this field has no more than {max} characters.");
        return Err(message);
    }
    Ok(text)
}

fn whole(value: &Value) -> Option<i64> {
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
    use serde_json::json;

    fn read<T>(value: Value, read: impl Fn(&mut Input<'_>) -> T) -> (T, String) {
        let fields = Map::from_iter([("x".to_owned(), value)]);
        let mut input = Input::new(&fields, FieldErrors::default());
        let value = read(&mut input);
        (value, input.errors.to_string())
    }

    #[test]
    fn a_date_exists_and_is_written_in_full() {
        let date = |text: &str| read(json!(text), |input| input.date("x", None));
        assert_eq!(
            date("2024-02-29"),
            (Some("2024-02-29".into()), String::new())
        );
        for text in [
            "2025-02-30",
            "2025-2-3",
            "0000-01-01",
            "9999-12-31",
            "20250203",
            "soon",
        ] {
            assert_eq!(date(text), (None, format!("x: {NO_DATE}")), "{text}");
        }
    }

    #[test]
    fn a_grade_is_a_decimal_text() {
        let grade = |value: Value| read(value, |input| input.grade("x", None)).0;
        for (given, stored) in [
            (json!("3.75"), "3.75"),
            (json!(3.5), "3.50"),
            (json!(4), "4.00"),
            (json!("95.1"), "95.10"),
        ] {
            assert_eq!(grade(given), Some(stored.to_owned()));
        }
        for given in [
            json!("A+"),
            json!("1e3"),
            json!(-1),
            json!("3.755"),
            json!(true),
            json!("NaN"),
        ] {
            assert_eq!(grade(given.clone()), None, "{given}");
        }
        assert_eq!(
            read(json!(""), |input| input.grade("x", Some("1.00".into()))),
            (None, String::new())
        );
    }

    #[test]
    fn a_url_is_one_that_a_browser_may_follow() {
        let url = |text: &str| read(json!(text), |input| input.url("x", None)).0.is_some();
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
