//! One refresh from the first look at the grant to the last word about it.
//! Opens no transaction itself: what it reads and writes is in `lease`.

use std::time::Duration;

use super::due::Ask;
use super::lease::{self, LEASE};
use super::sweep::random_fraction;
use super::{CALLER_PATIENCE, Parts, Refreshed};
use crate::oauth::client::Client;
use crate::oauth::flow::{Gone, revoke_late_tokens};
use crate::oauth::reauth::ReauthReason;
use crate::oauth::service::ServiceId;
use crate::oauth::token::TokenEndpoint;
use crate::oauth::tokens::{TokenError, Tokens};
use crate::oauth::verdict::{self, ANSWER_LOST, MALFORMED, Past, Verdict, Word};
use crate::registry::grant::{Grant, GrantId, Leased};
use base::clock::{Stopwatch, random_hex};
use base::error::{Error, Result};
use base::tasks::Backoff;

/// How often a grant that another replica refreshes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the holder of a lease shows that it is alive.
const EXTEND_EVERY: Duration = Duration::from_secs(4);
/// How long new tokens are held while the database does not take them, and the pauses between two tries.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
const STORE_AGAIN: Backoff = Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
};

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

pub(super) async fn refresh(parts: &Parts, id: GrantId, ask: Ask) -> Refreshed {
    let holder = random_hex::<16>();
    let watch = Stopwatch::start();
    let jitter = random_fraction();
    loop {
        let end = match look(parts, id, (ask, jitter), &holder).await {
            Ok(Next::Nothing(end)) => return end,
            Ok(Next::Ours(grant)) => {
                let leased = Leased {
                    grant: &grant,
                    holder: &holder,
                };
                act(parts, leased).await
            }
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
                tracing::error!(grant.id = id.0, error = %error.chain(), "a grant could not be refreshed");
                return Refreshed::Later;
            }
        }
    }
}

async fn look(parts: &Parts, id: GrantId, (ask, jitter): (Ask, f64), holder: &str) -> Result<Next> {
    let now = parts.flow.clock.now();
    let Some(grant) = lease::read(&parts.flow.db, id).await? else {
        return Ok(Next::Nothing(Refreshed::Impossible));
    };
    if let Some(reason) = &grant.needs_reauth {
        return Ok(Next::Nothing(Refreshed::needs(reason.parse().ok())));
    }
    if !lease::life(&grant).is_due(ask, now, jitter) {
        return Ok(Next::Nothing(Refreshed::Fresh));
    }
    if !grant.is_refreshable() {
        return Ok(Next::Nothing(Refreshed::Impossible));
    }
    if grant.retry_at > now {
        return Ok(Next::Nothing(Refreshed::Later));
    }
    let leased = Leased {
        grant: &grant,
        holder,
    };
    Ok(match lease::take(&parts.flow.db, leased, now).await? {
        true => Next::Ours(Box::new(grant)),
        false => Next::Wait,
    })
}

/// Refreshes a grant that is ours now. `None` if it turned out to be somebody else's by the time of the answer.
async fn act(parts: &Parts, leased: Leased<'_>) -> Result<Option<Refreshed>> {
    let Leased { grant, holder } = leased;
    let party = match lease::party(&parts.flow.db, &parts.flow.vault, grant).await? {
        Ok(party) => party,
        Err(reason) => return give_up(parts, leased, reason).await,
    };
    let word = party.word;
    // Refreshed where its provider takes refresh tokens now.
    let grant = &Grant {
        token_url: party.token_url,
        ..grant.clone()
    };
    let leased = Leased { grant, holder };
    match ask_provider(parts, leased, party.client).await {
        Ok(Ok(tokens)) => store(parts, leased, &tokens).await,
        Ok(Err(failure)) => conclude(parts, leased, (&failure, word)).await,
        Err(error) => {
            tracing::error!(grant.id = grant.id.0, error = %error.chain(), "a refresh token cannot be read");
            give_up(parts, leased, ReauthReason::Unreadable).await
        }
    }
}

/// Does what follows from a refresh that brought no tokens.
async fn conclude(
    parts: &Parts,
    leased: Leased<'_>,
    (failure, word): (&TokenError, Word),
) -> Result<Option<Refreshed>> {
    let grant = leased.grant;
    tracing::warn!(grant.id = grant.id.0, tenant.id = grant.tenant_id.0, %failure, "a grant was not refreshed");
    let was_lost = matches!(grant.refresh_failure.as_str(), ANSWER_LOST | MALFORMED);
    let past = Past {
        // A holder that nobody took off never said how it ended.
        is_interrupted: !grant.lease_holder.is_empty() || was_lost,
        failure: &grant.refresh_failure,
        failures: grant.refresh_failures,
    };
    match verdict::of_refresh(failure, word, past) {
        Verdict::Over(reason) => give_up(parts, leased, reason).await,
        Verdict::Later(word, pause) => {
            let (db, now) = (&parts.flow.db, parts.flow.clock.now());
            lease::fail(db, leased, (&word, pause), now).await?;
            Ok(Some(Refreshed::Later))
        }
    }
}

/// Asks for new tokens and keeps the grant taken meanwhile.
async fn ask_provider(
    parts: &Parts,
    leased: Leased<'_>,
    client: Client,
) -> Result<Result<Tokens, TokenError>> {
    let grant = leased.grant;
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
        let now = parts.flow.clock.now();
        if let Err(error) = lease::extend(&parts.flow.db, leased, now).await {
            tracing::warn!(grant.id = grant.id.0, error = %error.chain(), "failed to extend a lease");
        }
    }
}

/// Stores tokens that cannot be had again: a database that fails is asked again while there is patience.
async fn store(parts: &Parts, leased: Leased<'_>, tokens: &Tokens) -> Result<Option<Refreshed>> {
    let Leased { grant, holder } = leased;
    let watch = Stopwatch::start();
    let mut pause = STORE_AGAIN.first;
    loop {
        let now = parts.flow.clock.now();
        match lease::store(&parts.flow.db, &parts.flow.vault, grant, tokens, now).await {
            Ok(true) => return Ok(Some(Refreshed::Fresh)),
            Ok(false) => {
                tracing::info!(
                    grant.id = grant.id.0,
                    lease.holder = holder,
                    "the lease of a grant was lost; its new tokens are revoked"
                );
                revoke_tokens(parts, grant, tokens).await?;
                return Ok(None);
            }
            Err(error) if watch.elapsed() >= STORE_PATIENCE => return Err(error),
            Err(error) => {
                tracing::warn!(grant.id = grant.id.0, error = %error.chain(), "new tokens are not stored yet");
                tokio::time::sleep(pause).await;
                pause = STORE_AGAIN.next(pause);
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
        service: grant.service_id.map(ServiceId),
        client_id: &grant.client_id,
    };
    revoke_late_tokens(&parts.flow, &gone, tokens).await;
    Ok(())
}

async fn give_up(
    parts: &Parts,
    leased: Leased<'_>,
    reason: ReauthReason,
) -> Result<Option<Refreshed>> {
    let now = parts.flow.clock.now();
    if !lease::give_up(&parts.flow.db, leased, reason, now).await? {
        return Ok(None);
    }
    let grant = leased.grant;
    tracing::warn!(
        grant.id = grant.id.0,
        tenant.id = grant.tenant_id.0,
        reason = reason.as_str(),
        "a grant ended; its person must sign in again"
    );
    Ok(Some(Refreshed::needs(Some(reason))))
}
