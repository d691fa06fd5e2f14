//! From a key to a [`Caller`], with a cache short enough that a revoked key stops within 2 s everywhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::session::Sessions;
use super::token::{self, Token, TokenKind};
use super::{ACT_AS_SCOPE, Caller, scope};
use crate::tenant;
use crate::tenant::user::{self, User};
use base::cache::Cached;
use base::clock::{Clock, UnixMs};
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::{Db, Tx};

/// How long an accepted key is believed without asking the database (docs/inside/decisions.md#two-seconds: 2 s in all).
const CACHE_TTL: Duration = Duration::from_secs(1);
/// Callers remembered at once.
const CACHE_ENTRIES_MAX: u64 = 50_000;
/// `last_used_at` is written at most this often per key.
const TOUCH_EVERY_MS: u64 = 60_000;

/// On whose behalf a platform key calls, from `X-Act-As-User`.
pub type ActAs<'a> = Option<&'a str>;

/// Turns keys into callers.
#[derive(Debug, Clone)]
pub struct Authenticator {
    pub(super) db: Db,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Clock,
    sessions: Option<Arc<Sessions>>,
    callers: Cached<(Secret32, Option<Box<str>>), Arc<Known>>,
}

/// A digest of the presented key: the cache holds no key.
type Secret32 = [u8; 16];

#[derive(Debug)]
struct Known {
    caller: Arc<Caller>,
    allow_ips: Vec<IpNet>,
    expires_at: Option<UnixMs>,
}

impl Authenticator {
    /// An authenticator over this database.
    pub fn new(db: Db, vault: Arc<Vault>, clock: Clock) -> Self {
        let callers = Cached::new(CACHE_ENTRIES_MAX, CACHE_TTL, clock.clone());
        Self {
            db,
            vault,
            clock,
            sessions: None,
            callers,
        }
    }

    /// The same, which takes session tokens as well.
    #[must_use]
    pub fn with_sessions(self, sessions: Option<Sessions>) -> Self {
        let sessions = sessions.map(Arc::new);
        Self { sessions, ..self }
    }

    /// The caller behind a key that came from `peer`.
    ///
    /// # Errors
    /// `InvalidCredentials` for an unknown, revoked or expired key or a disabled user, `Forbidden` from
    /// another address or without the act-as right, `NotFound` for an unknown person to act for,
    /// `Unavailable` if the database does not answer: never a default caller.
    pub async fn caller(
        &self,
        key: &Secret,
        act_as: ActAs<'_>,
        peer: IpAddr,
    ) -> Result<Arc<Caller>> {
        let cache_key = (key.fingerprint(), act_as.map(Into::into));
        let load = async || {
            let known = match &self.sessions {
                Some(sessions) if Sessions::is_one(key) => {
                    self.of_session(sessions, key, act_as).await?
                }
                _ => self.load(key, act_as).await?,
            };
            Ok::<_, Error>(Arc::new(known))
        };
        let known = self.callers.get(&cache_key, load).await?;
        if known.expires_at.is_some_and(|end| self.clock.now() >= end) {
            return Err(Error::InvalidCredentials);
        }
        if !known.allow_ips.is_empty() && !known.allow_ips.iter().any(|net| net.contains(&peer)) {
            return Err(Error::Forbidden(
                "this key may not be used from this address",
            ));
        }
        Ok(Arc::new(Caller {
            peer: Some(peer),
            ..Caller::clone(&known.caller)
        }))
    }

    /// Forgets every cached caller, for a change made in this process.
    pub fn forget_all(&self) {
        self.callers.forget_all();
    }

    /// Who is behind a session token. The issuer is asked before the transaction begins.
    async fn of_session(
        &self,
        sessions: &Sessions,
        key: &Secret,
        act_as: ActAs<'_>,
    ) -> Result<Known> {
        if act_as.is_some() {
            return Err(Error::Forbidden(ACT_AS_SCOPE));
        }
        let session = sessions.read(key).await?;
        let mut tx = self.db.read().await?;
        let tenant = tenant::get(&mut tx, &session.tenant).await;
        let tenant = Arc::new(tenant.map_err(unknown)?);
        let user = user::get(&mut tx, tenant.id, &session.username).await;
        let user = Arc::new(user.map_err(unknown)?);
        if !user.is_active {
            return Err(Error::InvalidCredentials);
        }
        let expires_at = Some(session.expires_at);
        Ok(Known {
            allow_ips: Vec::new(),
            expires_at,
            caller: Arc::new(Caller {
                tenant,
                actor: user.clone(),
                token: None,
                kind: TokenKind::Mcp,
                environment: session.environment,
                scopes: session.scopes_within(user.role).into(),
                peer: None,
                session_ends_at: expires_at,
                user,
            }),
        })
    }

    async fn load(&self, key: &Secret, act_as: ActAs<'_>) -> Result<Known> {
        let now = self.clock.now();
        let mut tx = self.db.read().await?;
        let token = token::find_by_digest(&mut tx, &self.vault.digest(key)).await?;
        let token = token
            .filter(|t| t.revoked_at.is_none())
            .ok_or(Error::InvalidCredentials)?;
        let holder = holder(&mut tx, &token).await?;
        let tenant = Arc::new(tenant::get_by_id(&mut tx, token.tenant_id).await?);
        let mut scopes = token.scope_list()?;
        // A role may have been taken back since the key was made.
        scopes.retain(|scope| scope::is_within(holder.role, scope));
        let actor = Arc::new(holder);
        let user = match act_as {
            None => actor.clone(),
            Some(name) if scopes.iter().any(|scope| scope == ACT_AS_SCOPE) => {
                Arc::new(user::get(&mut tx, tenant.id, name).await?)
            }
            Some(_) => return Err(Error::Forbidden(ACT_AS_SCOPE)),
        };
        drop(tx);
        self.touch(&token, now).await;
        let allow_ips: Vec<IpNet> =
            serde_json::from_str(&token.allow_ips).map_err(Error::internal)?;
        let caller = Caller {
            tenant,
            user,
            actor,
            token: Some(token.id),
            kind: token.kind,
            environment: token.environment,
            scopes: scopes.into(),
            peer: None,
            session_ends_at: None,
        };
        Ok(Known {
            caller: Arc::new(caller),
            allow_ips,
            expires_at: token.expires_at,
        })
    }

    /// A failure to note the use refuses nobody.
    async fn touch(&self, token: &Token, now: UnixMs) {
        if token
            .last_used_at
            .is_some_and(|at| now.since_ms(at) < TOUCH_EVERY_MS)
        {
            return;
        }
        let noted = async {
            let mut tx = self.db.write().await?;
            token::touch(&mut tx, token.id, now).await?;
            Ok::<_, Error>(tx.commit().await?)
        };
        if let Err(error) = noted.await {
            tracing::warn!(token.id = token.id.0, error = %error.chain(), "failed to record the use of a key");
        }
    }
}

async fn holder(tx: &mut Tx, token: &Token) -> Result<User> {
    sql!(
        tx,
        fetch_optional as User,
        "SELECT id, tenant_id, username, email, role, is_active FROM users WHERE id = $1 AND is_active",
        token.user_id
    )?
    .ok_or(Error::InvalidCredentials)
}

/// A token for nobody is no token.
fn unknown(error: Error) -> Error {
    match error {
        Error::NotFound(_) => Error::InvalidCredentials,
        other => other,
    }
}
