//! Ending a sign-in: the provider's answer becomes a connected service, once, for who may bring it.
//! The code is sent at most once, whatever a browser repeats; while it is on its way, no transaction is open.

use super::super::answer::is_code;
use super::super::client;
use super::super::discover::OFFLINE_ACCESS;
use super::super::integration::Identity;
use super::super::prompt::{self, About};
use super::super::scope::words;
use super::super::service::{self, Offer};
use super::super::state::{self, STATE_BYTES_MAX, State};
use super::super::token::{CodeGrant, TokenEndpoint};
use super::super::tokens::{TokenError, Tokens};
use super::super::verdict::{self, Word};
use super::{Flow, Person, identity, redirect};
use crate::registry::connection;
use crate::registry::grant::{self, Grant, GrantId, NewGrant};
use crate::registry::server::{self, ServerId};
use base::error::{Error, Result, SignInFailure};
use base::secret::Secret;
use base::storage::Tx;
use tenancy::audit::{self, Entry};
use tenancy::auth::token::TokenId;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::{self, UserId};

/// What a provider sent the person's browser back with.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The state, as it was sent.
    pub state: Secret,
    /// The code, if there is one.
    pub code: Option<Secret>,
    /// The error, if there is one: it is text from outside and shown to nobody.
    pub error: Option<String>,
    /// Every issuer that the answer names (RFC 9207); more than one is a forgery.
    pub issuers: Vec<String>,
    /// The redirect URI that the bringer says was used.
    pub redirect_uri: Option<String>,
}

/// A sign-in that came to its end.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The tenant.
    pub tenant: TenantId,
    /// Whose grant it is.
    pub user: UserId,
    /// The grant.
    pub grant: GrantId,
    /// For what.
    pub offer: Offer,
    /// The server that got a connection of the person's own.
    pub server: Option<ServerId>,
    /// The prompt that is answered by it.
    pub prompt_id: Option<String>,
}

/// Ends a sign-in with the answer that a person brings; `None` if it is not known who brings it.
///
/// # Errors
/// `SignIn` with the reason. A failure that used up the state is remembered and told again to who asks again.
pub async fn finish(flow: &Flow, answer: &Answer, person: Option<&Person>) -> Result<Finished> {
    let (state, offer) = find(flow, answer, person).await?;
    if let Some(failure) = refusal(answer, &offer) {
        if is_of_client(answer, &offer) {
            forget_client(flow, &state, &offer).await?;
        }
        return Err(give_up(flow, (&state, person), failure).await);
    }
    let Some(code) = &answer.code else {
        return Err(Error::SignIn(SignInFailure::Exchange));
    };
    // With other credentials than those that asked, the code is worth nothing, and they are none of the provider's business.
    let known = identity::known(flow, state.tenant_id, &offer, &state.client_id).await?;
    let Some(identity) = known else {
        return Err(give_up(flow, (&state, person), SignInFailure::Exchange).await);
    };
    claim(flow, &state).await?;
    match exchange(flow, answer, (&state, &offer, &identity), code).await {
        Ok(tokens) => store(flow, (&state, offer), &identity, &tokens, person).await,
        Err(error) => {
            tracing::warn!(provider = %offer.provider.name, %error, "failed to exchange a code");
            // Only a client that we registered is forgotten by this.
            if verdict::is_of_client(&error, Word::Registered) {
                forget_client(flow, &state, &offer).await?;
            }
            Err(fail(flow, (&state, person), SignInFailure::Exchange).await)
        }
    }
}

/// The state of an answer that this person may bring, still to be answered.
async fn find(flow: &Flow, answer: &Answer, person: Option<&Person>) -> Result<(State, Offer)> {
    let invalid = || Error::SignIn(SignInFailure::InvalidState);
    if answer.state.is_empty() || answer.state.expose().len() > STATE_BYTES_MAX {
        return Err(invalid());
    }
    let digest = state::digest(&flow.vault, &answer.state);
    let mut tx = flow.db.read().await?;
    let state = state::find(&mut tx, &digest).await?.ok_or_else(invalid)?;
    let person = person.ok_or(Error::SignIn(SignInFailure::OtherPerson))?;
    if person.tenant != state.tenant_id {
        return Err(invalid());
    }
    if !may_bring(person, &state) {
        return Err(Error::SignIn(SignInFailure::OtherPerson));
    }
    if let Some(failure) = state.is_over(flow.clock.now()) {
        return Err(Error::SignIn(failure));
    }
    let offer = service::find(&mut tx, state.service_id).await?;
    let offer = offer.filter(Offer::is_enabled).ok_or_else(invalid)?;
    Ok((state, offer))
}

