//! `…/webhooks/{id}/deliveries/` and `…/webhook-deliveries/{id}/`: what is on its way, what arrived, what is dead.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::hooks;
use base::clock::UnixMs;
use base::error::Result;
use base::fields::Reader;
use base::storage::{Page, Tx};
use delivery::webhook::{self, Delivery, DeliveryId};
use tenancy::audit;

/// One event on its way to one webhook.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookDelivery")]
struct DeliveryAnswer {
    /// As in the header `X-Academy-Delivery`, the same at every attempt.
    id: i64,
    webhook: i64,
    event: String,
    /// What it is about; deliveries about it go out one after the other.
    object: String,
    /// `waiting`, `delivered` or `dead`.
    state: String,
    attempts: i64,
    /// When the next attempt is due; null if there is none.
    next_attempt_at: Option<String>,
    /// The outcome of the last attempt: `http 500`, or a word for the failure; empty before the first.
    result: String,
    created_at: String,
    ended_at: Option<String>,
    /// What is sent.
    payload: Value,
}

const ONE: Shape = Shape::One(schema_of::<DeliveryAnswer>);

pub(crate) const LIST: Endpoint = Endpoint::closed(
    "Lists what is and was on its way to a webhook, newest first, for 30 days.",
    |call| Box::pin(list(call)),
)
.query(&[query("state", "string", "`waiting`, `delivered` or `dead`")])
.answers(200, Shape::Page(schema_of::<DeliveryAnswer>));

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a delivery.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const RETRY: Endpoint = Endpoint::closed(
    "Retries a delivery that ended, from the beginning.",
    |call| Box::pin(retry(call)),
)
.answers(200, ONE);

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let state = reader.choice("state").value();
    reader.finish()?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let hook = hooks::of_path(&mut tx, &call).await?;
    let found = webhook::deliveries(&mut tx, hook.id, state, asked).await?;
    let rows = found.rows.into_iter().map(answer).collect();
    let total = found.total;
    page::envelope(&call, asked, Page { total, rows })
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = of_path(&mut tx, &call).await?;
    Answer::ok(&answer(row))
}

async fn retry(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    webhook::retry(&mut tx, call.caller.tenant.id, stored.id, call.now()).await?;
    let object = format!("webhook_delivery:{}", stored.id.0);
    audit::record(&mut tx, &call.entry("webhook.retry", object)).await?;
    let row = of_path(&mut tx, &call).await?;
    tx.commit().await?;
    Answer::ok(&answer(row))
}

async fn of_path(tx: &mut Tx, call: &Call) -> Result<Delivery> {
    webhook::get_delivery(tx, call.caller.tenant.id, DeliveryId(call.path.id()?)).await
}

fn answer(row: Delivery) -> DeliveryAnswer {
    let is_waiting = row.state == "waiting";
    DeliveryAnswer {
        id: row.id.0,
        webhook: row.webhook_id.0,
        event: row.event,
        object: row.object,
        state: row.state,
        attempts: row.attempts,
        next_attempt_at: is_waiting.then(|| row.next_at.to_iso()),
        result: row.result,
        created_at: row.created_at.to_iso(),
        ended_at: row.ended_at.map(UnixMs::to_iso),
        // What was enqueued is JSON.
        payload: serde_json::from_str(&row.body).unwrap_or_default(),
    }
}
