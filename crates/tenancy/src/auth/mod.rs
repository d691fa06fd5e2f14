//! Who is calling. Every handler takes a [`Caller`]; there is no default one.

pub mod api_key;
mod authenticator;
mod browser;
mod header;
mod jwks;
pub mod link;
pub mod scope;
mod session;
pub mod kind;
pub mod token;

use std::net::IpAddr;
use std::sync::Arc;

pub use authenticator::{ActAs, Authenticator};
pub use browser::{BROWSER_LIFE, Browser};
pub use header::{CREDENTIAL_BYTES_MAX as KEY_BYTES_MAX, credential_of};
pub use session::{SessionSettings, Sessions};

use crate::tenant::Tenant;
use crate::tenant::user::{Role, User, UserId};
use base::clock::UnixMs;
use base::error::{Error, Result};
use token::{Environment, TokenId, TokenKind};

/// The right of a platform key to act for another user of its tenant (docs/inside/decisions.md#who-calls).
pub(crate) const ACT_AS_SCOPE: &str = "act-as";

/// Who calls: the tenant, the person whose rights and credentials count, and the key that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant of the key. Every query is bound to it.
    pub tenant: Arc<Tenant>,
    /// Whose rights and credentials are used.
    pub user: Arc<User>,
    /// Who holds the key; differs from `user` only when acting for them.
    pub actor: Arc<User>,
    /// The key that was shown.
    pub token: Option<TokenId>,
    /// What kind of key it is.
    pub kind: TokenKind,
    /// Whether it is for live or for sandbox data.
    pub environment: Environment,
    /// What the key was granted.
    pub scopes: Arc<[String]>,
    /// From where it was shown.
    pub peer: Option<IpAddr>,
    /// When a session token ends; a key is asked about instead.
    pub session_ends_at: Option<UnixMs>,
}

impl Caller {
    /// Whether the caller administers their tenant.
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }

    /// The user's number.
    pub fn user_id(&self) -> UserId {
        self.user.id
    }

    /// Refuses all but the tenant's admins.
    ///
    /// # Errors
    /// `Forbidden` for any other role.
    pub fn require_admin(&self) -> Result<()> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(Error::Forbidden("tenant admin"))
        }
    }

    /// Refuses keys of the academy's servers and of the sandbox: they open those servers and nothing else.
    ///
    /// # Errors
    /// `Forbidden` for such a key.
    pub fn require_general_key(&self) -> Result<()> {
        let is_general = matches!(self.kind, TokenKind::Token | TokenKind::Platform);
        if is_general && self.environment == Environment::Live {
            Ok(())
        } else {
            Err(Error::Forbidden("a token or platform key"))
        }
    }

    /// Refuses a path that names another tenant.
    ///
    /// # Errors
    /// `NotFound`, as for a tenant that does not exist.
    pub fn require_tenant(&self, key: &str) -> Result<()> {
        if self.tenant.key == key {
            Ok(())
        } else {
            Err(Error::NotFound("tenant"))
        }
    }
}
