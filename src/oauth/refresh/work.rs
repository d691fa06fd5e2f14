//! One refresh from the first look at the grant to the last word about it.
//! Opens no transaction itself: what it reads and writes is in `lease`.

use std::time::Duration;

use super::due::Ask;
use super::lease::{self, Grant, LEASE};
use super::sweep::random_fraction;
use super::{CALLER_PATIENCE, Parts, Refreshed};
use crate::clock::{Stopwatch, random_hex};
use crate::error::{Error, Result};
use crate::oauth::client::Client;
use crate::oauth::flow::{Gone, revoke_late_tokens};
use crate::oauth::reauth::ReauthReason;
use crate::oauth::token::TokenEndpoint;
use crate::oauth::tokens::{TokenError, Tokens};
use crate::oauth::verdict::{self, ANSWER_LOST, MALFORMED, Past, Verdict, Word};

/// How often a grant that another replica refreshes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the holder of a lease shows that it is alive.
const EXTEND_EVERY: Duration = Duration::from_secs(4);
/// How long new tokens are held while the database does not take them, and the longest pause between two tries.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
const STORE_PAUSE_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(EXTEND_EVERY.as_millis() * 3 < LEASE.as_millis());

/// What the look at a grant shows to be done.
enum Next {
    /// Nothing; this is the end.
    Nothing(Refreshed),
    /// Another process is at it.
    Wait,
    /// It is taken by us.
    Ours(Box<Grant>),
}

pub(super) async fn refresh(parts: &Parts, id: i64, ask: Ask) -> Refreshed {
    let holder = random_hex::<16>();
    let watch = Stopwatch::start();
    let jitter = random_fraction();
    loop {
        let end = match look(parts, id, (ask, jitter), &holder).await {
            Ok(Next::Nothing(end)) => return end,
            Ok(Next::Ours(grant)) => act(parts, &grant, &holder).await,
            Ok(Next::Wait) if ask == Ask::Ahead => return Refreshed::Later,
            Ok(Next::Wait) => Ok(None),
            Err(error) => Err(error),
        };
        match end {
            Ok(Some(end)) => return end,
            // Somebody else has it, or had: what they come to shows in the row.
            Ok(None) if watch.elapsed() < CALLER_PATIENCE => tokio::time::sleep(LOOK_EVERY).await,
            Ok(None) => return Refreshed::Later,
            Err(error) => {
                tracing::error!(grant.id = id, error = %error.chain(), "a grant could not be refreshed");
                return Refreshed::Later;
            }
        }
    }
}

async fn look(parts: &Parts, id: i64, (ask, jitter): (Ask, f64), holder: &str) -> Result<Next> {
    let now = parts.flow.clock.now();
    let Some(grant) = lease::read(&parts.flow.db, id).await? else {
        return Ok(Next::Nothing(Refreshed::Impossible));
    };
    if let Some(reason) = &grant.needs_reauth {
        return Ok(Next::Nothing(Refreshed::needs(reason.parse().ok())));
    }
    if !grant.life().is_due(ask, now, jitter) {
        return Ok(Next::Nothing(Refreshed::Fresh));
    }
    if grant.refresh_token_sealed.is_empty() || grant.token_url.is_empty() {
        return Ok(Next::Nothing(Refreshed::Impossible));
    }
    if grant.retry_at > now {
        return Ok(Next::Nothing(Refreshed::Later));
    }
    Ok(
        match lease::take(&parts.flow.db, &grant, holder, now).await? {
            true => Next::Ours(Box::new(grant)),
            false => Next::Wait,
        },
    )
}

/// Refreshes a grant that is ours now. `None` if it turned out to be somebody else's by the time of the answer.
async fn act(parts: &Parts, grant: &Grant, holder: &str) -> Result<Option<Refreshed>> {
    let party = match lease::party(&parts.flow.db, &parts.flow.vault, grant).await? {
        Ok(party) => party,
        Err(reason) => return give_up(parts, grant, holder, reason).await,
    };
    let word = party.word;
    let grant = &grant.at(party.token_url);
    match ask_provider(parts, grant, (party.client, holder)).await {
        Ok(Ok(tokens)) => store(parts, grant, holder, &tokens).await,
        Ok(Err(failure)) => conclude(parts, grant, holder, (&failure, word)).await,
        Err(error) => {
            tracing::error!(grant.id = grant.id, error = %error.chain(), "a refresh token cannot be read");
            give_up(parts, grant, holder, ReauthReason::Unreadable).await
        }
    }
}

