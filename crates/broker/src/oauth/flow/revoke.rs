//! Revoking a deleted grant, or tokens that came too late for it, at the provider (RFC 7009), where it offers that.
//! Tries once; what the person asked for was done when the row was deleted.

use super::super::integration::Identity;
use super::super::revoke::{Revocable, revoke};
use super::super::service::{self, ServiceId};
use super::super::tokens::Tokens;
use super::{Flow, identity};
use crate::registry::grant::{Grant, GrantId};
use base::error::{Error, Result};
use tenancy::tenant::TenantId;

/// Revokes a deleted grant at its provider.
pub async fn revoke_grant(flow: &Flow, deleted: &Grant) {
    let grant = Gone {
        id: deleted.id,
        tenant: deleted.tenant_id,
        service: deleted.service_id.map(ServiceId),
        client_id: &deleted.client_id,
    };
    told(
        &grant,
        try_it(flow, &grant, || stored_token(flow, deleted)).await,
    );
}

/// A grant that is not there any more.
#[derive(Debug)]
pub(in crate::oauth) struct Gone<'a> {
    /// The number that it had.
    pub(in crate::oauth) id: GrantId,
    /// The tenant.
    pub(in crate::oauth) tenant: TenantId,
    /// For what it was, if that is still known.
    pub(in crate::oauth) service: Option<ServiceId>,
    /// Who we were there.
    pub(in crate::oauth) client_id: &'a str,
}

/// Revokes tokens that came when their grant was deleted already.
pub(in crate::oauth) async fn revoke_late_tokens(flow: &Flow, grant: &Gone<'_>, tokens: &Tokens) {
    let token = match &tokens.refresh_token {
        Some(token) => Revocable::Refresh(token.clone()),
        None => Revocable::Access(tokens.access_token.clone()),
    };
    told(grant, try_it(flow, grant, || Ok(token)).await);
}

fn told(grant: &Gone<'_>, outcome: Result<bool>) {
    match outcome {
        Ok(true) => tracing::info!(
            connected_service.id = grant.id.0,
            "a grant was revoked at its provider"
        ),
        Ok(false) => {}
        Err(error) => {
            let error = error.chain();
            tracing::warn!(connected_service.id = grant.id.0, %error, "a grant was not revoked at its provider");
        }
    }
}

async fn try_it(
    flow: &Flow,
    grant: &Gone<'_>,
    token: impl FnOnce() -> Result<Revocable>,
) -> Result<bool> {
    let Some(identity) = identity_of(flow, grant).await? else {
        return Ok(false);
    };
    let url = &identity.revocation_url;
    let revoked = revoke(&flow.egress, url, &identity.client, &token()?).await;
    revoked.map(|()| true).map_err(Error::internal)
}

fn stored_token(flow: &Flow, deleted: &Grant) -> Result<Revocable> {
    let vault = &flow.vault;
    let refresh_token = deleted.refresh_token(vault).map_err(Error::internal)?;
    // Its access tokens end with it.
    Ok(match refresh_token.is_empty() {
        true => Revocable::Access(deleted.access_token(vault).map_err(Error::internal)?),
        false => Revocable::Refresh(refresh_token),
    })
}

/// Who we were when the grant was made, if the provider revokes tokens and still knows us as that.
async fn identity_of(flow: &Flow, grant: &Gone<'_>) -> Result<Option<Identity>> {
    let Some(id) = grant.service else {
        return Ok(None);
    };
    let offer = {
        let mut tx = flow.db.read().await?;
        service::find(&mut tx, id).await?
    };
    let Some(offer) = offer else {
        return Ok(None);
    };
    let known = identity::known(flow, grant.tenant, &offer, grant.client_id).await?;
    Ok(known.filter(|identity| !identity.revocation_url.is_empty()))
}
