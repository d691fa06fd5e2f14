//! `…/webhooks/`: list, make, read, change, delete, replace the secret. A secret is shown once, where it is made.
//! Never shows a stored one.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::drf::reader::{Given, Reader, Text};
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use crate::audit;
use crate::auth::token::Environment;
use crate::clock::UnixMs;
use crate::egress::URL_BYTES_MAX;
use crate::error::Result;
use crate::secret::Secret;
use crate::storage::{Page, Tx};
use crate::webhook::{self, Changes, Draft, Event, Webhook, WebhookId};

/// A webhook, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
struct WebhookAnswer {
    id: i64,
    /// `live` or `test`: it is told of that data only.
    environment: String,
    url: String,
    events: Vec<String>,
    is_enabled: bool,
    /// Until when the secret before the last change signs as well; null if it does not.
    previous_secret_until: Option<String>,
    created_at: String,
    updated_at: String,
    /// What signs. Only here, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A webhook as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "WebhookRequest")]
#[expect(
    dead_code,
    reason = "documentation; the fields are read one by one in any encoding"
)]
pub(crate) struct WebhookRequest {
    /// Where events are posted.
    url: String,
    /// `enrollment.created`, `enrollment.completed`, `certificate.issued`, `cohort.status_changed` or `payment.received`.
    events: Vec<String>,
    /// `live` (the default) or `test`. It cannot be changed.
    environment: Option<String>,
    is_enabled: Option<bool>,
}

const ONE: Shape = Shape::One(schema_of::<WebhookAnswer>);

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists the tenant's webhooks.", |call| Box::pin(list(call)))
        .answers(200, Shape::Page(schema_of::<WebhookAnswer>));

pub(crate) const CREATE: Endpoint =
    Endpoint::closed("Makes a webhook and shows its secret, once.", |call| {
        Box::pin(create(call))
    })
    .body(schema_of::<WebhookRequest>)
    .answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a webhook.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a webhook.", |call| {
        Box::pin(change(call))
    })
    .body(schema_of::<WebhookRequest>)
    .answers(200, ONE);

pub(crate) const DELETE: Endpoint =
    Endpoint::closed("Deletes a webhook and what is on its way to it.", |call| {
        Box::pin(delete(call))
    });

pub(crate) const ROTATE: Endpoint = Endpoint::closed(
    "Replaces the secret and shows the new one, once; for a day both sign.",
    |call| Box::pin(rotate(call)),
)
.answers(200, ONE);

async fn list(call: Call) -> Result<Answer> {
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let found = webhook::list(&mut tx, call.caller.tenant.id, asked).await?;
    let rows = found.rows.into_iter();
    let rows = rows.map(|row| answer(row, None, call.now()));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let total = found.total;
    page::envelope(&call, asked, Page { total, rows })
}

async fn create(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.fields);
    call.fields.require(&["url", "events"], &mut reader.errors);
    let draft = Draft {
        url: url(&call, &mut reader).unwrap_or_default(),
        events: events(&mut reader).unwrap_or_default(),
        environment: reader
            .choice("environment")
            .value()
            .unwrap_or(Environment::Live),
        is_enabled: reader.boolean("is_enabled").value().unwrap_or(true),
    };
    reader.finish()?;
    let mut tx = call.app.db.write().await?;
    let tenant = call.caller.tenant.id;
    let made = webhook::create(&mut tx, &call.app.vault, tenant, &draft, call.now()).await?;
    record(&call, &mut tx, "webhook.create", made.0).await?;
    let row = webhook::get(&mut tx, tenant, made.0).await?;
    tx.commit().await?;
    Answer::created(&answer(row, Some(&made.1), call.now())?)
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = of_path(&mut tx, &call).await?;
    Answer::ok(&answer(row, None, call.now())?)
}

async fn change(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    let mut reader = Reader::new(&call.fields);
    let enabled = reader.boolean("is_enabled");
    let changes = Changes {
        url: url(&call, &mut reader),
        events: events(&mut reader),
        is_enabled: reader.not_null("is_enabled", enabled),
    };
    if reader.has("environment") && reader.choice("environment") != Given::Value(stored.environment)
    {
        let message = "The environment of a webhook cannot be changed.";
        reader.errors.add("environment", message);
    }
    reader.finish()?;
    webhook::change(&mut tx, stored.id, &changes, call.now()).await?;
    record(&call, &mut tx, "webhook.update", stored.id).await?;
    let row = of_path(&mut tx, &call).await?;
    tx.commit().await?;
    Answer::ok(&answer(row, None, call.now())?)
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    webhook::delete(&mut tx, stored.id).await?;
    record(&call, &mut tx, "webhook.delete", stored.id).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

async fn rotate(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    let secret = webhook::rotate(&mut tx, &call.app.vault, &stored, call.now()).await?;
    record(&call, &mut tx, "webhook.rotate", stored.id).await?;
    let row = of_path(&mut tx, &call).await?;
    tx.commit().await?;
    Answer::ok(&answer(row, Some(&secret), call.now())?)
}

/// The way out decides which URLs may be told; the resolved address is checked at every attempt.
fn url(call: &Call, reader: &mut Reader<'_>) -> Option<String> {
    let given = reader.text("url", Text::filled(URL_BYTES_MAX));
    let url = reader.not_null("url", given)?;
    match call.app.egress.check_url(&url) {
        Ok(destination) if !destination.is_websocket() => Some(destination.as_str().to_owned()),
        Ok(_) => {
            reader.errors.add("url", "Enter an https URL.");
            None
        }
        Err(refused) => {
            reader
                .errors
                .add("url", format!("This URL is not allowed: {refused}."));
            None
        }
    }
}

fn events(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let given = reader.texts("events");
    let mut events = reader.not_null("events", given)?;
    for word in &events {
        if !Event::words().any(|known| known == word) {
            let message = format!("{word:?} is not an event.");
            reader.errors.add("events", message);
        }
    }
    if events.is_empty() {
        reader.errors.add("events", "This list may not be empty.");
    }
    events.sort_unstable();
    events.dedup();
    Some(events)
}

pub(super) async fn of_path(tx: &mut Tx, call: &Call) -> Result<Webhook> {
    webhook::get(tx, call.caller.tenant.id, WebhookId(call.path.id()?)).await
}

async fn record(call: &Call, tx: &mut Tx, action: &str, id: WebhookId) -> Result<()> {
    audit::record(tx, &call.entry(action, Webhook::record_name(id))).await
}

fn answer(row: Webhook, secret: Option<&Secret>, now: UnixMs) -> Result<WebhookAnswer> {
    let until = row.previous_until;
    Ok(WebhookAnswer {
        id: row.id.0,
        environment: row.environment.to_string(),
        events: row.event_words()?,
        url: row.url,
        is_enabled: row.is_enabled,
        previous_secret_until: (now < until).then(|| until.to_iso()),
        created_at: row.created_at.to_iso(),
        updated_at: row.updated_at.to_iso(),
        secret: secret.map(|secret| secret.expose().to_owned()),
    })
}
