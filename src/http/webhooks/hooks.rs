//! `…/webhooks/`: list, make, read, change, delete, replace the secret. A secret is shown once, where it is made.
//! Never shows a stored one.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use base::clock::UnixMs;
use base::error::{FieldErrors, Result};
use base::fields::kind::{Bool, Choice, Texts};
use base::fields::{Body, Request, Text, default, request, required};
use base::secret::Secret;
use base::storage::{Page, Tx};
use delivery::webhook::{self, Changes, Draft, Event, Webhook, WebhookId};
use egress::URL_BYTES_MAX;
use tenancy::audit;
use tenancy::auth::token::Environment;

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

request! {
    /// A webhook as it is written.
    pub(crate) struct WebhookRequest {
        /// Where events are posted.
        url: Option<String> = required(Text::filled(URL_BYTES_MAX)) => "https://hooks.example.com/mentor";
        /// What is told.
        events: Option<Vec<String>> = required(Texts::some_of(Event::WORDS, "an event")) => ["payment.received"];
        /// Whether live data is told of, or the sandbox's. It cannot be changed.
        environment: Option<Environment> = default("live", Choice::<Environment>::any()) => "live";
        /// Whether anything is told at all.
        is_enabled: Option<bool> = default("true", Bool) => true;
    }
}

const ONE: Shape = Shape::One(schema_of::<WebhookAnswer>);

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists the tenant's webhooks.", |call| Box::pin(list(call)))
        .answers(200, Shape::Page(schema_of::<WebhookAnswer>));

pub(crate) const CREATE: Endpoint =
    Endpoint::closed("Makes a webhook and shows its secret, once.", |call| {
        Box::pin(create(call))
    })
    .reads(Body::whole("WebhookRequest", &[WebhookRequest::TABLE]))
    .answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a webhook.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a webhook.", |call| {
        Box::pin(change(call))
    })
    .reads(Body::partial(
        "PatchedWebhookRequest",
        &[WebhookRequest::TABLE],
    ))
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
    let (asked, mut errors) = WebhookRequest::whole(&call.fields);
    let draft = Draft {
        url: url(&call, asked.url, &mut errors).unwrap_or_default(),
        events: sorted(asked.events.unwrap_or_default()),
        environment: asked.environment.unwrap_or(Environment::Live),
        is_enabled: asked.is_enabled.unwrap_or(true),
    };
    errors.into_result()?;
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
    let (asked, mut errors) = WebhookRequest::partial(&call.fields);
    let changes = Changes {
        url: url(&call, asked.url, &mut errors),
        events: asked.events.map(sorted),
        is_enabled: asked.is_enabled,
    };
    if call.fields.has("environment") && asked.environment != Some(stored.environment) {
        let message = "The environment of a webhook cannot be changed.";
        errors.add("environment", message);
    }
    errors.into_result()?;
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
fn url(call: &Call, asked: Option<String>, errors: &mut FieldErrors) -> Option<String> {
    match call.app.egress.check_url(&asked?) {
        Ok(destination) if !destination.is_websocket() => Some(destination.as_str().to_owned()),
        Ok(_) => {
            errors.add("url", "Enter an https URL.");
            None
        }
        Err(refused) => {
            let rule = refused.reason().rule();
            errors.add("url", format!("URL is not allowed: {rule}."));
            None
        }
    }
}

fn sorted(mut events: Vec<String>) -> Vec<String> {
    events.sort_unstable();
    events.dedup();
    events
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
