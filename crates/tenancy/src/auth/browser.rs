//! Browsers that a person signed in with for our own pages: a random cookie, stored as a digest, that ends with the
//! key it was opened with. Opens nothing but those pages.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sqlx::FromRow;

use super::token::{Environment, TokenId, TokenKind};
use super::{Authenticator, Caller};
use crate::tenant;
use crate::tenant::TenantId;
use crate::tenant::user::{self, UserId};
use base::clock::{UnixMs, random_hex};
use base::error::{Error, Result};
use base::secret::Secret;
use base::sql;
use base::storage::Tx;

/// How long a browser stays signed in.
pub const BROWSER_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Browsers of one person at once; the oldest is signed out for a new one.
const BROWSERS_PER_USER_MAX: i64 = 20;

/// A browser whose person is known.
#[derive(Debug, Clone)]
pub struct Browser {
    /// The person, with the rights of the key that they signed in with.
    pub caller: Arc<Caller>,
    /// What is kept of its cookie.
    pub digest: String,
}

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    user_id: UserId,
    token_id: TokenId,
    #[sqlx(try_from = "String")]
    kind: TokenKind,
    #[sqlx(try_from = "String")]
    environment: Environment,
    scopes: String,
    allow_ips: String,
}

impl Authenticator {
    /// Signs a browser in with a person's key. Returns its cookie, which is new whatever it had before.
    ///
    /// # Errors
    /// As [`Authenticator::caller`]; `Forbidden` for a key of another kind than people have.
    pub async fn open_browser(&self, key: &Secret, peer: IpAddr) -> Result<Secret> {
        let caller = self.caller(key, None, peer).await?;
        if !matches!(caller.kind, TokenKind::Token | TokenKind::Platform) {
            return Err(Error::Forbidden("this key is not for people"));
        }
        let cookie = random_hex::<32>();
        let now = self.clock.now();
        let mut tx = self.db.write().await?;
        make_room(&mut tx, caller.user.id, now).await?;
        sql!(
            &mut tx,
            execute,
            "INSERT INTO browser_sessions (digest, tenant_id, user_id, token_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            self.browser_digest(&cookie),
            caller.tenant.id,
            caller.user.id,
            caller.token,
            now,
            now.plus(BROWSER_LIFE)
        )?;
        tx.commit().await?;
        Ok(Secret::new(cookie))
    }

    /// The browser with this cookie, if it is signed in.
    ///
    /// # Errors
    /// If the database does not answer: never a default person.
    pub async fn find_browser(&self, cookie: &str, peer: IpAddr) -> Result<Option<Browser>> {
        let digest = self.browser_digest(cookie);
        let mut tx = self.db.read().await?;
        let row = sql!(
            &mut tx,
            fetch_optional as Row,
            "SELECT b.tenant_id, b.user_id, b.token_id, t.kind, t.environment, t.scopes, t.allow_ips
             FROM browser_sessions b JOIN tokens t ON t.id = b.token_id JOIN users u ON u.id = b.user_id
             WHERE b.digest = $1 AND b.expires_at > $2 AND t.revoked_at IS NULL
               AND (t.expires_at IS NULL OR t.expires_at > $2) AND u.is_active",
            &digest,
            self.clock.now()
        )?;
        let Some(row) = row else { return Ok(None) };
        let allowed: Vec<IpNet> = serde_json::from_str(&row.allow_ips).map_err(Error::internal)?;
        if !allowed.is_empty() && !allowed.iter().any(|net| net.contains(&peer)) {
            return Ok(None);
        }
        let scopes: Vec<String> = serde_json::from_str(&row.scopes).map_err(Error::internal)?;
        let user = Arc::new(user::get_by_id(&mut tx, row.tenant_id, row.user_id).await?);
        let caller = Caller {
            tenant: Arc::new(tenant::get_by_id(&mut tx, row.tenant_id).await?),
            actor: user.clone(),
            user,
            token: Some(row.token_id),
            kind: row.kind,
            environment: row.environment,
            scopes: scopes.into(),
            peer: Some(peer),
            session_ends_at: None,
        };
        Ok(Some(Browser {
            caller: Arc::new(caller),
            digest,
        }))
    }

    /// Signs a browser out, everywhere and at once.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn close_browser(&self, cookie: &str) -> Result<()> {
        let mut tx = self.db.write().await?;
        sql!(
            &mut tx,
            execute,
            "DELETE FROM browser_sessions WHERE digest = $1",
            self.browser_digest(cookie)
        )?;
        Ok(tx.commit().await?)
    }

    fn browser_digest(&self, cookie: &str) -> String {
        self.vault.digest(&Secret::new(format!("browser:{cookie}")))
    }
}

/// Forgets the browsers whose time is over, and the person's oldest ones.
async fn make_room(tx: &mut Tx, user: UserId, now: UnixMs) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM browser_sessions WHERE expires_at <= $1",
        now
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM browser_sessions WHERE user_id = $1 AND digest NOT IN (
             SELECT digest FROM browser_sessions WHERE user_id = $1 ORDER BY created_at DESC, digest LIMIT $2)",
        user,
        BROWSERS_PER_USER_MAX - 1
    )?;
    Ok(())
}
