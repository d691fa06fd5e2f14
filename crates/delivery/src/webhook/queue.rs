//! The queue of deliveries: enqueued in the transaction of the change, claimed by one sender at a time, settled by the
//! outcome. Deliveries about one object go out one after the other. Never waits for the network.

use std::time::Duration;

use sqlx::FromRow;

use super::{Event, SECRET, Webhook, WebhookId, record};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::queue::{Attempt, Ending, Queue, queue_in};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::{Conditions, Page, PageRequest, Tx, words};
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;

/// Pauses after failed attempts; after the last one a delivery is dead. About 16 hours together.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
];
/// Attempts at one delivery.
pub const ATTEMPTS_MAX: i64 = PAUSES.len() as i64 + 1;
/// How long a claimed delivery is left to who claimed it. Longer than any attempt takes.
const LEASE: Duration = Duration::from_secs(60);
/// Deliveries to one webhook that are under way at once.
const PER_WEBHOOK_MAX: i64 = 8;
/// Deliveries that wait for one webhook; a further one is dead at once.
const WAITING_MAX: i64 = 10_000;
/// How long ended deliveries can be looked at.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Deliveries that wait, and how they are tried.
pub static DELIVERIES: Queue = queue_in!(
    "webhook_deliveries",
    pauses: &PAUSES,
    lease: LEASE,
    kept: KEPT,
    done: State::Delivered.as_str(),
    set_aside: State::Dead.as_str(),
);

/// The number of a delivery; it stays the same over all attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct DeliveryId(pub i64);

words! {
    /// How far a delivery is.
    State {
        /// It will be tried, for the first time or again.
        Waiting = "waiting",
        /// The receiver took it.
        Delivered = "delivered",
        /// It is not tried any more.
        Dead = "dead",
    }
}

/// Something that happened in a tenant.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Whether it happened to live or to sandbox data; a webhook is told of its own environment only.
    pub environment: Environment,
    /// What happened.
    pub event: Event,
    /// What it happened to, such as `enrollment:enr_1`; deliveries about it keep their order.
    pub object: &'a str,
    /// What the receivers are told about it.
    pub data: &'a serde_json::Value,
}

/// One delivery, as admins see it.
#[derive(Debug, Clone, FromRow)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// Where to.
    pub webhook_id: WebhookId,
    /// The event's word.
    pub event: String,
    /// What it is about.
    pub object: String,
    /// What is sent.
    pub body: String,
    /// How far it is: `waiting`, `delivered` or `dead`.
    pub state: String,
    /// Attempts so far.
    pub attempts: i64,
    /// When the next one is due.
    pub next_at: UnixMs,
    /// The outcome of the last one.
    pub result: String,
    /// When it happened.
    pub created_at: UnixMs,
    /// When it was delivered or given up.
    pub ended_at: Option<UnixMs>,
}

/// A claimed delivery, with all that it takes to send it.
#[derive(Debug)]
pub struct Due {
    /// Its number.
    pub id: DeliveryId,
    /// The attempt for which it was claimed.
    pub attempt: Attempt,
    /// Where to.
    pub url: String,
    /// The event's word.
    pub event: String,
    /// What is sent.
    pub body: String,
    /// What signs it: the secret, and for a while the one before.
    pub secrets: Vec<Secret>,
}

/// Enqueues what happened for every webhook that wants to know, and returns for how many.
///
/// # Errors
/// If the database fails; then the change must not be committed either.
pub async fn enqueue(tx: &mut Tx, new_event: &NewEvent<'_>, now: UnixMs) -> Result<usize> {
    let hooks = sql!(
        tx,
        fetch_all as Webhook,
        "SELECT * FROM webhooks WHERE tenant_id = $1 AND environment = $2 AND is_enabled ORDER BY id",
        new_event.tenant,
        new_event.environment.as_str()
    )?;
    let event = new_event.event.as_str();
    let body = serde_json::json!({ "event": event, "timestamp": now.0, "data": new_event.data });
    let body = body.to_string();
    let mut told = 0;
    for hook in hooks {
        if hook.event_words()?.iter().any(|word| word == event) {
            add(tx, hook.id, new_event, &body, now).await?;
            told += 1;
        }
    }
    Ok(told)
}

async fn add(
    tx: &mut Tx,
    hook: WebhookId,
    new_event: &NewEvent<'_>,
    body: &str,
    now: UnixMs,
) -> Result<()> {
    let waiting = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM (SELECT 1 FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'waiting' LIMIT $2) AS waiting",
        hook,
        WAITING_MAX
    )?;
    let is_full = waiting >= WAITING_MAX;
    let (state, result) = if is_full {
        (State::Dead, "too many wait")
    } else {
        (State::Waiting, "")
    };
    sql!(
        tx,
        execute,
        "INSERT INTO webhook_deliveries (tenant_id, webhook_id, event, object, body, state, attempts, next_at,
                                         lease_until, result, created_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, $8, $7, $9)",
        new_event.tenant,
        hook,
        new_event.event.as_str(),
        new_event.object,
        body,
        state.as_str(),
        now,
        result,
        is_full.then_some(now)
    )?;
    Ok(())
}

#[derive(Debug, FromRow)]
struct Candidate {
    id: DeliveryId,
    webhook_id: WebhookId,
    attempts: i64,
    event: String,
    body: String,
    lease_until: UnixMs,
}

impl Candidate {
    fn attempt(&self) -> Attempt {
        Attempt {
            row: self.id.0,
            made: self.attempts,
        }
    }
}

