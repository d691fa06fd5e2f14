//! Who we are at the provider of a service: what an admin stored for one of the catalog, else what we registered.

use super::super::integration::{self, Identity};
use super::super::service::Offer;
use super::Flow;
use crate::error::{Error, Result, SignInFailure};
use crate::tenant::TenantId;

/// Who a tenant is at the provider of a service.
///
/// # Errors
/// `SignIn` with `NoCredentials` if nobody has said so.
pub(super) async fn of(flow: &Flow, tenant: TenantId, offer: &Offer) -> Result<Identity> {
    if !offer.provider.is_of_catalog() {
        return Err(Error::SignIn(SignInFailure::NoCredentials));
    }
    let mut tx = flow.db.read().await?;
    integration::identity(&mut tx, &flow.vault, tenant, &offer.provider).await
}
