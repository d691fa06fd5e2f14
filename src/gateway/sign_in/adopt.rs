//! A grant that its person made elsewhere while a question stood, at the service of the very server, answers the
//! question too (docs/inside/contract.md#chat, rule b). One that is older does not: nobody agreed to this server then.

use std::sync::Arc;

use crate::auth::Caller;
use crate::error::Result;
use crate::gateway::Gateway;
use crate::oauth::prompt;
use crate::registry::connection;
use crate::registry::server::{self, ServerId};
use crate::sql;

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
    let grant = sql!(
        &mut tx,
        scalar_optional as i64,
        "SELECT c.id FROM sign_in_prompts p JOIN servers s ON s.id = p.server_id
         JOIN connected_services c ON c.tenant_id = p.tenant_id AND c.user_id = p.user_id
           AND c.service_id = s.oauth_service_id
         WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.server_id = $3 AND p.expires_at > $4
           AND c.created_at >= p.created_at AND c.needs_reauth IS NULL",
        person.0,
        person.1,
        server,
        now
    )?;
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
