//! What refreshing reads and writes of a grant (docs/inside/decisions.md#keeping-grants-fresh).
//! Each function is one short transaction; none waits for the network.

use std::time::Duration;

use super::due::Life;
use crate::oauth::client::{self, Client};
use crate::oauth::integration;
use crate::oauth::reauth::ReauthReason;
use crate::oauth::service::{self, ServiceId};
use crate::oauth::tokens::Tokens;
use crate::oauth::verdict::Word;
use crate::registry::grant::{self, Due, Grant, GrantId, Leased, NewTokens};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::secret::Vault;
use base::storage::Db;
use base::tasks::Backoff;
use tenancy::audit::{self, Entry};
use tenancy::tenant::user;

/// How long a grant stays taken without a sign of life of the lease's holder.
pub(super) const LEASE: Duration = Duration::from_secs(14);

/// A replica that was killed keeps a grant from the others for less than this, in s.
const KILLED_HOLDS_MAX_S: u64 = 15;
const _: () = assert!(LEASE.as_secs() < KILLED_HOLDS_MAX_S);
/// Pauses after failures.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(300),
};
/// Longest pause that a provider may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The times of a grant.
pub(super) fn life(grant: &Grant) -> Life {
    Life {
        from: grant.updated_at,
        until: grant.expires_at,
        version: grant.version,
    }
}

/// The grant of that number as it is now.
pub(super) async fn read(db: &Db, id: GrantId) -> Result<Option<Grant>> {
    let mut tx = db.read().await?;
    grant::read(&mut tx, id).await
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
        Some(service) => service::find(&mut tx, ServiceId(service)).await?,
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
pub(super) async fn take(db: &Db, leased: Leased<'_>, now: UnixMs) -> Result<bool> {
    let mut tx = db.write().await?;
    let taken = grant::take(&mut tx, leased, now.plus(LEASE), now).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Shows that the holder of the lease is alive.
pub(super) async fn extend(db: &Db, leased: Leased<'_>, now: UnixMs) -> Result<()> {
    let mut tx = db.write().await?;
    grant::extend(&mut tx, leased, now.plus(LEASE)).await?;
    Ok(tx.commit().await?)
}

/// Stores new tokens, and where they came from, unless others were stored since, or the grant is gone.
pub(super) async fn store(
    db: &Db,
    vault: &Vault,
    grant: &Grant,
    tokens: &Tokens,
    now: UnixMs,
) -> Result<bool> {
    let new = NewTokens {
        access_token: &tokens.access_token,
        refresh_token: tokens.refresh_token.as_ref(),
        expires_at: tokens.expires_in.map(|life| now.plus(life)),
        scope: tokens.scope.as_deref(),
        token_url: &grant.token_url,
    };
    let mut tx = db.write().await?;
    let stored = grant::store_tokens(&mut tx, vault, grant, &new, now).await?;
    tx.commit().await?;
    Ok(stored)
}

/// Gives the grant back with the word for what went wrong, to be tried again after a pause: the one that the provider
/// asks for, within bounds, or our own if that is longer.
pub(super) async fn fail(
    db: &Db,
    leased: Leased<'_>,
    (word, asked): (&str, Option<Duration>),
    now: UnixMs,
) -> Result<()> {
    let pause = RETRY.after(leased.grant.refresh_failures);
    let pause = pause.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX));
    let mut tx = db.write().await?;
    grant::fail(&mut tx, leased, word, now.plus(pause)).await?;
    Ok(tx.commit().await?)
}

/// Says that the person must sign in again, or an administrator must act, unless newer tokens came or somebody else tries
/// now. A client that the provider does not know any more is used for no further sign-in.
pub(super) async fn give_up(
    db: &Db,
    leased: Leased<'_>,
    reason: ReauthReason,
    now: UnixMs,
) -> Result<bool> {
    let mut tx = db.write().await?;
    if !grant::end(&mut tx, leased, reason.as_str()).await? {
        return Ok(false);
    }
    let grant = leased.grant;
    let entry = Entry {
        at: now.0,
        tenant_id: grant.tenant_id.0,
        username: user::name_of(&mut tx, grant.user_id).await?,
        action: "connected_service.end".to_owned(),
        object: Grant::record_name(grant.id),
        outcome: reason.as_str(),
        ..Entry::default()
    };
    audit::record(&mut tx, &entry).await?;
    if reason == ReauthReason::ClientForgotten {
        let client = (grant.issuer.as_str(), Some(grant.client_id.as_str()));
        client::forget(&mut tx, grant.tenant_id, client, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Notes that a call travelled with the grant.
pub(super) async fn touch(db: &Db, id: GrantId, now: UnixMs) -> Result<()> {
    let mut tx = db.write().await?;
    grant::touch(&mut tx, id, now).await?;
    Ok(tx.commit().await?)
}

/// Grants to refresh ahead of their end.
pub(super) async fn due(db: &Db, due: &Due) -> Result<Vec<GrantId>> {
    let mut tx = db.read().await?;
    grant::due(&mut tx, due).await
}
