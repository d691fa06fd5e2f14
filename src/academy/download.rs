//! Short-lived links to files: bound to a realm, a user and a file, and worth nothing a few minutes later.
//! A link opens nothing by itself: what it names is checked again when it is used.

use super::RealmId;
use crate::clock::UnixMs;
use crate::secret::{Secret, Vault};
use crate::tenant::user::UserId;

/// How long a link works, in ms (threats.md T10).
const LINK_MS: i64 = 10 * 60 * 1000;

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where the file is.
    pub realm: RealmId,
    /// Who may have it.
    pub user: UserId,
    /// When the link ends.
    pub expires_at: UnixMs,
}

impl Download {
    /// A link of this user that begins now.
    pub fn new(realm: RealmId, user: UserId, now: UnixMs) -> Self {
        Self {
            realm,
            user,
            expires_at: UnixMs(now.0.saturating_add(LINK_MS)),
        }
    }

    /// The token that goes with a link to `file`.
    pub fn token(&self, vault: &Vault, file: &str) -> String {
        let (realm, user, end) = (self.realm.0, self.user.0, self.expires_at.0);
        format!("{realm}.{user}.{end}.{}", self.proof(vault, file))
    }

    /// What a token says, if it is ours, for this file, and still good.
    pub fn read(vault: &Vault, file: &str, token: &str, now: UnixMs) -> Option<Self> {
        let mut parts = token.split('.');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let download = Self {
            realm: RealmId(number()?),
            user: UserId(number()?),
            expires_at: UnixMs(number()?),
        };
        let proof = parts.next().filter(|_| parts.next().is_none())?;
        // Both sides are keyed digests: comparing them tells nothing of the key.
        let is_ours = download.proof(vault, file) == proof;
        (is_ours && now < download.expires_at).then_some(download)
    }

    fn proof(&self, vault: &Vault, file: &str) -> String {
        let (realm, user, end) = (self.realm.0, self.user.0, self.expires_at.0);
        vault.digest(&Secret::new(format!(
            "download\n{realm}\n{user}\n{end}\n{file}"
        )))
    }
}
