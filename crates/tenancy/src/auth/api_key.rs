//! Keys as a tenant's admins manage them: made, listed, changed, rotated with an overlap, revoked at once.
//! Never finds a key of another tenant, and never shows one again.

use std::time::Duration;

use ipnet::IpNet;

use super::token::{self, NewToken, Token, TokenId, TokenKind};
use crate::tenant::TenantId;
use crate::tenant::user::{self, UserId};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::{Conditions, Page, PageRequest, Tx};

/// How long a key of the second face lives unless told otherwise (8.11.1).
const MCP_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What a list of keys is narrowed to; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Exactly this kind.
    pub kind: Option<TokenKind>,
    /// Exactly this user's.
    pub user: Option<UserId>,
}

/// What may be changed about a key; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// What it is called.
    pub name: Option<String>,
    /// What it was granted.
    pub scopes: Option<Vec<String>>,
    /// From where it may be used.
    pub allow_ips: Option<Vec<IpNet>>,
}

/// When a key that is made now stops working unless told otherwise.
pub fn default_expiry(kind: TokenKind, now: UnixMs) -> Option<UnixMs> {
    (kind == TokenKind::Mcp).then(|| now.plus(MCP_LIFE))
}

/// Makes a key with a name and returns it; it cannot be shown again.
///
/// # Errors
/// `Invalid` if the scopes do not fit the kind.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    new: &NewToken<'_>,
    name: &str,
    now: UnixMs,
) -> Result<(TokenId, Secret)> {
    let made = token::create(tx, vault, new, now).await?;
    sql!(
        tx,
        execute,
        "UPDATE tokens SET name = $2 WHERE id = $1",
        made.0,
        name
    )?;
    Ok(made)
}

/// A page of the tenant's keys, newest first, those that no longer work among them.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page<Token>> {
    let mut all = Conditions::of("t.tenant_id = ?", tenant.0);
    all.and_if("t.kind = ?", filter.kind.map(TokenKind::as_str));
    all.and_if("t.user_id = ?", filter.user.map(|user| user.0));
    let count = "SELECT COUNT(*) FROM tokens t WHERE {all}";
    let total = all.count(tx, count).await?;
    let select = "SELECT t.*, u.username FROM tokens t JOIN users u ON u.id = t.user_id
                  WHERE {all} ORDER BY t.id DESC {page}";
    let rows = all.page(tx, select, page).await?;
    Ok(Page { total, rows })
}

/// A key of the tenant.
///
/// # Errors
/// `NotFound` for none, and for another tenant's.
pub async fn get(tx: &mut Tx, tenant: TenantId, id: TokenId) -> Result<Token> {
    sql!(
        tx,
        fetch_optional as Token,
        "SELECT t.*, u.username FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.id = $1 AND t.tenant_id = $2",
        id,
        tenant
    )?
    .ok_or(Error::NotFound("key"))
}

/// Changes a key. What it was granted may have been checked before with [`super::scope::check`].
///
/// # Errors
/// If the database fails.
pub async fn change(tx: &mut Tx, id: TokenId, changes: &Changes) -> Result<()> {
    let scopes = changes.scopes.as_ref().map(serde_json::to_string);
    let allow_ips = changes.allow_ips.as_deref().map(token::written);
    sql!(
        tx,
        execute,
        "UPDATE tokens SET name = COALESCE($2, name), scopes = COALESCE($3, scopes), allow_ips = COALESCE($4, allow_ips)
         WHERE id = $1",
        id,
        changes.name.as_deref(),
        scopes.transpose().map_err(Error::internal)?,
        allow_ips.transpose()?
    )?;
    Ok(())
}

/// Makes a key in place of another, with the same rights and length of life. The old one works on for the overlap, or
/// until its own end if that comes first.
///
/// # Errors
/// `Conflict` if the old key no longer works or was replaced already.
pub async fn rotate(
    tx: &mut Tx,
    vault: &Vault,
    old: &Token,
    overlap: Duration,
    now: UnixMs,
) -> Result<(TokenId, Secret)> {
    if !old.works(now) {
        return Err(Error::Conflict("The key no longer works.".into()));
    }
    let user = user::get(tx, old.tenant_id, &old.username).await?;
    let life = old.expires_at.map(|end| end.since_ms(old.created_at));
    let new = NewToken {
        user: &user,
        kind: old.kind,
        environment: old.environment,
        scopes: &old.scope_list()?,
        allow_ips: &old.networks()?,
        expires_at: life.map(|ms| now.plus(Duration::from_millis(ms))),
    };
    let made = create(tx, vault, &new, &old.name, now).await?;
    let end = now.plus(overlap);
    let replaced = sql!(
        tx,
        execute,
        "UPDATE tokens SET replaced_by = $2, expires_at = $3 WHERE id = $1 AND replaced_by IS NULL",
        old.id,
        made.0,
        old.expires_at.map_or(end, |own| own.min(end))
    )?;
    if replaced == 0 {
        return Err(Error::Conflict("The key was replaced already.".into()));
    }
    Ok(made)
}
