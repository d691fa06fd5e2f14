//! Who may do what with a connection: admins everything, a member what is their own
//! (docs/inside/contract.md#where-sources-disagree). Every wire asks here.

use super::rules::Draft;
use super::{Connection, OffBy};
use crate::registry::{AuthType, Scope};
use base::error::{Error, FieldErrors, Result};
use tenancy::auth::Caller;

const REFUSED: Error = Error::Forbidden("tenant admin");

impl Connection {
    fn is_own(&self, caller: &Caller) -> bool {
        self.scope == Scope::User && self.user_id == Some(caller.user_id())
    }

    /// Refuses a caller who may not see it.
    ///
    /// # Errors
    /// `Forbidden` for another member's, or one that is shared by many.
    pub fn require_read(&self, caller: &Caller) -> Result<()> {
        let may = caller.is_admin() || self.is_own(caller);
        may.then_some(()).ok_or(REFUSED)
    }
}

/// Refuses a caller who may not change it: a member changes what travels with a grant of theirs.
pub(super) fn require_change(caller: &Caller, stored: &Connection) -> Result<()> {
    let is_own_grant = stored.is_own(caller) && stored.auth_type == AuthType::Oauth2;
    let may = caller.is_admin() || is_own_grant;
    may.then_some(()).ok_or(REFUSED)
}

/// Refuses a caller who may not delete it.
pub(super) fn require_delete(caller: &Caller, stored: &Connection) -> Result<()> {
    require_change(caller, stored)?;
    // Whoever deletes it could make it anew, switched on.
    let is_kept = !caller.is_admin() && stored.off_by() == Some(OffBy::Admin);
    (!is_kept).then_some(()).ok_or(REFUSED)
}

/// What a member may have: an OAuth connection of their own.
pub(super) fn own_grant_only(
    caller: &Caller,
    draft: &mut Draft,
    errors: &FieldErrors,
) -> Result<()> {
    let me = caller.user_id();
    let is_own = draft.user.is_none_or(|user| user == me) && !errors.has("user");
    if is_own && draft.scope == Scope::User && draft.auth_type == AuthType::Oauth2 {
        draft.user = Some(me);
        Ok(())
    } else {
        Err(REFUSED)
    }
}
