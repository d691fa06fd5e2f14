//! The sign-in prompt, the one open question to a person to sign in to a server, however many of their calls wait for
//! it.
//! Its id opens nothing: the page behind it asks who is there.

use std::time::Duration;

use sqlx::FromRow;

use super::scope::union;
use super::service::ServiceId;
use crate::registry::grant::GrantId;
use crate::registry::server::ServerId;
use base::clock::{UnixMs, random_hex};
use base::error::{Result, SignInFailure};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::MentorId;
use tenancy::tenant::user::UserId;

/// How long a question stands after it was last asked.
pub const PROMPT_LIFE: Duration = Duration::from_secs(60 * 60);

/// A question to be asked.
#[derive(Debug, Clone, Copy)]
pub struct NewPrompt<'a> {
    /// The person's tenant.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// What they are to sign in to.
    pub server: ServerId,
    /// The mentor that needs it, if one does.
    pub mentor: Option<MentorId>,
    /// Scopes beyond those of the server's service, separated by spaces.
    pub scope: &'a str,
}

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Opened {
    /// Its id.
    pub id: String,
    /// How many tries to answer it have failed by now.
    pub failures: i64,
}

/// A question as its page shows it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Prompt {
    /// Its id in links.
    pub id: String,
    /// The person's tenant.
    pub tenant_id: TenantId,
    /// That tenant's display name.
    pub tenant_name: String,
    /// The person.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
    /// What they are to sign in to.
    pub server_id: ServerId,
    /// Its display name.
    pub server_name: String,
    /// Its scheme, host and port.
    pub server_origin: String,
    /// The OAuth service that it is linked to.
    pub oauth_service_id: Option<i64>,
    /// The display name of the mentor that needs it.
    pub mentor_name: Option<String>,
    /// Scopes beyond those of the server's service, separated by spaces.
    pub scope: String,
    /// When it was first asked.
    pub created_at: UnixMs,
}

/// Asks, and returns the question: the one which stands already, with the scopes of both, or a new one.
///
/// # Errors
/// If the database fails.
pub async fn open(tx: &mut Tx, new: &NewPrompt<'_>, now: UnixMs) -> Result<Opened> {
    let asked = scope_of(tx, (new.tenant, new.user), new.server, now).await?;
    let scope = union(&[&asked.unwrap_or_default(), new.scope]);
    Ok(sql!(
        tx,
        fetch_one as Opened,
        "INSERT INTO sign_in_prompts (id, tenant_id, user_id, server_id, mentor_id, scope, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, user_id, server_id) DO UPDATE SET
             id = CASE WHEN sign_in_prompts.expires_at <= $7 THEN excluded.id ELSE sign_in_prompts.id END,
             created_at = CASE WHEN sign_in_prompts.expires_at <= $7 THEN excluded.created_at
                               ELSE sign_in_prompts.created_at END,
             scope = excluded.scope,
             mentor_id = excluded.mentor_id,
             expires_at = excluded.expires_at
         RETURNING id, failures",
        random_hex::<16>(),
        new.tenant,
        new.user,
        new.server,
        new.mentor,
        &scope,
        now,
        now.plus(PROMPT_LIFE)
    )?)
}

/// The question with this id, if it still stands.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: &str, now: UnixMs) -> Result<Option<Prompt>> {
    Ok(standing(tx, (Some(id), None), now).await?.pop())
}

/// The questions that a person has not answered, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, user: UserId, now: UnixMs) -> Result<Vec<Prompt>> {
    standing(tx, (None, Some(user)), now).await
}

/// The scopes that the standing question of a person about a server asks for, beyond those of the server's service.
///
/// # Errors
/// If the database fails.
pub async fn scope_of(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: ServerId,
    now: UnixMs,
) -> Result<Option<String>> {
    Ok(sql!(
        tx,
        scalar_optional as String,
        "SELECT scope FROM sign_in_prompts
         WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3 AND expires_at > $4",
        tenant,
        user,
        server,
        now
    )?)
}

