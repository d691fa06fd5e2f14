//! The authorization-code flow (RFC 6749 section 4.1) with PKCE: how a person's consent becomes a connected service.
//! Never takes an answer from anybody but the person, or who began it for them, in the browser that began it.

mod finish;
mod revoke;
mod identity;
mod redirect;
mod request;
mod service;
mod setup;
mod start;

use std::sync::Arc;

pub use finish::{Answer, Finished, finish};
pub use redirect::{CALLBACK_PATH, FRONT_END_CALLBACK_PATH};
pub use revoke::revoke_grant;
pub(super) use revoke::{Gone, revoke_late_tokens};
pub use service::{FindError, find_service, service_of};
pub use setup::{ask_again, lacking};
pub use start::{Start, Started, scope_of, start};

use base::clock::Clock;
use base::secret::Vault;
use base::storage::Db;
use egress::Egress;
use tenancy::auth::Caller;
use tenancy::auth::token::TokenId;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// What the flow needs of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Flow {
    /// The database.
    pub db: Db,
    /// The master keys.
    pub vault: Arc<Vault>,
    /// The source of time.
    pub clock: Clock,
    /// The way out to the network.
    pub egress: Egress,
    /// The operator's public URL, which every client registers its redirect URI under; `None` if there is none.
    pub public_url: Option<String>,
    /// Origins of front ends that take a provider's answer and hand it on.
    pub front_ends: Vec<String>,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").finish_non_exhaustive()
    }
}

/// Who is at the other end: a caller with a key, or a browser that a person signed in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their tenant.
    pub tenant: TenantId,
    /// Who they are.
    pub user: UserId,
    /// Their name, for the audit log.
    pub username: String,
    /// The key that they showed, now or when they signed in.
    pub token: Option<TokenId>,
    /// The digest of the browser session; empty for a caller with a key.
    pub browser_digest: String,
}

impl Person {
    /// The person behind a key. One that acts for somebody is that somebody.
    pub fn of_caller(caller: &Caller) -> Self {
        Self {
            tenant: caller.tenant.id,
            user: caller.user.id,
            username: caller.user.username.clone(),
            token: caller.token,
            browser_digest: String::new(),
        }
    }
}