/// Does what follows from a refresh that brought no tokens.
async fn conclude(
    parts: &Parts,
    grant: &Grant,
    holder: &str,
    (failure, word): (&TokenError, Word),
) -> Result<Option<Refreshed>> {
    tracing::warn!(grant.id = grant.id, tenant.id = grant.tenant_id.0, %failure, "a grant was not refreshed");
    let was_lost = matches!(grant.refresh_failure.as_str(), ANSWER_LOST | MALFORMED);
    let past = Past {
        is_interrupted: grant.was_abandoned() || was_lost,
        failure: &grant.refresh_failure,
        failures: grant.refresh_failures,
    };
    match verdict::of_refresh(failure, word, past) {
        Verdict::Over(reason) => give_up(parts, grant, holder, reason).await,
        Verdict::Later(word, pause) => {
            let (db, now) = (&parts.flow.db, parts.flow.clock.now());
            lease::fail(db, grant, holder, (&word, pause), now).await?;
            Ok(Some(Refreshed::Later))
        }
    }
}

/// Asks for new tokens and keeps the grant taken meanwhile.
async fn ask_provider(
    parts: &Parts,
    grant: &Grant,
    (client, holder): (Client, &str),
) -> Result<Result<Tokens, TokenError>> {
    let token = grant
        .refresh_token(&parts.flow.vault)
        .map_err(Error::internal)?;
    let endpoint = TokenEndpoint {
        url: grant.token_url.clone(),
        client,
        resource: grant.resource.clone(),
    };
    let asking = endpoint.refresh(&parts.flow.egress, &token);
    tokio::pin!(asking);
    loop {
        tokio::select! {
            answer = &mut asking => return Ok(answer),
            () = tokio::time::sleep(EXTEND_EVERY) => {}
        }
        // If it cannot be extended, another replica may ask too; compare-and-set keeps the newer tokens.
        if let Err(error) =
            lease::extend(&parts.flow.db, grant, holder, parts.flow.clock.now()).await
        {
            tracing::warn!(grant.id = grant.id, error = %error.chain(), "failed to extend a lease");
        }
    }
}

/// Stores tokens that cannot be had again: a database that fails is asked again while there is patience.
async fn store(
    parts: &Parts,
    grant: &Grant,
    holder: &str,
    tokens: &Tokens,
) -> Result<Option<Refreshed>> {
    let watch = Stopwatch::start();
    let mut pause = LOOK_EVERY;
    loop {
        let now = parts.flow.clock.now();
        match lease::store(&parts.flow.db, &parts.flow.vault, grant, tokens, now).await {
            Ok(true) => return Ok(Some(Refreshed::Fresh)),
            Ok(false) => {
                tracing::info!(
                    grant.id = grant.id,
                    lease.holder = holder,
                    "the lease of a grant was lost; its new tokens are revoked"
                );
                revoke_tokens(parts, grant, tokens).await?;
                return Ok(None);
            }
            Err(error) if watch.elapsed() >= STORE_PATIENCE => return Err(error),
            Err(error) => {
                tracing::warn!(grant.id = grant.id, error = %error.chain(), "new tokens are not stored yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(STORE_PAUSE_MAX);
            }
        }
    }
}

/// Tokens of a grant that was deleted meanwhile end too. Where others were stored in their place they are left alone:
/// many providers end a person's whole grant with any token of it.
async fn revoke_tokens(parts: &Parts, grant: &Grant, tokens: &Tokens) -> Result<()> {
    if lease::read(&parts.flow.db, grant.id).await?.is_some() {
        return Ok(());
    }
    let gone = Gone {
        id: grant.id,
        tenant: grant.tenant_id,
        service: grant.service_id,
        client_id: &grant.client_id,
    };
    revoke_late_tokens(&parts.flow, &gone, tokens).await;
    Ok(())
}

async fn give_up(
    parts: &Parts,
    grant: &Grant,
    holder: &str,
    reason: ReauthReason,
) -> Result<Option<Refreshed>> {
    let now = parts.flow.clock.now();
    if !lease::give_up(&parts.flow.db, grant, holder, reason, now).await? {
        return Ok(None);
    }
    tracing::warn!(
        grant.id = grant.id,
        tenant.id = grant.tenant_id.0,
        reason = reason.as_str(),
        "a grant ended; its person must sign in again"
    );
    Ok(Some(Refreshed::needs(Some(reason))))
}
