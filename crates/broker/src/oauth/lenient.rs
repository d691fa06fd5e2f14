//! Values of JSON as providers write them: numbers as texts, texts as numbers, words with commas between them.
//! Never guesses what a value means, and never keeps one that does not fit.

use serde_json::Value;

/// A text that is not blank, without the spaces around it; a number is the text that it is written as.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A number, also one that is written as a text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_one_in_either_form() {
        for (value, expected) in [
            (json!(3600), Some(3600.0)),
            (json!("3600"), Some(3600.0)),
            (json!(" 59.5 "), Some(59.5)),
            (json!(-1), Some(-1.0)),
            (json!("1e300"), Some(1e300)),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!("soon"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            assert_eq!(number(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_text_is_one_in_either_form() {
        for (value, expected) in [
            (json!(" x\n"), Some("x")),
            (json!(12), Some("12")),
            (json!(" "), None),
            (json!(null), None),
            (json!({}), None),
        ] {
            assert_eq!(text(&value).as_deref(), expected, "{value}");
        }
    }
}
