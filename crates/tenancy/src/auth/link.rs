//! Short-lived links: bound to a place, a user, the key that asked and a file, and worth nothing a few minutes later.
//! A link opens nothing by itself: what it names, and the key, are checked again when it is used.

use super::Caller;
use super::token::{self, TokenId};
use crate::tenant::user::UserId;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::storage::Tx;

/// How long a link works, in ms (docs/inside/threats.md#links).
const LINK_MS: i64 = 10 * 60 * 1000;

/// Who asks for links, and with what: they end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The person.
    pub user: UserId,
    /// The key that was shown; none of who showed a session token.
    pub key: Option<TokenId>,
    /// When the session token that was shown ends, if it was one.
    pub ends_at: Option<UnixMs>,
}

impl From<&Caller> for Asker {
    fn from(caller: &Caller) -> Self {
        Self {
            user: caller.user.id,
            key: caller.token,
            ends_at: caller.session_ends_at,
        }
    }
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The number of the place where the file is: a tenant, or a realm of the academy.
    pub place: i64,
    /// Who may use it.
    pub user: UserId,
    /// With which key they asked for it; none of who showed a session token.
    pub key: Option<TokenId>,
    /// When it ends.
    pub expires_at: UnixMs,
}

impl Link {
    /// A link of the caller that begins now.
    pub fn new(place: i64, asker: Asker, now: UnixMs) -> Self {
        let end = UnixMs(now.0.saturating_add(LINK_MS));
        Self {
            place,
            user: asker.user,
            key: asker.key,
            expires_at: asker.ends_at.map_or(end, |own| own.min(end)),
        }
    }

    /// Whoever asked for it, who may ask for more.
    pub fn asker(&self) -> Asker {
        Asker {
            user: self.user,
            key: self.key,
            ends_at: self.key.is_none().then_some(self.expires_at),
        }
    }

    /// The token that goes with a link to `file`.
    pub fn token(&self, vault: &Vault, file: &str) -> String {
        let key = TokenId::or_zero(self.key);
        let (place, user, end) = (self.place, self.user.0, self.expires_at.0);
        format!("{place}.{user}.{key}.{end}.{}", self.proof(vault, file))
    }

    /// What a token says, if it is ours, for this file, and still good.
    pub fn read(vault: &Vault, file: &str, token: &str, now: UnixMs) -> Option<Self> {
        let mut parts = token.split('.');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let link = Self {
            place: number()?,
            user: UserId(number()?),
            key: Some(TokenId(number()?)).filter(|key| key.0 != 0),
            expires_at: UnixMs(number()?),
        };
        let proof = parts.next().filter(|_| parts.next().is_none())?;
        // Both sides are keyed digests: comparing them tells nothing of the key.
        let is_ours = link.proof(vault, file) == proof;
        (is_ours && now < link.expires_at).then_some(link)
    }

    fn proof(&self, vault: &Vault, file: &str) -> String {
        let key = TokenId::or_zero(self.key);
        let (place, user, end) = (self.place, self.user.0, self.expires_at.0);
        vault.digest(&Secret::new(format!(
            "download\n{place}\n{user}\n{key}\n{end}\n{file}"
        )))
    }
}

/// Refuses a link whose key does not work any more.
///
/// # Errors
/// `NotFound`, as for a link that never was.
pub async fn require_key(tx: &mut Tx, key: Option<TokenId>, now: UnixMs) -> Result<()> {
    match key {
        Some(key) if !token::works(tx, key, now).await? => Err(Error::NotFound("file")),
        Some(_) | None => Ok(()),
    }
}
