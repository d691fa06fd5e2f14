//! The row of a grant while it is refreshed: taken by one process, written by compare-and-set
//! (docs/inside/decisions.md#keeping-grants-fresh).
//! Each function is one short transaction; none waits for the network. No [`crate::queue`]: a grant is never done, its
//! lease is extended while the attempt lasts, and newer tokens win over any outcome.

use std::time::Duration;

use sqlx::FromRow;

use super::due::Life;
use crate::audit::{self, Entry};
use crate::clock::UnixMs;
use crate::error::{Error, Result};
use crate::oauth::client::{self, Client};
use crate::oauth::integration;
use crate::oauth::reauth::ReauthReason;
use crate::oauth::service::{self, ServiceId};
use crate::oauth::tokens::Tokens;
use crate::oauth::verdict::Word;
use crate::queue::doubled;
use crate::registry::connected_service::ConnectedService;
use crate::registry::sealed::{ACCESS_TOKEN, Change, REFRESH_TOKEN, Record};
use crate::secret::{Secret, Vault, VaultError};
use crate::sql;
use crate::storage::Db;
use crate::tenant::TenantId;

/// How long a grant stays taken without a sign of life of the lease's holder.
pub(super) const LEASE: Duration = Duration::from_secs(14);

/// A replica that was killed keeps a grant from the others for less than this, in s.
const KILLED_HOLDS_MAX_S: u64 = 15;
const _: () = assert!(LEASE.as_secs() < KILLED_HOLDS_MAX_S);
/// First and longest pause after a failure.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// Longest pause that a provider may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A grant as refreshing sees it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Grant {
    pub(super) id: i64,
    pub(super) tenant_id: TenantId,
    pub(super) service_id: Option<ServiceId>,
    pub(super) issuer: String,
    pub(super) token_url: String,
    pub(super) client_id: String,
    pub(super) resource: String,
    pub(super) refresh_token_sealed: String,
    expires_at: Option<UnixMs>,
    pub(super) needs_reauth: Option<String>,
    version: i64,
    pub(super) retry_at: UnixMs,
    lease_holder: String,
    pub(super) refresh_failures: i64,
    pub(super) refresh_failure: String,
    updated_at: UnixMs,
}

impl Grant {
    pub(super) fn life(&self) -> Life {
        Life {
            from: self.updated_at,
            until: self.expires_at,
            version: self.version,
        }
    }

    /// The same grant, refreshed at this address.
    pub(super) fn at(&self, token_url: String) -> Self {
        Self {
            token_url,
            ..self.clone()
        }
    }

    /// Whether somebody took it and never said how it ended.
    pub(super) fn was_abandoned(&self) -> bool {
        !self.lease_holder.is_empty()
    }

    pub(super) fn refresh_token(&self, vault: &Vault) -> Result<Secret, VaultError> {
        let name = ConnectedService::record_name(self.id);
        self.record(&name)
            .open(vault, REFRESH_TOKEN, &self.refresh_token_sealed)
    }

    fn record<'a>(&self, name: &'a str) -> Record<'a> {
        Record {
            tenant: self.tenant_id,
            name,
            origin: "",
        }
    }
}

/// The grant of that number as it is now.
pub(super) async fn read(db: &Db, id: i64) -> Result<Option<Grant>> {
    let mut tx = db.read().await?;
    Ok(sql!(
        &mut tx,
        fetch_optional as Grant,
        "SELECT id, tenant_id, service_id, issuer, token_url, client_id, resource, refresh_token_sealed, expires_at, needs_reauth,
                version, retry_at, lease_holder, refresh_failures, refresh_failure, updated_at
         FROM connected_services WHERE id = $1",
        id
    )?)
}

/// Whom a refresh is asked of, and who asks.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) client: Client,
    /// Whose word it is that we are that client.
    pub(super) word: Word,
    /// Where its provider takes refresh tokens now.
    pub(super) token_url: String,
}

