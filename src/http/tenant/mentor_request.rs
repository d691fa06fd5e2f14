//! What clients write on a mentor, in any encoding: name, description, tools, servers and the table of settings.

use serde_json::{Map, Value, json};

use base::error::{Error, FieldErrors, Result};
use base::fields::kind::{Bool, Ids, Texts};
use base::fields::{
    Fields, Given, Reader, Request, Row, Table, Text, messages, no_such, optional, request,
};
use base::storage::Tx;
use broker::registry::attachment::{self, SERVERS_MAX};
use broker::registry::server::{self, ServerId};
use tenancy::auth::Caller;
use tenancy::tenant::mentor::settings::{Kind, SETTINGS, Setting};
use tenancy::tenant::mentor::{self, Mentor};

/// Longest description, in characters.
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// Longest tool slug, in characters.
const SLUG_CHARACTERS_MAX: usize = 50;
/// Tools of one mentor.
const TOOLS_MAX: usize = 100;
/// Slugs in one request, before doubled ones are taken out.
const SLUGS_MAX: usize = 1000;
/// All settings of one mentor, in bytes of JSON.
const SETTINGS_BYTES_MAX: usize = 256 * 1024;

/// Names that clients also use for settings.
const OTHER_NAMES: [(&str, &str); 2] =
    [("featured", "is_featured"), ("department", "department_id")];

request! {
    /// What a mentor has.
    pub(crate) struct Parts {
        /// Slugs of the enabled tools; replaces, null leaves.
        tools: Given<Vec<String>> = optional(Texts::up_to(SLUGS_MAX)) => ["mcp"];
        /// The same as `tools`, which wins.
        tool_slugs: Given<Vec<String>> = optional(Texts::up_to(SLUGS_MAX)), such as ["mcp"];
        /// Whether it uses tools at all.
        can_use_tools: Given<bool> = optional(Bool) => true;
        /// Numbers of the attached servers; replaces, null leaves.
        mcp_servers: Given<Vec<i64>> = optional(Ids(SERVERS_MAX)) => [1];
    }
}

/// What a mentor is set to, beside its own columns.
pub(crate) const PARTS: [&Table; 2] = [Parts::TABLE, SET];

const SET: &Table = &Table {
    about: &["What a mentor is set to."],
    rows: &ROWS,
    read: |reader| {
        for setting in SETTINGS {
            value(reader, setting);
        }
    },
};

const ROWS: [Row; SETTINGS.len()] = {
    let unset = Row {
        name: "",
        about: &[],
        field: &Kind::Json,
        takes_null: true,
        shown: false,
        example: None,
    };
    let mut rows = [unset; SETTINGS.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at].name = SETTINGS[at].name;
        rows[at].field = &SETTINGS[at].kind;
        at += 1;
    }
    rows
};

/// Changes a mentor as the fields say and stores it, with its servers. Absent fields stay as they are.
///
/// # Errors
/// `Invalid` with every complaint.
pub(crate) async fn apply(
    tx: &mut Tx,
    caller: &Caller,
    fields: &Fields,
    (name, description): (Option<String>, Given<String>),
    (mentor, mut errors): (&mut Mentor, FieldErrors),
) -> Result<()> {
    let mut fields = fields.clone();
    for (other, setting) in OTHER_NAMES {
        fields.alias(other, setting);
    }
    let (parts, wrong) = Parts::partial(&fields);
    errors.append(wrong);
    if let Some(name) = name {
        mentor.name = name;
    }
    if let Some(description) = description.value() {
        mentor.description = description;
    }
    if let Some(tools) = tools(parts.tools, parts.tool_slugs, &mut errors) {
        mentor.tools = serde_json::to_string(&tools).map_err(Error::internal)?;
    }
    if let Some(can_use_tools) = parts.can_use_tools.value() {
        mentor.can_use_tools = can_use_tools;
    }
    mentor.settings = settings(&fields, mentor.stored_settings(), &mut errors);
    let servers = servers(tx, caller, parts.mcp_servers, &mut errors).await?;
    errors.into_result()?;
    mentor::store(tx, mentor).await?;
    if let Some(servers) = servers {
        attachment::replace(tx, mentor.id, &servers).await?;
    }
    Ok(())
}

/// The description calls them `tools`, the published clients `tool_slugs`; the description wins. Null leaves them.
fn tools(
    tools: Given<Vec<String>>,
    slugs: Given<Vec<String>>,
    errors: &mut FieldErrors,
) -> Option<Vec<String>> {
    let (field, given) = match tools {
        Given::Value(tools) => ("tools", Some(tools)),
        Given::Absent | Given::Null => ("tool_slugs", slugs.value()),
    };
    let mut tools: Vec<String> = Vec::new();
    for slug in given? {
        let is_slug = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if slug.is_empty() || slug.len() > SLUG_CHARACTERS_MAX || !slug.chars().all(is_slug) {
            let message =
                "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.";
            errors.add(field, message);
            return None;
        }
        if !tools.contains(&slug) {
            tools.push(slug);
        }
    }
    if tools.len() > TOOLS_MAX {
        errors.add(field, messages::too_many(TOOLS_MAX));
    }
    Some(tools)
}

/// The whole wanted list, each server visible to the tenant. Null leaves the stored one.
async fn servers(
    tx: &mut Tx,
    caller: &Caller,
    asked: Given<Vec<i64>>,
    errors: &mut FieldErrors,
) -> Result<Option<Vec<ServerId>>> {
    let Given::Value(ids) = asked else {
        return Ok(None);
    };
    let mut servers = Vec::with_capacity(ids.len());
    for id in ids {
        match server::find_visible(tx, caller.tenant.id, ServerId(id)).await? {
            Some(server) => servers.push(server.id),
            None => errors.add("mcp_servers", no_such(id)),
        }
    }
    Ok(Some(servers))
}

/// The stored settings with the given ones over them, as JSON text.
fn settings(fields: &Fields, mut stored: Map<String, Value>, errors: &mut FieldErrors) -> String {
    let mut reader = Reader::new(fields);
    for setting in SETTINGS {
        if let Some(value) = value(&mut reader, setting) {
            stored.insert(setting.name.to_owned(), value);
        }
    }
    errors.append(reader.errors);
    let text = Value::Object(stored).to_string();
    if text.len() > SETTINGS_BYTES_MAX {
        let message = format!("The settings of a mentor have at most {SETTINGS_BYTES_MAX} bytes.");
        errors.add("non_field_errors", message);
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
            reader.refuse(name, &messages::no_choice(&word))
        }
        other => other,
    }
}