/// The person whom the grant is for, or who began it for them; and if a browser began it, only that one.
fn may_bring(person: &Person, state: &State) -> bool {
    let is_theirs = person.user == state.user_id || person.user == state.started_by;
    let is_here = state.browser_digest.is_empty() || state.browser_digest == person.browser_digest;
    is_theirs && is_here
}

/// What the answer itself says against it. The issuer is compared as a text (RFC 9207 section 2.4), before anything
/// else of the answer is believed.
fn refusal(answer: &Answer, offer: &Offer) -> Option<SignInFailure> {
    let expected = &offer.provider.issuer;
    let is_from_issuer = match answer.issuers.as_slice() {
        [] => !offer.provider.sends_iss,
        [one] => expected.is_empty() || one == expected,
        _ => false,
    };
    if !is_from_issuer {
        return Some(SignInFailure::OtherIssuer);
    }
    let code = answer.error.as_deref()?;
    let code = Some(code)
        .filter(|code| is_code(code))
        .unwrap_or("unreadable");
    tracing::warn!(provider = %offer.provider.name, code, "a provider answered a sign-in with an error");
    Some(verdict::of_answer(code))
}

/// Whether a provider says that it does not know us, or not for this.
fn is_of_client(answer: &Answer, offer: &Offer) -> bool {
    let code = answer.error.clone().unwrap_or_default();
    !offer.provider.is_of_catalog()
        && verdict::is_of_client(&TokenError::Refused(code), Word::Registered)
}

/// Registers us anew for the next sign-in, where we registered ourselves.
async fn forget_client(flow: &Flow, state: &State, offer: &Offer) -> Result<()> {
    let mut tx = flow.db.write().await?;
    let of = (
        offer.provider.issuer.as_str(),
        Some(state.client_id.as_str()),
    );
    let forgotten = client::forget(&mut tx, state.tenant_id, of, flow.clock.now()).await?;
    tx.commit().await?;
    if forgotten > 0 {
        tracing::warn!(provider = %offer.provider.name, "a provider does not know our client registration any more");
    }
    Ok(())
}

async fn exchange(
    flow: &Flow,
    answer: &Answer,
    (state, offer, identity): (&State, &Offer, &Identity),
    code: &Secret,
) -> Result<Tokens, TokenError> {
    let brought = answer.redirect_uri.as_deref();
    let brought = brought.filter(|uri| redirect::is_allowed(flow, &identity.redirect_uris, uri));
    let endpoint = TokenEndpoint {
        url: identity.token_url.clone(),
        client: identity.client.clone(),
        resource: offer.service.resource.clone(),
    };
    let grant = CodeGrant {
        code,
        verifier: &state::verifier(&flow.vault, &answer.state),
        redirect_uri: brought.unwrap_or(&state.redirect_uri),
    };
    endpoint.exchange(&flow.egress, &grant).await
}

/// Takes the state for this answer.
async fn claim(flow: &Flow, state: &State) -> Result<()> {
    let mut tx = flow.db.write().await?;
    let is_ours = state::claim(&mut tx, &state.state_digest, flow.clock.now()).await?;
    tx.commit().await?;
    is_ours
        .then_some(())
        .ok_or(Error::SignIn(SignInFailure::InvalidState))
}

/// Takes the state and remembers why nothing comes of it; the failure, or that somebody else took it.
async fn give_up(
    flow: &Flow,
    (state, person): (&State, Option<&Person>),
    failure: SignInFailure,
) -> Error {
    match claim(flow, state).await {
        Ok(()) => fail(flow, (state, person), failure).await,
        Err(error) => error,
    }
}

