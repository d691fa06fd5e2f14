//! Keys of people and platforms: made once, shown once, stored as a digest (docs/inside/decisions.md#keys).

use ipnet::IpNet;
use sqlx::FromRow;

pub use super::kind::{Environment, TokenKind};
use super::scope;
use crate::tenant::TenantId;
use crate::tenant::user::User;
use base::clock::{UnixMs, random_bytes, random_hex};
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::Tx;

/// The number of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenId(pub i64);

impl TokenId {
    /// The number as it is written down: 0 for no key.
    pub fn or_zero(key: Option<Self>) -> i64 {
        key.map_or(0, |key| key.0)
    }
}

/// A stored key, without the key.
#[derive(Debug, Clone, FromRow)]
pub struct Token {
    /// Its number.
    pub id: TokenId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The user it speaks for.
    pub user_id: crate::tenant::user::UserId,
    /// That user's name.
    pub username: String,
    /// What it is for.
    #[sqlx(try_from = "String")]
    pub kind: TokenKind,
    /// Live or sandbox.
    #[sqlx(try_from = "String")]
    pub environment: Environment,
    /// Its last four characters, to recognise it by.
    pub last4: String,
    /// What it was granted, a JSON array.
    pub scopes: String,
    /// From where it may be used, a JSON array of CIDR texts; empty means anywhere.
    pub allow_ips: String,
    /// When it stops working by itself.
    pub expires_at: Option<UnixMs>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UnixMs>,
    /// When it was made.
    pub created_at: UnixMs,
    /// What admins call it; empty for a key from the command line.
    pub name: String,
    /// The key that took its place.
    pub replaced_by: Option<TokenId>,
}

impl Token {
    /// Whether it opens anything at this time.
    pub fn works(&self, now: UnixMs) -> bool {
        self.state(now) == "works"
    }

    /// `works`, `expired` or `revoked`.
    pub fn state(&self, now: UnixMs) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            (None, _) => "works",
        }
    }

    /// What it was granted.
    ///
    /// # Errors
    /// If the stored list is no list.
    pub fn scope_list(&self) -> Result<Vec<String>> {
        serde_json::from_str(&self.scopes).map_err(Error::internal)
    }

    /// From where it may be used.
    ///
    /// # Errors
    /// If the stored list is no list of ranges.
    pub fn networks(&self) -> Result<Vec<IpNet>> {
        serde_json::from_str(&self.allow_ips).map_err(Error::internal)
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// The user it speaks for.
    pub user: &'a User,
    /// What it is for.
    pub kind: TokenKind,
    /// Live or sandbox.
    pub environment: Environment,
    /// What it is granted.
    pub scopes: &'a [String],
    /// From where it may be used; empty means anywhere.
    pub allow_ips: &'a [IpNet],
    /// When it stops working by itself.
    pub expires_at: Option<UnixMs>,
}

/// Makes a key of at least 160 random bits and returns it; it cannot be shown again.
///
/// # Errors
/// `Invalid` if the scopes do not fit the kind.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    new: &NewToken<'_>,
    now: UnixMs,
) -> Result<(TokenId, Secret)> {
    let text = text_of(new)?;
    let last4 = &text[text.len() - 4..];
    let secret = Secret::new(text.clone());
    let id = sql!(
        tx,
        scalar as TokenId,
        "INSERT INTO tokens (tenant_id, user_id, kind, environment, digest, last4, scopes, allow_ips, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
        new.user.tenant_id,
        new.user.id,
        new.kind.as_str(),
        new.environment.as_str(),
        vault.digest(&secret),
        last4,
        serde_json::to_string(new.scopes).map_err(Error::internal)?,
        written(new.allow_ips)?,
        new.expires_at,
        now
    )?;
    Ok((id, secret))
}

/// Ranges as they are stored.
pub(super) fn written(networks: &[IpNet]) -> Result<String> {
    let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
    serde_json::to_string(&texts).map_err(Error::internal)
}

fn text_of(new: &NewToken<'_>) -> Result<String> {
    Ok(match new.kind {
        TokenKind::Token | TokenKind::Platform => random_hex::<32>(),
        TokenKind::Aea => {
            // The key's text names the strongest.
            let strongest = scope::V1
                .iter()
                .rev()
                .find(|scope| new.scopes.iter().any(|held| held == *scope));
            let scope = strongest.ok_or_else(|| {
                Error::field(
                    "scope",
                    "An aea key has the scope learner, instructor or admin.",
                )
            })?;
            format!("aea_{scope}_{}", random_alphanumeric())
        }
        TokenKind::Mcp => format!("sk_mcp_{}_{}", new.environment, random_alphanumeric()),
    })
}

/// 32 characters of base 62: 190 bits.
fn random_alphanumeric() -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(32);
    while text.len() < 32 {
        for byte in random_bytes::<32>() {
            // Bytes from 248 on would favour the first letters of the alphabet.
            if byte < 248 && text.len() < 32 {
                text.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
    }
    text
}

/// The keys of a tenant, newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Token>> {
    Ok(sql!(
        tx,
        fetch_all as Token,
        "SELECT t.*, u.username FROM tokens t JOIN users u ON u.id = t.user_id
         WHERE t.tenant_id = $1 ORDER BY t.id DESC",
        tenant
    )?)
}

/// The stored key with this digest, if there is one, whatever its state.
///
/// # Errors
/// If the database fails.
pub async fn find_by_digest(tx: &mut Tx, digest: &str) -> Result<Option<Token>> {
    Ok(sql!(
        tx,
        fetch_optional as Token,
        "SELECT t.*, u.username FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.digest = $1",
        digest
    )?)
}

/// A key by its number, of whatever tenant.
///
/// # Errors
/// `NotFound` if there is no such key.
pub async fn find(tx: &mut Tx, id: TokenId) -> Result<Token> {
    sql!(
        tx,
        fetch_optional as Token,
        "SELECT t.*, u.username FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.id = $1",
        id
    )?
    .ok_or(Error::NotFound("token"))
}

/// Whether a key opens anything at this time: it is neither revoked nor over, and its holder is active.
///
/// # Errors
/// If the database fails.
pub async fn works(tx: &mut Tx, id: TokenId, now: UnixMs) -> Result<bool> {
    let working = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM tokens t JOIN users holder ON holder.id = t.user_id
         WHERE t.id = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2) AND holder.is_active",
        id,
        now
    )?;
    Ok(working > 0)
}

/// Revokes a key at once.
///
/// # Errors
/// `NotFound` if there is no such key that still works.
pub async fn revoke(tx: &mut Tx, id: TokenId, now: UnixMs) -> Result<()> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id,
        now
    )?;
    if changed == 0 {
        Err(Error::NotFound("token"))
    } else {
        Ok(())
    }
}

/// Remembers that a key was used.
///
/// # Errors
/// If the database fails.
pub async fn touch(tx: &mut Tx, id: TokenId, now: UnixMs) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE tokens SET last_used_at = $2 WHERE id = $1",
        id,
        now
    )?;
    Ok(())
}
