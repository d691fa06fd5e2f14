//! Short-lived links: bound to a place, a user and a file, and worth nothing a few minutes later.
//! A link opens nothing by itself: what it names is checked again when it is used.

use crate::clock::UnixMs;
use crate::secret::{Secret, Vault};
use crate::tenant::user::UserId;

/// How long a link works, in ms (threats.md T10).
const LINK_MS: i64 = 10 * 60 * 1000;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The number of the place where the file is: a tenant, or a realm of the academy.
    pub place: i64,
    /// Who may use it.
    pub user: UserId,
    /// When it ends.
    pub expires_at: UnixMs,
}

impl Link {
    /// A link of this user that begins now.
    pub fn new(place: i64, user: UserId, now: UnixMs) -> Self {
        Self {
            place,
            user,
            expires_at: UnixMs(now.0.saturating_add(LINK_MS)),
        }
    }

    /// The token that goes with a link to `file`.
    pub fn token(&self, vault: &Vault, file: &str) -> String {
        let (place, user, end) = (self.place, self.user.0, self.expires_at.0);
        format!("{place}.{user}.{end}.{}", self.proof(vault, file))
    }

    /// What a token says, if it is ours, for this file, and still good.
    pub fn read(vault: &Vault, file: &str, token: &str, now: UnixMs) -> Option<Self> {
        let mut parts = token.split('.');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let link = Self {
            place: number()?,
            user: UserId(number()?),
            expires_at: UnixMs(number()?),
        };
        let proof = parts.next().filter(|_| parts.next().is_none())?;
        // Both sides are keyed digests: comparing them tells nothing of the key.
        let is_ours = link.proof(vault, file) == proof;
        (is_ours && now < link.expires_at).then_some(link)
    }

    fn proof(&self, vault: &Vault, file: &str) -> String {
        let (place, user, end) = (self.place, self.user.0, self.expires_at.0);
        vault.digest(&Secret::new(format!(
            "download\n{place}\n{user}\n{end}\n{file}"
        )))
    }
}
