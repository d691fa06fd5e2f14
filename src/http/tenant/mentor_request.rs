//! What clients write on a mentor, in any encoding: name, description, tools, servers and the table of settings.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::drf::fields::Fields;
use super::super::drf::reader::{Given, Reader, Text, no_such};
use super::super::openapi::named;
use crate::auth::Caller;
use crate::error::{Error, FieldErrors, Result};
use crate::registry::attachment::{self, SERVERS_MAX};
use crate::registry::server::{self, ServerId};
use crate::storage::Tx;
use crate::tenant::mentor::settings::{Kind, SETTINGS, Setting};
use crate::tenant::mentor::{self, Mentor, NAME_CHARACTERS_MAX};

/// Longest description, in characters.
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// Longest tool slug, in characters.
const SLUG_CHARACTERS_MAX: usize = 50;
/// Tools of one mentor.
const TOOLS_MAX: usize = 100;
/// All settings of one mentor, in bytes of JSON.
const SETTINGS_BYTES_MAX: usize = 256 * 1024;

/// Names that clients also use for settings.
const OTHER_NAMES: [(&str, &str); 2] =
    [("featured", "is_featured"), ("department", "department_id")];

/// How one endpoint spells the name and the description.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    /// The field of the name.
    pub(crate) name: &'static str,
    /// The field of the description.
    pub(crate) description: &'static str,
}

/// Changes a mentor as the fields say and stores it, with its servers. Absent fields stay as they are.
///
/// # Errors
/// `Invalid` with every complaint.
pub(crate) async fn apply(
    tx: &mut Tx,
    caller: &Caller,
    fields: &Fields,
    spelling: Spelling,
    (mentor, mut errors): (&mut Mentor, FieldErrors),
) -> Result<()> {
    let mut fields = fields.clone();
    for (other, setting) in OTHER_NAMES {
        fields.alias(other, setting);
    }
    let mut reader = Reader::new(&fields);
    std::mem::swap(&mut reader.errors, &mut errors);
    let name = reader.text(spelling.name, Text::filled(NAME_CHARACTERS_MAX));
    if let Some(name) = reader.not_null(spelling.name, name) {
        mentor.name = name;
    }
    let description = reader.text(
        spelling.description,
        Text::blank(DESCRIPTION_CHARACTERS_MAX),
    );
    if let Some(description) = description.value() {
        mentor.description = description;
    }
    if let Some(tools) = tools(&mut reader) {
        mentor.tools = serde_json::to_string(&tools).map_err(Error::internal)?;
    }
    if let Some(can_use_tools) = reader.boolean("can_use_tools").value() {
        mentor.can_use_tools = can_use_tools;
    }
    mentor.settings = settings(&mut reader, mentor.stored_settings());
    let servers = servers(tx, caller, &mut reader).await?;
    reader.finish()?;
    mentor::store(tx, mentor).await?;
    if let Some(servers) = servers {
        attachment::replace(tx, mentor.id, &servers).await?;
    }
    Ok(())
}

/// The description calls them `tools`, the published clients `tool_slugs`; the description wins. Null leaves them.
fn tools(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let slugs = reader.texts("tool_slugs");
    let (field, given) = match reader.texts("tools") {
        Given::Value(tools) => ("tools", Some(tools)),
        Given::Absent | Given::Null => ("tool_slugs", slugs.value()),
    };
    let mut tools: Vec<String> = Vec::new();
    for slug in given? {
        let is_slug = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if slug.is_empty() || slug.len() > SLUG_CHARACTERS_MAX || !slug.chars().all(is_slug) {
            let message =
                "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.";
            reader.errors.add(field, message);
            return None;
        }
        if !tools.contains(&slug) {
            tools.push(slug);
        }
    }
    if tools.len() > TOOLS_MAX {
        let message = format!("Ensure this field has no more than {TOOLS_MAX} elements.");
        reader.errors.add(field, message);
    }
    Some(tools)
}

/// The whole wanted list, each server visible to the tenant. Null leaves the stored one.
async fn servers(
    tx: &mut Tx,
    caller: &Caller,
    reader: &mut Reader<'_>,
) -> Result<Option<Vec<ServerId>>> {
    let Given::Value(ids) = reader.ids("mcp_servers") else {
        return Ok(None);
    };
    if ids.len() > SERVERS_MAX {
        let message = format!("Ensure this field has no more than {SERVERS_MAX} elements.");
        reader.errors.add("mcp_servers", message);
        return Ok(None);
    }
    let mut servers = Vec::with_capacity(ids.len());
    for id in ids {
        match server::find_visible(tx, caller.tenant.id, ServerId(id)).await? {
            Some(server) => servers.push(server.id),
            None => reader.errors.add("mcp_servers", no_such(id)),
        }
    }
    Ok(Some(servers))
}

