//! A grant that its person made elsewhere while a question stood, at the service of the very server, answers the
//! question too (docs/inside/contract.md#chat, rule b). One that is older does not: nobody agreed to this server then.

use std::sync::Arc;

use crate::gateway::Gateway;
use base::error::Result;
use broker::oauth::prompt;
use broker::registry::connection;
use broker::registry::server::{self, ServerId};
use tenancy::auth::Caller;

/// Gives the server a connection of the person's own from such a grant. Returns whether there was one.
///
/// # Errors
/// If the database fails.
pub(super) async fn adopt(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    server: ServerId,
) -> Result<bool> {
    let person = (caller.tenant.id, caller.user.id);
    let now = gateway.clock.now();
    let mut tx = gateway.db.write().await?;
    let grant = prompt::granted_elsewhere(&mut tx, person, server, now).await?;
    let Some(grant) = grant else {
        return Ok(false);
    };
    let server = server::get_visible(&mut tx, person.0, server).await?;
    if connection::bind_grant(&mut tx, person, &server, grant, now)
        .await?
        .is_none()
    {
        return Ok(false);
    }
    prompt::close(&mut tx, person, server.id).await?;
    tx.commit().await?;
    gateway.changed();
    Ok(true)
}
