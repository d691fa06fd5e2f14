//! `/connections/`: a person's own connected accounts: what each gives, who uses it, how it stands, and the ways to
//! renew it or to end it. Nobody sees another's, and no token is shown.

use axum::body::Body;

use super::super::answer::Answer;
use super::destination::Destination;
use super::html::{Page, Text};
use super::visit::{Visit, person};
use super::{leave, sign_in};
use base::clock::UnixMs;
use base::error::{Error, Result};
use broker::oauth::flow::{self, Start};
use broker::oauth::prompt::{self, Prompt};
use broker::oauth::service::{self, Offer, ServiceId};
use broker::oauth::{ReauthReason, scope};
use broker::registry::grant::{self, Filter, Grant, GrantId, Listed, Use};
use tenancy::audit::{self, Entry};
use tenancy::tenant;

const NO_FILTER: Filter = Filter {
    provider: None,
    service: None,
    search: None,
};

/// The page.
pub(super) async fn show(visit: &Visit) -> Result<Answer> {
    let Some(browser) = &visit.browser else {
        return Ok(sign_in::form(visit, &Destination::Connections));
    };
    let (tenant, user) = (browser.caller.tenant.id, browser.caller.user.id);
    let now = visit.app.clock.now();
    let mut tx = visit.app.db.read().await?;
    let services = grant::list(&mut tx, tenant, user, &NO_FILTER).await?;
    let uses = grant::uses(&mut tx, tenant, user).await?;
    let prompts = prompt::list(&mut tx, user, now).await?;
    drop(tx);
    let mut body = String::from("<h1>Your connected accounts</h1>\n");
    for prompt in &prompts {
        body.push_str(&waiting(prompt));
    }
    for service in &services {
        body.push_str(&card(service, &uses));
    }
    if services.is_empty() && prompts.is_empty() {
        body.push_str(
            "<section class=\"card\"><p>You have not connected any account. When a mentor needs one, it will ask \
             you.</p></section>\n",
        );
    }
    Ok(Page::new("Your connected accounts", body).answer(visit))
}

fn waiting(prompt: &Prompt) -> String {
    let who = prompt.mentor_name.as_deref().unwrap_or("A mentor");
    format!(
        "<section class=\"card\"><h2>{}</h2><p>{} waits for you to connect your account.</p>\
         <p><a class=\"button\" href=\"/connect/{}\">Connect</a></p></section>\n",
        Text(&prompt.server_name),
        Text(who),
        Text(&prompt.id)
    )
}

fn card(listed: &Listed, uses: &[Use]) -> String {
    let grant = &listed.grant;
    let name = listed.display_name.as_deref().unwrap_or(&grant.service);
    let (mood, state) = state(grant);
    let used = grant
        .last_used_at
        .map_or_else(|| "not yet".to_owned(), |at| day(at).to_owned());
    let scopes: Vec<&str> = scope::words(&grant.scope).collect();
    let scopes = match scopes.as_slice() {
        [] => "what the service gives by default".to_owned(),
        scopes => scopes.join(", "),
    };
    format!(
        "<section class=\"card\"><h2>{}</h2><dl><dt>State</dt><dd class=\"state {mood}\">{state}</dd>\
         <dt>Provider</dt><dd>{}</dd><dt>May use</dt><dd>{}</dd><dt>Connected</dt><dd>{}</dd>\
         <dt>Last used</dt><dd>{used}</dd><dt>Used by</dt><dd>{}</dd></dl>\
         <div class=\"deeds\"><form method=\"post\" action=\"/connections/{id}/reconnect/\">\
         <button class=\"quiet\">Reconnect</button></form>\
         <form method=\"post\" action=\"/connections/{id}/disconnect/\"><button class=\"danger\">Disconnect</button></form>\
         </div></section>\n",
        Text(name),
        Text(&grant.provider),
        Text(&scopes),
        day(grant.created_at),
        Text(&users(grant.id, uses)),
        id = grant.id.0,
    )
}

