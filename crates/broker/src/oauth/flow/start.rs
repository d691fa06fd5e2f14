//! Beginning a sign-in: a state is kept, and the person gets the URL to go to.

use super::super::discover::OFFLINE_ACCESS;
use super::super::integration;
use super::super::provider;
use super::super::scope::{self, union};
use super::super::service::{self, Offer, ServiceId};
use super::super::state::{self, STATE_LIFE, State};
use super::request::{Parameters, Request};
use super::{Flow, Person, identity, redirect};
use crate::registry::grant;
use crate::registry::server::ServerId;
use base::clock::{UnixMs, random_uuid};
use base::error::{Error, Result, SignInFailure};
use base::secret::Secret;
use tenancy::tenant::user::{User, UserId};
use tenancy::tenant::{Tenant, TenantId};

/// The parameter that says what the provider asks the person.
const PROMPT: &str = "prompt";

/// Who shall sign in to what.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// The tenant.
    pub tenant: &'a Tenant,
    /// Who gets the grant.
    pub user: &'a User,
    /// Who begins it: that person, or an admin for them.
    pub by: &'a Person,
    /// For what.
    pub service: ServiceId,
    /// The server that gets a connection of the person's own in the end.
    pub server: Option<ServerId>,
    /// The prompt that it answers.
    pub prompt_id: Option<&'a str>,
    /// Scopes to ask for beyond the service's own, separated by spaces.
    pub further_scope: &'a str,
    /// Where the provider shall send the person, if that is one of the configured places.
    pub redirect_uri: Option<&'a str>,
    /// Scheme and host that the person knows us by, without a slash at the end.
    pub base_url: &'a str,
}

/// A sign-in under way.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where the person's browser goes.
    pub auth_url: String,
    /// Until when they may come back.
    pub expires_at: UnixMs,
}

/// Begins a sign-in.
///
/// # Errors
/// `NotFound` if there is no such service or it is switched off; `SignIn` with `NoCredentials` if nobody has said who
/// we are at its provider, `NoRequest` if the provider has an address that a browser must not be sent to.
pub async fn start(flow: &Flow, ask: &Start<'_>) -> Result<Started> {
    let offer = offer(flow, ask.service).await?;
    let tenant = ask.tenant.id;
    let stored = identity::stored(flow, tenant, &offer.provider).await?;
    let registered = stored
        .as_ref()
        .map_or(&[][..], |identity| &identity.redirect_uris);
    let redirect_uri = redirect::choose(flow, registered, ask.redirect_uri, ask.base_url);
    let identity = match stored {
        Some(identity) => identity,
        None => identity::new(flow, (tenant, ask.user.id), &offer.provider, &redirect_uri).await?,
    };
    if flow.egress.check_url(&identity.auth_url).is_err() {
        return Err(Error::SignIn(SignInFailure::NoRequest));
    }
    let text = Secret::new(format!(
        "{}:{}:{}:{}:{}",
        ask.tenant.key,
        offer.provider.name,
        offer.service.name,
        ask.user.username,
        random_uuid()
    ));
    let person = (ask.tenant.id, ask.user.id);
    let scope = scope_of(flow, person, (&offer, ask.further_scope)).await?;
    let request = Request {
        auth_url: &identity.auth_url,
        client_id: &identity.client.id,
        redirect_uri: &redirect_uri,
        scope: &scope,
        resource: &offer.service.resource,
        state: &text,
        verifier: &state::verifier(&flow.vault, &text),
        further: &further(flow, person, (&offer, &scope)).await?,
    };
    let auth_url = request.url()?;
    let now = flow.clock.now();
    let state = State {
        state_digest: state::digest(&flow.vault, &text),
        tenant_id: ask.tenant.id,
        user_id: ask.user.id,
        service_id: offer.service.id,
        server_id: ask.server,
        prompt_id: ask.prompt_id.unwrap_or_default().to_owned(),
        client_id: identity.client.id,
        redirect_uri,
        scope,
        created_at: now,
        expires_at: now.plus(STATE_LIFE),
        used_at: None,
        outcome: String::new(),
        connected_service_id: None,
        started_by: ask.by.user,
        browser_digest: ask.by.browser_digest.clone(),
    };
    let mut tx = flow.db.write().await?;
    state::insert(&mut tx, &state).await?;
    tx.commit().await?;
    Ok(Started {
        auth_url,
        expires_at: state.expires_at,
    })
}

/// What a sign-in of a person asks for: what the service always needs, what they gave it before, so that nothing is lost
/// by signing in again, and what a call lacks.
///
/// # Errors
/// If the database fails.
pub async fn scope_of(
    flow: &Flow,
    (tenant, user): (TenantId, UserId),
    (offer, lacking): (&Offer, &str),
) -> Result<String> {
    let mut tx = flow.db.read().await?;
    let granted = grant::scope_of(&mut tx, (tenant, user), offer.names()).await?;
    Ok(union(&[&offer.service.scope, &granted, lacking]))
}

/// What a provider is asked beside the standard's parameters: what the catalog says of it or of its issuer, over that
/// what an admin stored, and for consent where it gave the person no way to renew their last sign-in although that was
/// asked for (OpenID Connect Core section 11).
async fn further(
    flow: &Flow,
    (tenant, user): (TenantId, UserId),
    (offer, scope): (&Offer, &str),
) -> Result<Parameters> {
    let read = |text: &str| serde_json::from_str::<Parameters>(text).unwrap_or_default();
    let mut tx = flow.db.read().await?;
    let mut further = match provider::in_catalog(&mut tx, &offer.provider).await? {
        Some(known) => read(&known.auth_parameters),
        None => Parameters::new(),
    };
    further.extend(read(&offer.provider.auth_parameters));
    let stored = integration::auth_parameters(&mut tx, &flow.vault, tenant, &offer.provider);
    further.extend(stored.await?);
    let asks_offline = scope::words(scope).any(|word| word == OFFLINE_ACCESS);
    if asks_offline
        && !further.contains_key(PROMPT)
        && grant::is_without_refresh(&mut tx, (tenant, user), offer.names()).await?
    {
        further.insert(PROMPT.to_owned(), "consent".to_owned());
    }
    Ok(further)
}

async fn offer(flow: &Flow, id: ServiceId) -> Result<Offer> {
    let mut tx = flow.db.read().await?;
    let found = service::find(&mut tx, id).await?;
    found
        .filter(Offer::is_enabled)
        .ok_or(Error::NotFound("service"))
}
