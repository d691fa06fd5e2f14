//! Holds arguments against their schema and reports everything that is wrong at once.
//! Knows the part of JSON Schema that our own types come to, and nothing of what the arguments mean.

use serde_json::{Map, Value};

use super::messages::{REQUIRED, UNKNOWN};
use crate::error::FieldErrors;

/// The largest integer up to which a float holds all.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// Complaints at most; a caller who gets so many has sent something else altogether.
const COMPLAINTS_MAX: usize = 50;

/// Every keyword of JSON Schema that is looked at here; a schema of arguments may use these.
pub const KEYWORDS: &[&str] = &[
    "type",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];

/// Every way in which `arguments` do not fit the schema of an object.
pub fn complaints(schema: &Value, arguments: &Value) -> FieldErrors {
    let mut check = Check::default();
    check.value(schema, arguments, "");
    check.errors
}

/// Writes whole numbers as such: to JSON Schema `5.0` and `5e0` are integers as `5` is (2020-12, section 6.1.1).
pub fn settle(arguments: &mut Value) {
    match arguments {
        Value::Object(members) => members.values_mut().for_each(settle),
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number.as_f64().and_then(whole) {
                *arguments = whole.into();
            }
        }
        _ => {}
    }
}

/// A number as an integer, if it is one that a float holds exactly.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it was compared with the largest first"
)]
pub(super) fn whole(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() <= WHOLE_MAX;
    is_whole.then_some(number as i64)
}

/// Whether something is wrong with this argument or inside it.
pub fn is_about(complaints: &FieldErrors, argument: &str) -> bool {
    complaints.iter().any(|(path, _)| {
        let inside = path.strip_prefix(argument);
        inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

#[derive(Default)]
struct Check {
    errors: FieldErrors,
    count: usize,
}

impl Check {
    fn complain(&mut self, path: &str, message: impl Into<String>) {
        if self.count < COMPLAINTS_MAX {
            let path = if path.is_empty() { "arguments" } else { path };
            self.errors.add(path, message);
        }
        self.count += 1;
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(words) = schema["enum"].as_array() {
            if !words.contains(value) {
                let words: Vec<String> = words.iter().map(plain).collect();
                self.complain(path, format!("Must be one of: {}.", words.join(", ")));
            }
            return;
        }
        match (schema["type"].as_str().unwrap_or_default(), value) {
            ("object", Value::Object(members)) => self.object(schema, members, path),
            ("array", Value::Array(items)) => self.array(schema, items, path),
            ("string", Value::String(text)) => self.text(schema, text, path),
            ("number", Value::Number(_)) => self.number(schema, value, path),
            ("boolean", Value::Bool(_)) | ("", _) => {}
            (kind, _) => {
                let article = if matches!(kind, "object" | "array") {
                    "an"
                } else {
                    "a"
                };
                self.complain(path, format!("Must be {article} {kind}."));
            }
        }
    }

    fn object(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) {
        let inside = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !members.contains_key(name) {
                self.complain(&inside(name), REQUIRED);
            }
        }
        for (name, value) in members {
            match schema["properties"].get(name) {
                Some(schema) => self.value(schema, value, &inside(name)),
                None if schema["additionalProperties"] == false => {
                    self.complain(&inside(name), UNKNOWN);
                }
                None => {}
            }
        }
    }

    fn array(&mut self, schema: &Value, items: &[Value], path: &str) {
        let count = items.len() as u64;
        if schema["maxItems"].as_u64().is_some_and(|max| count > max) {
            let message = format!("Must have at most {} items.", schema["maxItems"]);
            return self.complain(path, message);
        }
        if schema["minItems"].as_u64().is_some_and(|min| count < min) {
            self.complain(
                path,
                format!("Must have at least {} items.", schema["minItems"]),
            );
        }
        for (at, item) in items.iter().enumerate() {
            self.value(&schema["items"], item, &format!("{path}[{at}]"));
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if schema["maxLength"].as_u64().is_some_and(|max| length > max) {
            let message = format!("Must have at most {} characters.", schema["maxLength"]);
            self.complain(path, message);
        }
        if schema["minLength"].as_u64().is_some_and(|min| length < min) {
            let message = format!("Must have at least {} characters.", schema["minLength"]);
            self.complain(path, message);
        }
        // PostgreSQL takes no NUL, and no client means one.
        if text.contains('\0') {
            self.complain(path, "Must not contain NUL.");
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(number) = value.as_f64() else {
            return self.complain(path, "Must be a number.");
        };
        if value.as_i64().is_none() {
            self.complain(path, "Must be a whole number.");
        } else if schema["minimum"].as_f64().is_some_and(|min| number < min) {
            self.complain(path, format!("Must be at least {}.", schema["minimum"]));
        } else if schema["maximum"].as_f64().is_some_and(|max| number > max) {
            self.complain(path, format!("Must be at most {}.", schema["maximum"]));
        }
    }
}

fn plain(word: &Value) -> String {
    word.as_str()
        .map_or_else(|| word.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let settled = |mut value: Value| {
            settle(&mut value);
            value.to_string()
        };
        assert_eq!(settled(json!({ "a": [5.0, -1e3] })), r#"{"a":[5,-1000]}"#);
        assert_eq!(settled(json!([1.5, 1e300, "5.0"])), r#"[1.5,1e+300,"5.0"]"#);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["id"],
            "properties": {
                "id": { "type": "string", "minLength": 1 },
                "limit": { "type": "number", "minimum": 1, "maximum": 100 },
                "status": { "type": "string", "enum": ["active", "all"] },
                "range": { "type": "object", "properties": { "start": { "type": "string" } } },
                "words": { "type": "array", "maxItems": 2, "items": { "type": "string" } },
            },
        });
        let wrong = json!({
            "limit": 101, "status": "gone", "range": { "start": 1 }, "words": ["a", 1], "other": null,
        });
        assert_eq!(
            complaints(&schema, &wrong).to_string(),
            "id: This field is required.; limit: Must be at most 100.; other: Unknown field.; \
             range.start: Must be a string.; status: Must be one of: active, all.; words[1]: Must be a string."
        );
        for fits in [
            json!({ "id": "x" }),
            json!({ "id": "x", "limit": 1, "status": "all", "range": {}, "words": [] }),
        ] {
            assert_eq!(complaints(&schema, &fits).to_string(), "");
        }
        for (value, message) in [
            (json!({ "id": "" }), "id: Must have at least 1 characters."),
            (
                json!({ "id": "x", "limit": 0 }),
                "limit: Must be at least 1.",
            ),
            (
                json!({ "id": "x", "limit": 1.5 }),
                "limit: Must be a whole number.",
            ),
            (
                json!({ "id": "x", "words": ["a", "b", "c"] }),
                "words: Must have at most 2 items.",
            ),
            (json!({ "id": "\0" }), "id: Must not contain NUL."),
            (json!([]), "arguments: Must be an object."),
        ] {
            assert_eq!(complaints(&schema, &value).to_string(), message);
        }
    }
}