/// The stored settings with the given ones over them, as JSON text.
fn settings(reader: &mut Reader<'_>, mut stored: Map<String, Value>) -> String {
    for setting in SETTINGS {
        if let Some(value) = value(reader, setting) {
            stored.insert(setting.name.to_owned(), value);
        }
    }
    let text = Value::Object(stored).to_string();
    if text.len() > SETTINGS_BYTES_MAX {
        let message = format!("The settings of a mentor have at most {SETTINGS_BYTES_MAX} bytes.");
        reader.errors.add("non_field_errors", message);
    }
    text
}

/// A setting's new value. Null where null is no value leaves the stored one: clients send it for "not set".
fn value(reader: &mut Reader<'_>, setting: &Setting) -> Option<Value> {
    let name = setting.name;
    match setting.kind {
        Kind::Text(max) => reader.text(name, Text::blank(max)).value().map(Value::from),
        Kind::TextOrNull(max) => nullable(reader.text(name, Text::blank(max))),
        Kind::Bool => reader.boolean(name).value().map(Value::from),
        Kind::BoolOrNull => nullable(reader.boolean(name)),
        Kind::BoolAsText => reader
            .boolean(name)
            .value()
            .map(|value| value.to_string().into()),
        Kind::IdAsText => match reader.id(name) {
            Given::Absent => None,
            Given::Null => Some("".into()),
            Given::Value(id) => Some(id.to_string().into()),
        },
        Kind::Fraction => {
            let number = reader.number(name).value()?;
            if !(0.0..=1.0).contains(&number) {
                reader
                    .errors
                    .add(name, "Ensure this value is between 0 and 1.");
                return None;
            }
            Some(json!(number))
        }
        Kind::Word(words) => word(reader, name, words).value().map(Value::from),
        Kind::WordOrNull(words) => nullable(word(reader, name, words)),
        Kind::Json => nullable(reader.json(name)),
    }
}

fn nullable<T: Into<Value>>(given: Given<T>) -> Option<Value> {
    match given {
        Given::Absent => None,
        Given::Null => Some(Value::Null),
        Given::Value(value) => Some(value.into()),
    }
}

fn word(reader: &mut Reader<'_>, name: &str, words: &[&str]) -> Given<String> {
    match reader.word(name) {
        Given::Value(word) if !words.contains(&word.as_str()) => {
            reader
                .errors
                .add(name, format!("\"{word}\" is not a valid choice."));
            Given::Absent
        }
        other => other,
    }
}

/// The schema of a request that may set everything, with these required fields before it.
pub(crate) fn schema(generator: &mut SchemaGenerator, name: &str, required: &[&str]) -> Schema {
    let mut properties = Map::new();
    for name in required {
        properties.insert((*name).to_owned(), json!({ "type": "string" }));
    }
    let list = |items: &str, about: &str| json!({ "type": ["array", "null"], "items": { "type": items }, "description": about });
    properties.insert(
        "tools".into(),
        list(
            "string",
            "slugs of the enabled tools; replaces, null leaves",
        ),
    );
    properties.insert(
        "tool_slugs".into(),
        list("string", "the same as `tools`, which wins"),
    );
    properties.insert("can_use_tools".into(), json!({ "type": "boolean" }));
    properties.insert(
        "mcp_servers".into(),
        list(
            "integer",
            "numbers of the attached servers; replaces, null leaves",
        ),
    );
    for setting in SETTINGS {
        properties.insert(setting.name.into(), schema_of_kind(setting.kind));
    }
    let schema = json!({ "type": "object", "required": required, "properties": properties });
    named(generator, name, schema)
}

fn schema_of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Text(max) => json!({ "type": "string", "maxLength": max }),
        Kind::TextOrNull(max) => json!({ "type": ["string", "null"], "maxLength": max }),
        Kind::Bool | Kind::BoolAsText => json!({ "type": "boolean" }),
        Kind::BoolOrNull => json!({ "type": ["boolean", "null"] }),
        Kind::IdAsText => json!({ "type": ["integer", "null"] }),
        Kind::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::WordOrNull(words) => json!({ "type": ["string", "null"], "examples": words }),
        Kind::Json => json!({}),
    }
}

/// The schema of a settings request.
pub(crate) fn settings_schema(generator: &mut SchemaGenerator) -> Schema {
    schema(generator, "MentorSettingsRequest", &[])
}
