//! Who wants to be told: made, listed, changed, deleted, with a secret that can be replaced without a gap.
//! Never finds a webhook of another tenant, and shows a secret only where it is made.

use std::time::Duration;

use super::{SECRET, Webhook, WebhookId, record};
use base::clock::{UnixMs, random_hex};
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::{Page, PageRequest, Tx};
use broker::registry::sealed::Change;
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;

/// Webhooks of one tenant.
const WEBHOOKS_MAX: i64 = 20;
/// How long a replaced secret signs beside the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// A webhook to be made. The URL was checked by the way out.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whether it is told of live or of sandbox data.
    pub environment: Environment,
    /// Where it is told.
    pub url: String,
    /// The events it is told, as words.
    pub events: Vec<String>,
    /// Whether it is told at all.
    pub is_enabled: bool,
}

/// What may be changed; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Where it is told.
    pub url: Option<String>,
    /// The events it is told, as words.
    pub events: Option<Vec<String>>,
    /// Whether it is told at all.
    pub is_enabled: Option<bool>,
}

/// Makes a webhook and returns its secret, which cannot be shown again.
///
/// # Errors
/// `Conflict` if the tenant has as many as it may.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    tenant: TenantId,
    draft: &Draft,
    now: UnixMs,
) -> Result<(WebhookId, Secret)> {
    let count = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1",
        tenant
    )?;
    if count >= WEBHOOKS_MAX {
        let message = format!("The limit of {WEBHOOKS_MAX} webhooks is reached.");
        return Err(Error::Conflict(message));
    }
    let id = sql!(
        tx,
        scalar as WebhookId,
        "INSERT INTO webhooks (tenant_id, environment, url, events, secret_sealed, previous_secret_sealed,
                               previous_until, is_enabled, created_at, updated_at)
         VALUES ($1, $2, $3, $4, '', '', 0, $5, $6, $6) RETURNING id",
        tenant,
        draft.environment.as_str(),
        &draft.url,
        written(&draft.events)?,
        draft.is_enabled,
        now
    )?;
    // The secret is sealed for the record's number, so it comes second.
    let (secret, sealed) = new_secret(vault, tenant, id);
    sql!(
        tx,
        execute,
        "UPDATE webhooks SET secret_sealed = $2 WHERE id = $1",
        id,
        sealed
    )?;
    Ok((id, secret))
}

/// A page of the tenant's webhooks, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, tenant: TenantId, page: PageRequest) -> Result<Page<Webhook>> {
    let total = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1",
        tenant
    )?;
    let rows = sql!(
        tx,
        fetch_all as Webhook,
        "SELECT * FROM webhooks WHERE tenant_id = $1 ORDER BY id LIMIT $2 OFFSET $3",
        tenant,
        page.size,
        page.offset()
    )?;
    Ok(Page { total, rows })
}

/// A webhook of the tenant.
///
/// # Errors
/// `NotFound` for none, and for another tenant's.
pub async fn get(tx: &mut Tx, tenant: TenantId, id: WebhookId) -> Result<Webhook> {
    sql!(
        tx,
        fetch_optional as Webhook,
        "SELECT * FROM webhooks WHERE id = $1 AND tenant_id = $2",
        id,
        tenant
    )?
    .ok_or(Error::NotFound("webhook"))
}

/// Changes a webhook. What is on its way goes to the new URL.
///
/// # Errors
/// If the database fails.
pub async fn change(tx: &mut Tx, id: WebhookId, changes: &Changes, now: UnixMs) -> Result<()> {
    let events = changes.events.as_deref().map(written).transpose()?;
    sql!(
        tx,
        execute,
        "UPDATE webhooks SET url = COALESCE($2, url), events = COALESCE($3, events),
                             is_enabled = COALESCE($4, is_enabled), updated_at = $5
         WHERE id = $1",
        id,
        changes.url.as_deref(),
        events,
        changes.is_enabled,
        now
    )?;
    Ok(())
}

/// Deletes a webhook and what is on its way to it.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, id: WebhookId) -> Result<()> {
    sql!(tx, execute, "DELETE FROM webhooks WHERE id = $1", id)?;
    Ok(())
}

/// Makes a new secret and returns it; it cannot be shown again. The old one signs beside it for a day.
///
/// # Errors
/// If the database fails.
pub async fn rotate(tx: &mut Tx, vault: &Vault, old: &Webhook, now: UnixMs) -> Result<Secret> {
    let (secret, sealed) = new_secret(vault, old.tenant_id, old.id);
    sql!(
        tx,
        execute,
        "UPDATE webhooks SET previous_secret_sealed = secret_sealed, previous_until = $3, secret_sealed = $2,
                             updated_at = $4
         WHERE id = $1",
        old.id,
        sealed,
        now.plus(OVERLAP),
        now
    )?;
    Ok(secret)
}

fn new_secret(vault: &Vault, tenant: TenantId, id: WebhookId) -> (Secret, String) {
    let secret = Secret::new(format!("whsec_{}", random_hex::<32>()));
    let name = Webhook::record_name(id);
    let set = Change::Set(secret.clone());
    let sealed = record(tenant, &name).seal(vault, SECRET, &set, "");
    (secret, sealed)
}

fn written(events: &[String]) -> Result<String> {
    serde_json::to_string(events).map_err(Error::internal)
}
