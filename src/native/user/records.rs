//! What the tools of all records do: the same calls of `career` as the REST surface makes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::career::{self, Change, Record};
use crate::learner::Learner;
use crate::native::call::Call;
use crate::native::failure::Refusal;

/// Whose records are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfUser {
    /// User's username
    pub(super) username: String,
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
