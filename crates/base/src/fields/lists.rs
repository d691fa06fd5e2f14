//! Lists and numbers of rows as clients write them: in JSON, as a repeated field, or as one text.

use serde_json::Value;

use super::messages::no_such;
use super::python::type_of;
use super::{json, python};

/// Items of one list.
pub(super) const LIST_ITEMS_MAX: usize = 1000;

/// A value in JSON terms, or the single text of a form.
pub(super) enum Scalar<'a> {
    Json(&'a Value),
    Text(&'a str),
}

/// `9,14`, `[9, 14]`, `["a"]`, `['a']` or nothing.
pub(super) fn list_of(text: &str) -> Vec<Value> {
    let text = text.trim();
    if text.starts_with('[') {
        let parsed = json::parse(text.as_bytes()).ok();
        if let Some(Value::Array(items)) = parsed.or_else(|| python::parse(text)) {
            return items;
        }
    }
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items.map(Value::from).collect()
}

/// A row's number, or the message of the framework. A number that no row can have is one that no row has.
pub(super) fn id_of(scalar: &Scalar<'_>) -> Result<i64, String> {
    let text = match scalar {
        Scalar::Text(text) => (*text).to_owned(),
        Scalar::Json(Value::String(text)) => text.clone(),
        Scalar::Json(Value::Number(number)) => number.to_string(),
        // A client that sends back what it read sends whole objects.
        Scalar::Json(Value::Object(object)) if object.contains_key("id") => {
            object["id"].to_string()
        }
        Scalar::Json(other) => {
            let kind = type_of(other);
            return Err(format!(
                "Incorrect type. Expected pk value, received {kind}."
            ));
        }
    };
    let digits = text.trim();
    let digits = digits.split_once('.').map_or(digits, |(whole, fraction)| {
        if fraction.bytes().all(|b| b == b'0') {
            whole
        } else {
            digits
        }
    });
    let is_whole = digits
        .strip_prefix('-')
        .unwrap_or(digits)
        .bytes()
        .all(|b| b.is_ascii_digit());
    match digits.parse::<i64>() {
        Ok(id) if is_whole => Ok(id),
        _ if is_whole && !digits.is_empty() => Err(no_such(&text)),
        _ if matches!(scalar, Scalar::Json(Value::Number(_))) => Err(no_such(&text)),
        _ => Err("Incorrect type. Expected pk value, received str.".to_owned()),
    }
}
