//! Filling in a template: `{{ name }}` stands for a parameter of that name, also as `{{ params.name }}`.
//! Never leaves a gap: a parameter that is not there is an error, and in HTML every value is escaped.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Template;

/// Parameters that a template needs and nobody gave, sorted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template needs {}", .0.join(", "))]
pub struct Missing(pub Vec<String>);

/// A template with every parameter in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The subject, in one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same in HTML; empty for a mail of text alone.
    pub html: String,
}

impl Template {
    /// Fills the template in. The first map that knows a name wins.
    ///
    /// # Errors
    /// If it needs a parameter that none of the maps knows.
    pub fn fill(&self, parameters: &[&Map<String, Value>]) -> Result<Filled, Missing> {
        Ok(Filled {
            subject: render(&self.subject, Form::Line, parameters)?,
            text: render(&self.text, Form::Text, parameters)?,
            html: render(&self.html, Form::Html, parameters)?,
        })
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is.
    Text,
    /// In one line, as a header has it.
    Line,
    /// With the characters of HTML escaped.
    Html,
}

fn render(
    template: &str,
    form: Form,
    parameters: &[&Map<String, Value>],
) -> Result<String, Missing> {
    let mut text = String::with_capacity(template.len());
    let mut missing = BTreeSet::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        text.push_str(before);
        let name = name.trim();
        let name = name.strip_prefix("params.").unwrap_or(name);
        match parameters.iter().find_map(|known| known.get(name)) {
            Some(value) => push(&mut text, form, value),
            None => {
                missing.insert(name.to_owned());
            }
        }
        rest = behind;
    }
    text.push_str(rest);
    if missing.is_empty() {
        Ok(text)
    } else {
        Err(Missing(missing.into_iter().collect()))
    }
}

fn push(text: &mut String, form: Form, value: &Value) {
    let written;
    let value = match value {
        Value::String(value) => value,
        Value::Null => "",
        other => {
            written = other.to_string();
            &written
        }
    };
    for c in value.chars() {
        match (form, c) {
            (Form::Html, '&') => text.push_str("&amp;"),
            (Form::Html, '<') => text.push_str("&lt;"),
            (Form::Html, '>') => text.push_str("&gt;"),
            (Form::Html, '"') => text.push_str("&quot;"),
            (Form::Html, '\'') => text.push_str("&#39;"),
            (Form::Line, c) if c.is_control() => text.push(' '),
            (_, c) => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str, form: Form) -> Result<String, Missing> {
        let Value::Object(own) = json!({ "name": "Ann" }) else {
            unreachable!()
        };
        let Value::Object(all) = json!({
            "name": "nobody", "cohortName": "A & B", "seats": 3, "note": null, "evil": "<a href='x'>\r\nBcc: z@x.example",
        }) else {
            unreachable!()
        };
        render(template, form, &[&own, &all])
    }

    #[test]
    fn parameters_stand_in_their_place_and_cannot_break_out_of_it() {
        let text = "Dear {{name}}, {{ params.cohortName }} has {{seats}} seats{{note}}. {{open";
        assert_eq!(
            filled(text, Form::Text).unwrap(),
            "Dear Ann, A & B has 3 seats. {{open"
        );
        assert_eq!(
            filled("{{evil}} {{cohortName}}", Form::Html).unwrap(),
            "&lt;a href=&#39;x&#39;&gt;\r\nBcc: z@x.example A &amp; B"
        );
        assert_eq!(
            filled("{{evil}}", Form::Line).unwrap(),
            "<a href='x'>  Bcc: z@x.example"
        );
    }

    #[test]
    fn every_parameter_that_is_not_there_is_told_at_once() {
        let missing = filled("{{b}} {{a}} {{name}} {{b}}", Form::Text).unwrap_err();
        assert_eq!(missing.to_string(), "the template needs a, b");
    }
}
