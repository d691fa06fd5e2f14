//! Giving a deleted grant back to its provider (RFC 7009), where the provider takes it.
//! Tries once; what the person asked for was done when the row was deleted.

use super::super::connected_service::Deleted;
use super::super::integration::Identity;
use super::super::revoke::{Revocable, revoke};
use super::super::service::{self, ServiceId};
use super::{Flow, identity};
use crate::error::{Error, Result};
use crate::registry::connected_service::ConnectedService as Reference;
use crate::registry::sealed::{ACCESS_TOKEN, REFRESH_TOKEN, Record};

/// Gives a deleted grant back. The refresh token, if there is one: its access tokens end with it.
pub async fn give_back(flow: &Flow, deleted: &Deleted) {
    match try_it(flow, deleted).await {
        Ok(true) => tracing::info!(connected_service.id = deleted.id, "a grant was given back"),
        Ok(false) => {}
        Err(error) => {
            let error = error.chain();
            tracing::warn!(connected_service.id = deleted.id, %error, "a grant was not given back");
        }
    }
}

async fn try_it(flow: &Flow, deleted: &Deleted) -> Result<bool> {
    let Some(identity) = identity_of(flow, deleted).await? else {
        return Ok(false);
    };
    let name = Reference::record_name(deleted.id);
    let record = Record {
        tenant: deleted.tenant_id,
        name: &name,
        origin: "",
    };
    let open = |field, sealed| {
        record
            .open(&flow.vault, field, sealed)
            .map_err(Error::internal)
    };
    let refresh_token = open(REFRESH_TOKEN, &deleted.refresh_token_sealed)?;
    let token = if refresh_token.is_empty() {
        Revocable::Access(open(ACCESS_TOKEN, &deleted.access_token_sealed)?)
    } else {
        Revocable::Refresh(refresh_token)
    };
    let url = &identity.revocation_url;
    let revoked = revoke(&flow.egress, url, &identity.client, &token).await;
    revoked.map(|()| true).map_err(Error::internal)
}

/// Who we were when the grant was made, if the provider takes tokens back and still knows us as that.
async fn identity_of(flow: &Flow, deleted: &Deleted) -> Result<Option<Identity>> {
    let Some(id) = deleted.service_id else {
        return Ok(None);
    };
    let offer = {
        let mut tx = flow.db.read().await?;
        service::find(&mut tx, ServiceId(id)).await?
    };
    let Some(offer) = offer else {
        return Ok(None);
    };
    let known = identity::known(flow, deleted.tenant_id, &offer, &deleted.client_id).await?;
    Ok(known.filter(|identity| !identity.revocation_url.is_empty()))
}