async fn fail(
    flow: &Flow,
    (state, person): (&State, Option<&Person>),
    failure: SignInFailure,
) -> Error {
    let remembered = async {
        let now = flow.clock.now();
        let mut tx = flow.db.write().await?;
        state::fail(&mut tx, &state.state_digest, failure).await?;
        let entry = Entry {
            object: format!("oauth_service:{}", state.service_id.0),
            server_id: state.server_id.map(|id| id.0),
            outcome: failure.as_str(),
            ..entry(&mut tx, state, person, now.0).await?
        };
        audit::record(&mut tx, &entry).await?;
        let about = About {
            prompt: &state.prompt_id,
            server: state.server_id,
            service: Some(state.service_id),
        };
        let whose = (state.tenant_id, state.user_id);
        prompt::fail(&mut tx, whose, about, failure).await?;
        Ok::<_, Error>(tx.commit().await?)
    };
    match remembered.await {
        Ok(()) => Error::SignIn(failure),
        Err(error) => error,
    }
}

/// What every access token is sent as, whatever its provider calls it (RFC 6750).
const TOKEN_TYPE: &str = "bearer";

/// Grant, connection, prompt, state and audit row are written together or not at all.
async fn store(
    flow: &Flow,
    (state, offer): (&State, Offer),
    identity: &Identity,
    tokens: &Tokens,
    person: Option<&Person>,
) -> Result<Finished> {
    let now = flow.clock.now();
    let (provider, service) = (&offer.provider, &offer.service);
    let new = NewGrant {
        tenant: state.tenant_id,
        user: state.user_id,
        provider: &provider.name,
        issuer: &provider.issuer,
        service: &service.name,
        service_id: service.id.0,
        resource: &service.resource,
        client_id: &identity.client.id,
        token_url: &identity.token_url,
        token_type: TOKEN_TYPE,
        scope: tokens.scope.as_deref().unwrap_or(&state.scope),
        refused_scope: refused_scope(&state.scope, tokens.scope.as_deref()),
        access_token: &tokens.access_token,
        refresh_token: tokens.refresh_token.as_ref(),
        expires_at: tokens.expires_in.map(|life| now.plus(life)),
    };
    let mut tx = flow.db.write().await?;
    let id = grant::store(&mut tx, &flow.vault, &new, now).await?;
    let server = connect(flow, &mut tx, state, id).await?;
    state::succeed(&mut tx, &state.state_digest, id).await?;
    let entry = Entry {
        object: Grant::record_name(id),
        server_id: server.map(|id| id.0),
        ..entry(&mut tx, state, person, now.0).await?
    };
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    Ok(Finished {
        tenant: state.tenant_id,
        user: state.user_id,
        grant: id,
        offer,
        server,
        prompt_id: Some(state.prompt_id.clone()).filter(|id| !id.is_empty()),
    })
}

/// What was asked for and is not among what was granted; nothing where the provider does not say what it granted.
fn refused_scope(asked: &str, granted: Option<&str>) -> String {
    let Some(granted) = granted else {
        return String::new();
    };
    let is_granted = |word: &&str| words(granted).any(|given| given == *word);
    // It is never granted by name.
    let asked = words(asked).filter(|word| *word != OFFLINE_ACCESS);
    let refused = asked.filter(|word| !is_granted(word));
    refused.collect::<Vec<_>>().join(" ")
}

/// Gives the server of the sign-in a connection of the person's own, and takes back the question to sign in to it.
async fn connect(
    flow: &Flow,
    tx: &mut Tx,
    state: &State,
    grant: GrantId,
) -> Result<Option<ServerId>> {
    let server = match state.server_id {
        Some(id) => server::find_visible(tx, state.tenant_id, id).await?,
        None => None,
    };
    let Some(server) = server else {
        return Ok(None);
    };
    let person = (state.tenant_id, state.user_id);
    let now = flow.clock.now();
    let bound = connection::bind_grant(tx, person, &server, grant, now).await?;
    if bound.is_none() {
        return Ok(None);
    }
    prompt::close(tx, person, server.id).await?;
    Ok(Some(server.id))
}

/// The audit row of a sign-in that came to its end, well unless it is said otherwise.
async fn entry(tx: &mut Tx, state: &State, person: Option<&Person>, at: i64) -> Result<Entry> {
    let person = person.ok_or(Error::SignIn(SignInFailure::OtherPerson))?;
    let owner = user::name_of(tx, state.user_id).await?;
    let actor = match person.username == owner {
        true => String::new(),
        false => person.username.clone(),
    };
    Ok(Entry {
        at,
        tenant_id: state.tenant_id.0,
        username: owner,
        actor,
        token_id: TokenId::or_zero(person.token),
        action: "connected_service.connect".to_owned(),
        outcome: "ok",
        ..Entry::default()
    })
}
