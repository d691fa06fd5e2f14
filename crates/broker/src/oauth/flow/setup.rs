//! What an administrator must still store before people can sign in at a discovered provider.
//! What a provider once answered to a registration is remembered with it, and asked for again only on demand.

use super::super::client;
use super::super::integration;
use super::super::provider::Provider;
use super::super::register;
use super::{Flow, identity, redirect};
use base::error::{Error, Result, SignInFailure};
use tenancy::tenant::TenantId;

/// Asks a provider once more that refused to register us; whoever asks knows that something has changed there.
///
/// # Errors
/// If the database fails.
pub async fn ask_again(
    flow: &Flow,
    tenant: TenantId,
    provider: &Provider,
    base_url: &str,
) -> Result<()> {
    if provider.registration_refused.is_some() {
        let redirect_uri = redirect::own(flow, base_url);
        identity::register(flow, tenant, provider, &redirect_uri).await?;
    }
    Ok(())
}

/// A sentence for an administrator, if people cannot sign in at a discovered provider before one has acted.
///
/// # Errors
/// If the database fails.
pub async fn lacking(flow: &Flow, tenant: TenantId, provider: &Provider) -> Result<Option<String>> {
    if provider.is_of_catalog() {
        return Ok(None);
    }
    let mut tx = flow.db.read().await?;
    match integration::identity(&mut tx, &flow.vault, tenant, provider).await {
        Ok(_) => return Ok(None),
        Err(Error::SignIn(SignInFailure::NoCredentials)) => {}
        Err(error) => return Err(error),
    }
    let name = provider.credential_name();
    let document = register::document_id(flow.public_url.as_deref());
    let takes_document = provider.takes_client_id_documents && document.is_some();
    let now = flow.clock.now();
    if takes_document || client::is_registered(&mut tx, tenant, &provider.issuer, now).await? {
        return Ok(None);
    }
    let why = match provider.registration_refused {
        Some(status) => format!("This provider does not register clients (it answered {status})"),
        None if provider.registration_url.is_empty() => {
            "This provider does not register clients".to_owned()
        }
        None => return Ok(None),
    };
    Ok(Some(format!(
        "{why}; an administrator must register one there and store it as the integration credential `{name}`."
    )))
}
