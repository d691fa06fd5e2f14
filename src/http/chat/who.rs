//! From what stands in a frame to a caller: the key, for whom it speaks, and in which tenant.
//! Never lets a key speak for somebody else without the right to (docs/inside/decisions.md#who-calls).

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use base::error::{Error, Result};
use base::fields::Given;
use base::secret::Secret;
use tenancy::auth::Caller;

/// Longest key.
pub(super) const TOKEN_CHARACTERS_MAX: usize = 512;

/// Who a frame says that it comes from.
#[derive(Debug)]
pub(super) struct Who {
    /// The key; none on the wire that has a header for it.
    pub(super) token: Option<Secret>,
    /// The tenant's key.
    pub(super) tenant: String,
    /// The person; empty if not said.
    pub(super) username: String,
}

impl Who {
    /// The key in a frame's fields.
    pub(super) fn token_in(token: Given<String>) -> Option<Secret> {
        let token = token.value().filter(|token| !token.is_empty());
        token.map(Secret::new)
    }

    /// The caller, from the key in the frame.
    ///
    /// # Errors
    /// `NoCredentials` without a key, and what [`tenancy::auth::Authenticator::caller`] and [`Who::check`] refuse.
    pub(super) async fn caller(&self, app: &App, peer: IpAddr) -> Result<Arc<Caller>> {
        let token = self.token.as_ref().ok_or(Error::NoCredentials)?;
        let mut caller = app.auth.caller(token, None, peer).await?;
        if self.tenant != caller.tenant.key {
            return Err(Error::InvalidCredentials);
        }
        if !self.username.is_empty() && self.username != caller.user.username {
            let act_as = Some(self.username.as_str());
            caller = app.auth.caller(token, act_as, peer).await?;
        }
        self.check(&caller)?;
        Ok(caller)
    }

    /// Refuses a caller who is somebody else than the frame says.
    ///
    /// # Errors
    /// `InvalidCredentials` in another tenant, where the key is none; `Forbidden` for another person.
    pub(super) fn check(&self, caller: &Caller) -> Result<()> {
        if self.tenant != caller.tenant.key {
            return Err(Error::InvalidCredentials);
        }
        if !self.username.is_empty() && self.username != caller.user.username {
            return Err(Error::Forbidden("another user's chat"));
        }
        Ok(())
    }
}