/// A class and a sentence. An access token that is over is renewed by itself and is nobody's worry.
fn state(grant: &Grant) -> (&'static str, &'static str) {
    match &grant.needs_reauth {
        Some(word) => (
            "bad",
            ReauthReason::sentence_of(word)
                .unwrap_or("Sign in again: the provider does not accept this access any more"),
        ),
        None => ("good", "Connected"),
    }
}

/// The servers that are called with a grant, each with the mentors that have it.
fn users(id: GrantId, uses: &[Use]) -> String {
    let mut servers: Vec<(&str, Vec<&str>)> = Vec::new();
    for used in uses.iter().filter(|used| used.grant == id) {
        if servers
            .last()
            .is_none_or(|(name, _)| *name != used.server_name)
        {
            servers.push((&used.server_name, Vec::new()));
        }
        if let (Some((_, mentors)), Some(mentor)) = (servers.last_mut(), &used.mentor_name)
            && !mentors.contains(&mentor.as_str())
        {
            mentors.push(mentor);
        }
    }
    let told: Vec<String> = servers
        .into_iter()
        .map(|(server, mentors)| match mentors.as_slice() {
            [] => server.to_owned(),
            mentors => format!("{server} ({})", mentors.join(", ")),
        })
        .collect();
    match told.as_slice() {
        [] => "nothing now".to_owned(),
        told => told.join("; "),
    }
}

/// The day of a time, in UTC.
fn day(at: UnixMs) -> String {
    let iso = at.to_iso();
    iso.split('T').next().unwrap_or_default().to_owned()
}

/// Signs the person in again at the service of a grant: the same row gets new tokens.
pub(super) async fn reconnect(visit: &Visit, id: i64, body: Body) -> Result<Answer> {
    visit.form(body).await?;
    let browser = visit.signed_in()?;
    let offer = offer_of(visit, id).await?;
    let start = Start {
        tenant: &browser.caller.tenant,
        user: &browser.caller.user,
        by: &person(browser),
        service: offer.service.id,
        server: None,
        prompt_id: None,
        further_scope: "",
        redirect_uri: None,
        base_url: &visit.base_url,
    };
    let started = flow::start(&visit.app.flow, &start).await?;
    let provider = &offer.provider.display_name;
    Ok(leave::page(visit, provider, &started.auth_url))
}

async fn offer_of(visit: &Visit, id: i64) -> Result<Offer> {
    let caller = &visit.signed_in()?.caller;
    let (tenant, user) = (caller.tenant.id, caller.user.id);
    let mut tx = visit.app.db.read().await?;
    let grant = grant::get(&mut tx, tenant, user, GrantId(id)).await?.grant;
    let gone = || Error::NotFound("service");
    let service = grant.service_id.map(ServiceId).ok_or_else(gone)?;
    let offer = service::find_visible(&mut tx, tenant, service).await?;
    offer.ok_or_else(gone)
}

/// Deletes a grant and what uses it, and revokes it at the provider.
pub(super) async fn disconnect(visit: &Visit, id: i64, body: Body) -> Result<Answer> {
    visit.form(body).await?;
    let caller = &visit.signed_in()?.caller;
    let tenant = caller.tenant.id;
    let mut tx = visit.app.db.write().await?;
    tenant::hold(&mut tx, tenant).await?;
    let deleted = grant::delete(&mut tx, tenant, caller.user.id, GrantId(id)).await?;
    let mut entry = Entry::by(caller, "connected_service.delete", visit.app.clock.now())
        .on(Grant::record_name(deleted.id));
    entry.request_id = visit.request_id.as_str().to_owned();
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    visit.app.gateway.changed();
    // The provider may be slow or gone; the person is disconnected all the same.
    let flow = visit.app.flow.clone();
    visit
        .app
        .tasks
        .spawn(async move { flow::revoke_grant(&flow, &deleted).await });
    sign_in::see_other("/connections/")
}
