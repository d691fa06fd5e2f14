//! Links to the academy's files, each bound to a realm.
//! A link opens nothing by itself: what it names is checked again when it is used.

use super::RealmId;
use base::clock::UnixMs;
use base::secret::Vault;
use tenancy::auth::link::{Asker, Link};
use tenancy::auth::token::TokenId;
use tenancy::tenant::user::UserId;

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where the file is.
    pub realm: RealmId,
    /// Who may have it.
    pub user: UserId,
    /// With which key they asked for it.
    pub key: Option<TokenId>,
    /// When the link ends.
    pub expires_at: UnixMs,
}

impl Download {
    /// A link of the caller that begins now.
    pub fn new(realm: RealmId, asker: Asker, now: UnixMs) -> Self {
        Self::of(Link::new(realm.0, asker, now))
    }

    /// The token that goes with a link to `file`.
    pub fn token(&self, vault: &Vault, file: &str) -> String {
        let link = Link {
            place: self.realm.0,
            user: self.user,
            key: self.key,
            expires_at: self.expires_at,
        };
        link.token(vault, file)
    }

    /// What a token says, if it is ours, for this file, and still good.
    pub fn read(vault: &Vault, file: &str, token: &str, now: UnixMs) -> Option<Self> {
        Link::read(vault, file, token, now).map(Self::of)
    }

    fn of(link: Link) -> Self {
        Self {
            realm: RealmId(link.place),
            user: link.user,
            key: link.key,
            expires_at: link.expires_at,
        }
    }
}
