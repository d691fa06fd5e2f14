//! JSON schemas of arguments and answers, from their types.
//! Inlines everything: a client's model reads one schema, not a library of them.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// The schema of a tool's arguments. An optional argument is left out, never null.
pub(super) fn of_input<T: JsonSchema>() -> Value {
    of::<T>(true)
}

/// The schema of an answer.
pub(super) fn of_output<T: JsonSchema>() -> Value {
    of::<T>(false)
}

fn of<T: JsonSchema>(is_input: bool) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(plain).transform(&mut schema);
    if is_input {
        RecursiveTransform(never_null).transform(&mut schema);
    }
    let mut value = schema.to_value();
    if let Some(object) = value.as_object_mut() {
        object.remove("title");
        object.remove("description");
        object.entry("properties").or_insert_with(|| json!({}));
    }
    value
}

/// The documents say `number` for whole numbers too; Rust's own formats say nothing to a client.
fn plain(schema: &mut Schema) {
    if let Some(words) = words_of(schema) {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), words.into());
    }
    let is_whole = |kind: &Value| kind == "integer";
    match schema.get_mut("type") {
        Some(kind) if is_whole(kind) => *kind = "number".into(),
        Some(Value::Array(kinds)) => {
            for kind in kinds.iter_mut().filter(|kind| is_whole(kind)) {
                *kind = "number".into();
            }
        }
        _ => {}
    }
    let is_of_rust = |format: &str| {
        ["int", "uint", "float", "double"]
            .iter()
            .any(|word| format.starts_with(word))
    };
    if schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(is_of_rust)
    {
        schema.remove("format");
    }
}

/// The words of an enumeration that explains each of its variants.
fn words_of(schema: &Schema) -> Option<Vec<Value>> {
    let choices = schema.get("oneOf")?.as_array()?;
    choices
        .iter()
        .map(|choice| choice.get("const").cloned())
        .collect()
}

fn never_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = &choices[..] {
        let only = only.clone();
        schema.remove("anyOf");
        for (name, value) in only {
            schema.ensure_object().entry(name).or_insert(value);
        }
    }
}
