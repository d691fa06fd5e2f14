//! `/api/career/orgs/{org}/{kind}/users/{username}/`: the four kinds of record, alike in everything but their fields.

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, QueryParameter, Shape, query, schema_of};
use base::error::Result;
use base::fields::{Body, Fields, Raw};
use base::storage::Tx;
use learning::career::{self, Change, Record};
use learning::learner::Learner;
use tenancy::audit;

/// Which record, for clients that do not put it into the body.
const ID: &[QueryParameter] = &[query(
    "id",
    "integer",
    "The record; may stand in the body instead.",
)];

pub(crate) const fn list<R: Record>(summary: &'static str) -> Endpoint {
    Endpoint::closed(summary, |call| Box::pin(listed::<R>(call)))
        .answers(200, Shape::List(schema_of::<R>))
}

pub(crate) const fn create<R: Record>(summary: &'static str) -> Endpoint {
    Endpoint::closed(summary, |call| Box::pin(created::<R>(call)))
        .reads(Body::whole(R::REQUESTS[0], R::TABLES))
        // The published client finds no object in a 201.
        .answers(200, Shape::One(schema_of::<R>))
}

pub(crate) const fn replace<R: Record>(summary: &'static str) -> Endpoint {
    Endpoint::closed(summary, |call| Box::pin(replaced::<R>(call)))
        .query(ID)
        .reads(Body::whole(R::REQUESTS[1], R::TABLES_OF_CHANGE))
        .answers(200, Shape::One(schema_of::<R>))
}

pub(crate) const fn delete<R: Record>(summary: &'static str) -> Endpoint {
    Endpoint::closed(summary, |call| Box::pin(deleted::<R>(call))).query(ID)
}

async fn listed<R: Record>(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let learner = of_path(&mut tx, &call).await?;
    Answer::ok(&career::list::<R>(&mut tx, &learner).await?)
}

async fn created<R: Record>(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let learner = of_path(&mut tx, &call).await?;
    let made = career::create::<R>(&mut tx, &learner, change(&call), call.now()).await?;
    record::<R>(&call, &mut tx, ("create", made.id())).await?;
    tx.commit().await?;
    Answer::ok(&made)
}

async fn replaced<R: Record>(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let learner = of_path(&mut tx, &call).await?;
    let made = career::replace::<R>(&mut tx, &learner, change(&call), call.now()).await?;
    record::<R>(&call, &mut tx, ("update", made.id())).await?;
    tx.commit().await?;
    Answer::ok(&made)
}

async fn deleted<R: Record>(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let learner = of_path(&mut tx, &call).await?;
    let id = career::delete::<R>(&mut tx, &learner, change(&call)).await?;
    record::<R>(&call, &mut tx, ("delete", id)).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

/// The learner of the path, whom dispatch has found to be the caller's own or one whom they administer.
pub(super) async fn of_path(tx: &mut Tx, call: &Call) -> Result<Learner> {
    Learner::of(tx, &call.caller.user, call.path.get("username")).await
}

fn change(call: &Call) -> Change {
    let mut fields = call.fields.to_json();
    if let Some(id) = id_of_query(&call.query) {
        fields.entry("id").or_insert_with(|| id.into());
    }
    Change {
        fields,
        ..Change::default()
    }
}

fn id_of_query(query: &Fields) -> Option<&str> {
    match query.get("id")? {
        Raw::Texts(texts) => texts.last().map(String::as_str),
        Raw::Json(_) | Raw::File(_) => None,
    }
}

async fn record<R: Record>(call: &Call, tx: &mut Tx, (what, id): (&str, i64)) -> Result<()> {
    let name = R::NAME;
    let entry = call.entry(&format!("{name}.{what}"), format!("{name}:{id}"));
    audit::record(tx, &entry).await
}
