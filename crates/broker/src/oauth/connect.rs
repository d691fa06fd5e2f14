//! A new connection that may travel with a grant. What a grant needs of its provider is said here, everything else by
//! [`connection`].

use super::integration;
use crate::registry::connection::{self, ConnectionId, Written};
use base::clock::UnixMs;
use base::error::{FieldErrors, Result, SignInFailure};
use base::secret::Vault;
use base::storage::Tx;
use tenancy::auth::Caller;

/// Creates a connection in the caller's tenant. One with a grant is of no use before an admin has said who we are at
/// its provider (docs/inside/contract.md#resolution).
///
/// # Errors
/// `Forbidden` for what the caller may not have, `Invalid` with every complaint.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    caller: &Caller,
    written: (Written, FieldErrors),
    now: UnixMs,
) -> Result<ConnectionId> {
    let mut plan = connection::plan(tx, vault, caller, written, None).await?;
    if let Some(provider) = plan.provider()
        && !integration::is_set_up(tx, caller.tenant.id, provider).await?
    {
        let message = SignInFailure::NoCredentials.to_string();
        plan.errors.add("connected_service", message);
    }
    connection::create(tx, vault, caller, plan, now).await
}
