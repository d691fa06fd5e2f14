//! What stands in the way of a sign-in, as far as our own tables say: whoever asks for one that cannot begin asks, and
//! waits, in vain. Asks no provider and no server.

use crate::gateway::Gateway;
use crate::gateway::request::Request;
use base::error::Result;
use broker::credentials::Subject;
use broker::credentials::obstacle::{self, Obstacle};
use broker::registry::server::{self, ServerId};

/// What keeps the caller from signing in to a server, if anything does.
///
/// # Errors
/// If the database fails.
pub(super) async fn obstacle(
    gateway: &Gateway,
    request: &Request,
    server: ServerId,
) -> Result<Option<Obstacle>> {
    let subject = Subject {
        tenant: request.caller.tenant.id,
        user: request.caller.user.id,
        mentor: None,
    };
    let mut tx = gateway.db.read().await?;
    let server = server::get_visible(&mut tx, subject.tenant, server).await?;
    obstacle::find(&mut tx, &server, subject, gateway.clock.now()).await
}