/// Who the tenant is at the grant's provider, if it is still the client that the grant was made with, at the provider
/// that it was made at: what an admin stored, else what we registered, else the document that we serve.
pub(super) async fn party(
    db: &Db,
    vault: &Vault,
    grant: &Grant,
) -> Result<Result<Party, ReauthReason>> {
    let mut tx = db.read().await?;
    let (tenant, id) = (grant.tenant_id, grant.client_id.as_str());
    let offer = match grant.service_id {
        Some(service) => service::find(&mut tx, service).await?,
        None => None,
    };
    let mut token_url = grant.token_url.clone();
    if let Some(offer) = offer {
        let provider = &offer.provider;
        let is_known = !grant.issuer.is_empty() && !provider.issuer.is_empty();
        if is_known && provider.issuer != grant.issuer {
            return Ok(Err(ReauthReason::ProviderChanged));
        }
        match integration::identity(&mut tx, vault, tenant, provider).await {
            Ok(identity) if identity.client.id == id => {
                return Ok(Ok(Party {
                    client: identity.client,
                    word: Word::Stored,
                    token_url: identity.token_url,
                }));
            }
            Ok(_) | Err(Error::SignIn(_)) => {}
            Err(error) => return Err(error),
        }
        if !provider.is_of_catalog() {
            token_url.clone_from(&provider.token_url);
        }
    }
    let registered = client::registered_as(&mut tx, tenant, &grant.issuer, id).await?;
    let (client, word) = match registered {
        Some(registered) => (registered.open(vault)?, Word::Registered),
        // Such an id is the address of our own document, which says that there is no secret.
        None if id.starts_with("https://") => (Client::public(id), Word::Document),
        None => return Ok(Err(ReauthReason::ClientChanged)),
    };
    Ok(Ok(Party {
        client,
        word,
        token_url,
    }))
}

/// Takes the grant, if it is still the one that was read and nobody else has it.
pub(super) async fn take(db: &Db, grant: &Grant, holder: &str, now: UnixMs) -> Result<bool> {
    let mut tx = db.write().await?;
    let taken = sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET lease_holder = $3, lease_until = $4
         WHERE id = $1 AND version = $2 AND lease_until <= $5 AND needs_reauth IS NULL",
        grant.id,
        grant.version,
        holder,
        now.plus(LEASE),
        now
    )?;
    tx.commit().await?;
    Ok(taken == 1)
}

/// Shows that the holder of the lease is alive.
pub(super) async fn extend(db: &Db, grant: &Grant, holder: &str, now: UnixMs) -> Result<()> {
    let mut tx = db.write().await?;
    sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET lease_until = $3 WHERE id = $1 AND lease_holder = $2",
        grant.id,
        holder,
        now.plus(LEASE)
    )?;
    Ok(tx.commit().await?)
}

/// Stores new tokens, and where they came from, unless others were stored since, or the grant is gone. Whoever holds the lease by now, and a
/// verdict that the old refresh token is refused, do not count against tokens that are newer.
pub(super) async fn store(
    db: &Db,
    vault: &Vault,
    grant: &Grant,
    tokens: &Tokens,
    now: UnixMs,
) -> Result<bool> {
    let name = ConnectedService::record_name(grant.id);
    let record = grant.record(&name);
    let access = Change::Set(tokens.access_token.clone());
    let refresh = match &tokens.refresh_token {
        Some(token) => Change::Set(token.clone()),
        None => Change::Keep,
    };
    let mut tx = db.write().await?;
    let stored = sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET access_token_sealed = $3, refresh_token_sealed = $4, token_url = $5,
             expires_at = $6, scope = COALESCE($7, scope), needs_reauth = NULL, version = version + 1,
             retry_at = 0, refresh_failures = 0, refresh_failure = '', lease_holder = '', lease_until = 0,
             updated_at = $8
         WHERE id = $1 AND version = $2",
        grant.id,
        grant.version,
        record.seal(vault, ACCESS_TOKEN, &access, ""),
        record.seal(vault, REFRESH_TOKEN, &refresh, &grant.refresh_token_sealed),
        &grant.token_url,
        tokens.expires_in.map(|life| now.plus(life)),
        tokens.scope.as_deref(),
        now
    )?;
    tx.commit().await?;
    Ok(stored == 1)
}