async fn standing(
    tx: &mut Tx,
    (id, user): (Option<&str>, Option<UserId>),
    now: UnixMs,
) -> Result<Vec<Prompt>> {
    Ok(sql!(
        tx,
        fetch_all as Prompt,
        "SELECT p.id, p.tenant_id, t.name AS tenant_name, p.user_id, u.username, p.server_id, s.name AS server_name,
                s.origin AS server_origin, s.oauth_service_id, m.name AS mentor_name, p.scope, p.created_at
         FROM sign_in_prompts p
         JOIN tenants t ON t.id = p.tenant_id
         JOIN users u ON u.id = p.user_id
         JOIN servers s ON s.id = p.server_id
         LEFT JOIN mentors m ON m.id = p.mentor_id
         WHERE (p.id = $1 OR p.user_id = $2) AND p.expires_at > $3 AND s.is_enabled AND u.is_active
           AND (s.tenant_id = p.tenant_id OR s.is_featured)
         ORDER BY p.created_at, p.id",
        id,
        user,
        now
    )?)
}

/// Remembers that a sign-in which would have answered questions of a person failed: the one that it was begun for, those
/// about its server, and those about servers that name its service. They stand on.
///
/// # Errors
/// If the database fails.
pub async fn fail(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    about: About<'_>,
    failure: SignInFailure,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE sign_in_prompts SET failure = $6, failures = failures + 1 WHERE tenant_id = $1 AND user_id = $2
           AND (id = $3 OR server_id = $4 OR server_id IN (SELECT id FROM servers WHERE oauth_service_id = $5))",
        tenant,
        user,
        about.prompt,
        about.server,
        about.service,
        failure.as_str()
    )?;
    Ok(())
}

/// What a sign-in was about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The question that it was begun for; empty if it was begun for none.
    pub prompt: &'a str,
    /// The server that was to get a connection.
    pub server: Option<ServerId>,
    /// The service, if it came so far.
    pub service: Option<ServiceId>,
}

/// How a sign-in of a person to a server failed, if one more did than so many.
///
/// # Errors
/// If the database fails.
pub async fn failure_of(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: ServerId,
    known: i64,
) -> Result<Option<SignInFailure>> {
    let word = sql!(
        tx,
        scalar_optional as String,
        "SELECT failure FROM sign_in_prompts
         WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3 AND failures > $4",
        tenant,
        user,
        server,
        known
    )?;
    Ok(word.as_deref().and_then(SignInFailure::of_word))
}

/// The grant that a person made elsewhere while they were asked to sign in to a server, at the service of that server.
///
/// # Errors
/// If the database fails.
pub async fn granted_elsewhere(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: ServerId,
    now: UnixMs,
) -> Result<Option<GrantId>> {
    Ok(sql!(
        tx,
        scalar_optional as GrantId,
        "SELECT g.id FROM sign_in_prompts p JOIN servers s ON s.id = p.server_id
         JOIN connected_services g ON g.tenant_id = p.tenant_id AND g.user_id = p.user_id
           AND g.service_id = s.oauth_service_id
         WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.server_id = $3 AND p.expires_at > $4
           AND g.created_at >= p.created_at AND g.needs_reauth IS NULL",
        tenant,
        user,
        server,
        now
    )?)
}

/// Takes back the question to a person to sign in to a server, because it was answered.
///
/// # Errors
/// If the database fails.
pub async fn close(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    server: ServerId,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM sign_in_prompts WHERE tenant_id = $1 AND user_id = $2 AND server_id = $3",
        tenant,
        user,
        server
    )?;
    Ok(())
}

/// Removes the questions whose time is over.
///
/// # Errors
/// If the database fails.
pub async fn sweep(tx: &mut Tx, now: UnixMs) -> Result<u64> {
    Ok(sql!(
        tx,
        execute,
        "DELETE FROM sign_in_prompts WHERE expires_at <= $1",
        now
    )?)
}
