//! Authorization requests under way: `org:provider:service:user:hash`, good for an hour and for one code.
//! Keeps the digest of a state and never its text, so that the database lets nobody end somebody's sign-in.

use std::time::Duration;

use sqlx::FromRow;

use super::service::ServiceId;
use crate::registry::grant::GrantId;
use crate::registry::server::ServerId;
use base::clock::UnixMs;
use base::error::{Result, SignInFailure};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// How long a state may be answered (docs/inside/contract.md#connected-services).
pub const STATE_LIFE: Duration = Duration::from_secs(60 * 60);
/// Sign-ins that one person has under way; one more ends the oldest.
pub const STATES_PER_USER_MAX: i64 = 20;
/// Longest state that is looked up, in bytes: five parts at their longest, percent-encoded nowhere.
pub(crate) const STATE_BYTES_MAX: usize = 2048;

/// The word of a state whose code became a grant.
const OK: &str = "ok";

/// An authorization request under way.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct State {
    /// The keyed digest of its text.
    pub state_digest: String,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Who gets the grant.
    pub user_id: UserId,
    /// For what.
    pub service_id: ServiceId,
    /// The server that gets a connection of the person's own in the end.
    pub server_id: Option<ServerId>,
    /// The prompt that it answers; empty if none.
    pub prompt_id: String,
    /// Who we said we are.
    pub client_id: String,
    /// Where the provider was told to send the person.
    pub redirect_uri: String,
    /// The scopes that were asked for.
    pub scope: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// Until when it may be answered.
    pub expires_at: UnixMs,
    /// When its answer was taken.
    pub used_at: Option<UnixMs>,
    /// Its outcome: empty while there is none, `ok`, or the word of a failure.
    pub outcome: String,
    /// The grant that it led to.
    pub connected_service_id: Option<GrantId>,
    /// Who began it: the person, or an admin for them.
    pub started_by: UserId,
    /// The browser that began it; empty if a key did.
    pub browser_digest: String,
}

impl State {
    /// Why it may not be answered any more, if it may not. A failure is remembered, for a browser that asks again.
    pub fn is_over(&self, now: UnixMs) -> Option<SignInFailure> {
        if let Some(failure) = SignInFailure::of_word(&self.outcome) {
            return Some(failure);
        }
        if self.outcome == OK {
            return Some(SignInFailure::AlreadyDone);
        }
        (self.used_at.is_some() || now >= self.expires_at).then_some(SignInFailure::InvalidState)
    }
}

/// What is kept of a state's text.
pub fn digest(vault: &Vault, text: &Secret) -> String {
    vault.digest(&purposed("state", text))
}

/// The PKCE verifier of a state: derived with the pepper, so that nothing need be stored. 64 hex digits, within the
/// 43 to 128 characters of RFC 7636 section 4.1.
pub fn verifier(vault: &Vault, text: &Secret) -> Secret {
    Secret::new(vault.digest(&purposed("verifier", text)))
}

fn purposed(purpose: &str, text: &Secret) -> Secret {
    Secret::new(format!("oauth:{purpose}:{}", text.expose()))
}

/// Keeps a new state, and forgets what is over or too much.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, state: &State) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM oauth_states WHERE expires_at <= $1",
        state.created_at
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM oauth_states WHERE user_id = $1 AND state_digest NOT IN (
             SELECT state_digest FROM oauth_states WHERE user_id = $1 ORDER BY created_at DESC, state_digest LIMIT $2)",
        state.user_id,
        STATES_PER_USER_MAX - 1
    )?;
    sql!(
        tx,
        execute,
        "INSERT INTO oauth_states (state_digest, tenant_id, user_id, service_id, server_id, prompt_id, client_id,
             redirect_uri, scope, created_at, expires_at, used_at, outcome, connected_service_id, started_by,
             browser_digest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, '', NULL, $12, $13)",
        &state.state_digest,
        state.tenant_id,
        state.user_id,
        state.service_id,
        state.server_id,
        &state.prompt_id,
        &state.client_id,
        &state.redirect_uri,
        &state.scope,
        state.created_at,
        state.expires_at,
        state.started_by,
        &state.browser_digest
    )?;
    Ok(())
}

/// The state with this digest.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, digest: &str) -> Result<Option<State>> {
    Ok(sql!(
        tx,
        fetch_optional as State,
        "SELECT * FROM oauth_states WHERE state_digest = $1",
        digest
    )?)
}

/// Takes a state for its one answer. Of many at once, only one is told `true`.
///
/// # Errors
/// If the database fails.
pub async fn claim(tx: &mut Tx, digest: &str, now: UnixMs) -> Result<bool> {
    let claimed = sql!(
        tx,
        execute,
        "UPDATE oauth_states SET used_at = $2 WHERE state_digest = $1 AND used_at IS NULL AND expires_at > $2",
        digest,
        now
    )?;
    Ok(claimed == 1)
}

/// Records the grant that it led to.
///
/// # Errors
/// If the database fails.
pub async fn succeed(tx: &mut Tx, digest: &str, grant: GrantId) -> Result<()> {
    settle(tx, digest, (OK, Some(grant))).await
}

/// Records why it failed.
///
/// # Errors
/// If the database fails.
pub async fn fail(tx: &mut Tx, digest: &str, failure: SignInFailure) -> Result<()> {
    settle(tx, digest, (failure.as_str(), None)).await
}

async fn settle(
    tx: &mut Tx,
    digest: &str,
    (outcome, grant): (&str, Option<GrantId>),
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE oauth_states SET outcome = $2, connected_service_id = $3 WHERE state_digest = $1",
        digest,
        outcome,
        grant
    )?;
    Ok(())
}