/// Claims deliveries that are due, at most so many. Nobody else sends them until they are settled or the lease is over.
///
/// # Errors
/// If the database fails.
pub async fn claim(tx: &mut Tx, vault: &Vault, at_most: i64, now: UnixMs) -> Result<Vec<Due>> {
    let candidates = sql!(
        tx,
        fetch_all as Candidate,
        "SELECT d.id, d.webhook_id, d.attempts, d.event, d.body, d.lease_until
         FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
         WHERE d.state = 'waiting' AND d.next_at <= $1 AND d.lease_until <= $1 AND w.is_enabled
           AND NOT EXISTS (SELECT 1 FROM webhook_deliveries e
                           WHERE e.webhook_id = d.webhook_id AND e.object = d.object AND e.state = 'waiting' AND e.id < d.id)
           AND (SELECT COUNT(*) FROM webhook_deliveries b
                WHERE b.webhook_id = d.webhook_id AND b.state = 'waiting' AND b.lease_until > $1) < $3
         ORDER BY d.next_at, d.id LIMIT $2",
        now,
        at_most,
        PER_WEBHOOK_MAX
    )?;
    let mut claimed: Vec<(WebhookId, Due)> = Vec::new();
    for candidate in candidates {
        let of_hook = claimed
            .iter()
            .filter(|(hook, _)| *hook == candidate.webhook_id);
        let has_room = (of_hook.count() as i64) < PER_WEBHOOK_MAX;
        let seen = (candidate.id.0, candidate.lease_until);
        if has_room && DELIVERIES.take(tx, seen, now).await? {
            match due(tx, vault, &candidate, now).await? {
                Some(due) => claimed.push((candidate.webhook_id, due)),
                None => settle(tx, candidate.attempt(), Err("no secret"), now).await?,
            }
        }
    }
    Ok(claimed.into_iter().map(|(_, due)| due).collect())
}

/// What it takes to send a delivery; nothing if the webhook's secret does not open.
async fn due(
    tx: &mut Tx,
    vault: &Vault,
    candidate: &Candidate,
    now: UnixMs,
) -> Result<Option<Due>> {
    let hook = sql!(
        tx,
        fetch_one as Webhook,
        "SELECT * FROM webhooks WHERE id = $1",
        candidate.webhook_id
    )?;
    let name = Webhook::record_name(hook.id);
    let record = record(hook.tenant_id, &name);
    let mut sealed = vec![&hook.secret_sealed];
    if now < hook.previous_until && !hook.previous_secret_sealed.is_empty() {
        sealed.push(&hook.previous_secret_sealed);
    }
    let opened = sealed
        .into_iter()
        .map(|sealed| record.open(vault, SECRET, sealed));
    let secrets = match opened.collect::<Result<Vec<Secret>, _>>() {
        Ok(secrets) => secrets,
        Err(error) => {
            tracing::error!(webhook = hook.id.0, %error, "a webhook cannot be signed for");
            return Ok(None);
        }
    };
    Ok(Some(Due {
        id: candidate.id,
        attempt: candidate.attempt(),
        url: hook.url,
        event: candidate.event.clone(),
        body: candidate.body.clone(),
        secrets,
    }))
}

/// Records the outcome of an attempt: delivered, or to be tried again after a pause, or dead.
///
/// # Errors
/// If the database fails; then it is sent again when the lease is over.
pub async fn settle(
    tx: &mut Tx,
    attempt: Attempt,
    result: Result<&str, &str>,
    now: UnixMs,
) -> Result<()> {
    let ended = match result {
        Ok(answer) => (Ending::Done, answer),
        Err(failure) => (Ending::Failed, failure),
    };
    DELIVERIES.settle(tx, attempt, ended, now).await
}

/// Retries a delivery that ended, from the beginning.
///
/// # Errors
/// `Conflict` if it is still waiting.
pub async fn retry(tx: &mut Tx, tenant: TenantId, id: DeliveryId, now: UnixMs) -> Result<()> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, next_at = $3, lease_until = 0, ended_at = NULL
         WHERE id = $1 AND tenant_id = $2 AND state <> 'waiting'",
        id,
        tenant,
        now
    )?;
    if changed == 0 {
        return Err(Error::Conflict("The delivery is still waiting.".into()));
    }
    Ok(())
}

/// A delivery of the tenant.
///
/// # Errors
/// `NotFound` for none, and for another tenant's.
pub async fn get_delivery(tx: &mut Tx, tenant: TenantId, id: DeliveryId) -> Result<Delivery> {
    sql!(
        tx,
        fetch_optional as Delivery,
        "SELECT * FROM webhook_deliveries WHERE id = $1 AND tenant_id = $2",
        id,
        tenant
    )?
    .ok_or(Error::NotFound("delivery"))
}

/// A page of a webhook's deliveries, newest first.
///
/// # Errors
/// If the database fails.
pub async fn deliveries(
    tx: &mut Tx,
    hook: WebhookId,
    state: Option<State>,
    page: PageRequest,
) -> Result<Page<Delivery>> {
    let mut all = Conditions::of("webhook_id = ?", hook.0);
    all.and_if("state = ?", state.map(State::as_str));
    let count = "SELECT COUNT(*) FROM webhook_deliveries WHERE {all}";
    let total = all.count(tx, count).await?;
    let select = "SELECT * FROM webhook_deliveries WHERE {all} ORDER BY id DESC {page}";
    let rows = all.page(tx, select, page).await?;
    Ok(Page { total, rows })
}
