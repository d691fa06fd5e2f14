//! What the tools of all records do: the same calls of `career` as the REST surface makes.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::failure::Refusal;
use base::fields::Request;
use learning::career::{self, Change, Record};
use learning::learner::Learner;

/// Whose records are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfUser {
    /// User's username
    pub(super) username: String,
}

/// A tool that writes a record: its arguments are the username and fields of the record's own request.
pub(super) trait Writes: 'static {
    /// What it writes.
    type Record: Record;
    /// How it names the record that is there, if it changes one.
    const ID: Option<&'static str> = None;
    /// The fields that it takes, in their order.
    const FIELDS: &'static [&'static str];
}

/// The arguments of a tool that writes a record, as they came; the rules read them one by one.
#[derive(Deserialize)]
#[serde(transparent, bound = "")]
pub(super) struct Args<T> {
    /// The members.
    pub(super) fields: Map<String, Value>,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T: Writes> JsonSchema for Args<T> {
    fn schema_name() -> Cow<'static, str> {
        T::Record::REQUESTS[0].into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        let mut required = vec!["username"];
        let mut add = |name: &str, kind: &str, about: &str| {
            let schema = json!({ "type": kind, "description": about });
            properties.insert(name.to_owned(), schema);
        };
        add("username", "string", "User's username");
        if let Some(about) = T::ID {
            add("id", "number", about);
            required.push("id");
        }
        let rows = <T::Record as Record>::Written::TABLE.rows;
        for row in T::FIELDS
            .iter()
            .filter_map(|name| rows.iter().find(|row| row.name == *name))
        {
            properties.insert(row.name.to_owned(), row.argument());
            required.extend(row.is_required().then_some(row.name));
        }
        json_schema!({
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
            "required": required,
        })
    }
}

/// The records of a learner, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Records<T> {
    results: Vec<T>,
}

pub(super) async fn list<R: Record>(
    call: &mut Call<'_>,
    args: &OfUser,
) -> Result<Records<R>, Refusal> {
    let learner = Learner::of(call.tx, &call.caller.user, &args.username).await?;
    let results = career::list::<R>(call.tx, &learner).await?;
    Ok(Records { results })
}

pub(super) async fn create<R: Record>(
    call: &mut Call<'_>,
    fields: Map<String, Value>,
) -> Result<R, Refusal> {
    let (learner, change) = begin::<R>(call, fields).await?;
    Ok(career::create::<R>(call.tx, &learner, change, call.now).await?)
}

pub(super) async fn replace<R: Record>(
    call: &mut Call<'_>,
    fields: Map<String, Value>,
) -> Result<R, Refusal> {
    let (learner, change) = begin::<R>(call, fields).await?;
    Ok(career::replace::<R>(call.tx, &learner, change, call.now).await?)
}

/// Whose record is meant, and the record without that.
async fn begin<R: Record>(
    call: &mut Call<'_>,
    mut fields: Map<String, Value>,
) -> Result<(Learner, Change), Refusal> {
    let errors = std::mem::take(&mut call.complaints);
    let username = fields.remove("username");
    let change = Change { fields, errors };
    match username.as_ref().and_then(Value::as_str) {
        Some(username) => {
            let learner = Learner::of(call.tx, &call.caller.user, username).await?;
            Ok((learner, change))
        }
        None => Err(career::complaints::<R>(call.tx, change).await?.into()),
    }
}