/// Gives the grant back with the word for what went wrong, to be tried again after a pause: the one that the provider
/// asks for, within bounds, or our own if that is longer.
pub(super) async fn fail(
    db: &Db,
    grant: &Grant,
    holder: &str,
    (word, asked): (&str, Option<Duration>),
    now: UnixMs,
) -> Result<()> {
    let pause = doubled((RETRY, RETRY_MAX), grant.refresh_failures);
    let pause = pause.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX));
    let mut tx = db.write().await?;
    sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET retry_at = $3, refresh_failure = $4,
             refresh_failures = CASE WHEN refresh_failure = $4 THEN refresh_failures + 1 ELSE 1 END,
             lease_holder = '', lease_until = 0
         WHERE id = $1 AND lease_holder = $2",
        grant.id,
        holder,
        now.plus(pause),
        word
    )?;
    Ok(tx.commit().await?)
}

/// Says that the person must sign in again, or an administrator must act, unless newer tokens came or somebody else tries
/// now. A client that the provider does not know any more is used for no further sign-in.
pub(super) async fn give_up(
    db: &Db,
    grant: &Grant,
    holder: &str,
    reason: ReauthReason,
    now: UnixMs,
) -> Result<bool> {
    let mut tx = db.write().await?;
    let marked = sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET needs_reauth = $4, lease_holder = '', lease_until = 0
         WHERE id = $1 AND version = $2 AND lease_holder = $3",
        grant.id,
        grant.version,
        holder,
        reason.as_str()
    )?;
    if marked == 1 {
        let owner = sql!(
            &mut tx,
            scalar_optional as String,
            "SELECT u.username FROM connected_services c JOIN users u ON u.id = c.user_id WHERE c.id = $1",
            grant.id
        )?;
        let entry = Entry {
            at: now.0,
            tenant_id: grant.tenant_id.0,
            username: owner.unwrap_or_default(),
            action: "connected_service.end".to_owned(),
            object: ConnectedService::record_name(grant.id),
            outcome: reason.as_str(),
            ..Entry::default()
        };
        audit::record(&mut tx, &entry).await?;
    }
    if marked == 1 && reason == ReauthReason::ClientForgotten {
        let client = (grant.issuer.as_str(), Some(grant.client_id.as_str()));
        client::forget(&mut tx, grant.tenant_id, client, now).await?;
    }
    tx.commit().await?;
    Ok(marked == 1)
}

/// Notes that a call travelled with the grant.
pub(super) async fn touch(db: &Db, id: i64, now: UnixMs) -> Result<()> {
    let mut tx = db.write().await?;
    sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET last_used_at = $2 WHERE id = $1",
        id,
        now
    )?;
    Ok(tx.commit().await?)
}

/// Grants to refresh ahead of their end: those used lately, and, so that the provider does not forget them, those
/// whose token ended long ago.
pub(super) async fn due_before(db: &Db, horizon: UnixMs, times: &Times) -> Result<Vec<i64>> {
    #[derive(FromRow)]
    struct Due {
        id: i64,
    }
    let mut tx = db.read().await?;
    let due = sql!(
        &mut tx,
        fetch_all as Due,
        "SELECT id FROM connected_services
         WHERE expires_at <= $1 AND needs_reauth IS NULL AND refresh_token_sealed <> '' AND token_url <> ''
           AND retry_at <= $2 AND lease_until <= $2
           AND (COALESCE(last_used_at, created_at) > $3 OR expires_at <= $4)
         ORDER BY expires_at LIMIT $5",
        horizon,
        times.now,
        times.used_after,
        times.ended_before,
        times.rows_max
    )?;
    Ok(due.into_iter().map(|due| due.id).collect())
}

/// What [`due_before`] goes by.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) now: UnixMs,
    pub(super) used_after: UnixMs,
    pub(super) ended_before: UnixMs,
    pub(super) rows_max: i64,
}
