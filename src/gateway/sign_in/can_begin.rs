//! Whether a sign-in can begin at all, as far as our own tables say: a chat that waits for one which cannot would wait in
//! vain. Asks no provider and no server.

use crate::auth::Caller;
use crate::error::Result;
use crate::gateway::Gateway;
use crate::oauth::{integration, service};
use crate::registry::server::{self, ServerId};

/// Whether the service of a server is there, switched on, and one where the caller's tenant is known. A server that names
/// none leads to its own.
///
/// # Errors
/// If the database fails.
pub(super) async fn can_begin(
    gateway: &Gateway,
    caller: &Caller,
    server: ServerId,
) -> Result<bool> {
    let tenant = caller.tenant.id;
    let mut tx = gateway.db.read().await?;
    let server = server::get_visible(&mut tx, tenant, server).await?;
    let Some(id) = server.oauth_service_id else {
        return Ok(true);
    };
    let offer = service::find(&mut tx, service::ServiceId(id)).await?;
    match offer.filter(service::Offer::is_enabled) {
        Some(offer) => integration::is_set_up(&mut tx, tenant, &offer.provider.name).await,
        None => Ok(false),
    }
}
