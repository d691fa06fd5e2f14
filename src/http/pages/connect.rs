//! `/connect/{prompt}`: what stands between a mentor's question and the provider. It says who asks for what, and
//! insists that the person at the browser is the person in the chat (docs/inside/threats.md#signing-in).

use axum::body::Body;
use http::StatusCode;

use super::super::answer::Answer;
use super::destination::{Destination, is_id};
use super::html::{Page, Text};
use super::visit::{Visit, person};
use super::{leave, sign_in};
use base::error::{Error, Result, SignInFailure};
use broker::credentials::obstacle;
use broker::oauth::flow::{self, Start};
use broker::oauth::prompt::{self, About, Prompt};
use broker::oauth::scope;
use broker::oauth::service::Offer;
use broker::registry::server;
use tenancy::auth::Browser;

/// A question that this browser's person may answer, and what answering it leads to.
struct Question {
    prompt: Prompt,
    offer: Offer,
    /// What is asked for.
    scope: String,
}

/// The page.
pub(super) async fn show(visit: &Visit, id: &str) -> Result<Answer> {
    if !is_id(id) {
        return Err(Error::NotFound("prompt"));
    }
    let Some(browser) = &visit.browser else {
        return Ok(sign_in::form(visit, &Destination::Connect(id.to_owned())));
    };
    match find(visit, browser, id).await? {
        Found::Theirs(question) => Ok(page(browser, &question).answer(visit)),
        Found::AnotherPersons => Ok(another_persons(browser).answer(visit)),
    }
}

/// Goes to the provider.
pub(super) async fn go(visit: &Visit, id: &str, body: Body) -> Result<Answer> {
    visit.form(body).await?;
    let browser = visit.signed_in()?;
    let Found::Theirs(question) = find(visit, browser, id).await? else {
        return Ok(another_persons(browser).answer(visit));
    };
    let Question { prompt, offer, .. } = *question;
    let start = Start {
        tenant: &browser.caller.tenant,
        user: &browser.caller.user,
        by: &person(browser),
        service: offer.service.id,
        server: Some(prompt.server_id),
        prompt_id: Some(&prompt.id),
        further_scope: &prompt.scope,
        redirect_uri: None,
        base_url: &visit.base_url,
    };
    let started = match flow::start(&visit.app.flow, &start).await {
        Ok(started) => started,
        Err(error) => return Err(give_up(visit, browser, &prompt, error).await),
    };
    let provider = &offer.provider.display_name;
    Ok(leave::page(visit, provider, &started.auth_url))
}

enum Found {
    Theirs(Box<Question>),
    AnotherPersons,
}

/// A question of another tenant is not there at all.
async fn find(visit: &Visit, browser: &Browser, id: &str) -> Result<Found> {
    let caller = &browser.caller;
    let mut tx = visit.app.db.read().await?;
    let prompt = prompt::find(&mut tx, id, visit.app.clock.now()).await?;
    let prompt = prompt
        .filter(|prompt| prompt.tenant_id == caller.tenant.id)
        .ok_or(Error::NotFound("prompt"))?;
    if prompt.user_id != caller.user.id {
        return Ok(Found::AnotherPersons);
    }
    let server = server::get_visible(&mut tx, caller.tenant.id, prompt.server_id).await?;
    // A server that names no service may have to be asked for one.
    drop(tx);
    let offer = flow::service_of(&visit.app.flow, caller.tenant.id, &server).await;
    let offer = match offer {
        Ok(offer) => offer,
        Err(Error::NotFound(_)) => {
            let error = Error::SignIn(SignInFailure::NoCredentials);
            return Err(give_up(visit, browser, &prompt, error).await);
        }
        Err(error) => return Err(give_up(visit, browser, &prompt, error).await),
    };
    let person = (caller.tenant.id, caller.user.id);
    let scope = flow::scope_of(&visit.app.flow, person, (&offer, &prompt.scope)).await?;
    Ok(Found::Theirs(Box::new(Question {
        prompt,
        offer,
        scope,
    })))
}

/// Lets the calls that wait for the answer hear that there will be none, and whoever asks next that nobody can give one.
/// The error stays the one that the person is shown.
async fn give_up(visit: &Visit, browser: &Browser, prompt: &Prompt, error: Error) -> Error {
    let Error::SignIn(failure) = error else {
        return error;
    };
    let (tenant, user) = (browser.caller.tenant.id, browser.caller.user.id);
    let told = async {
        let mut tx = visit.app.db.write().await?;
        let about = About {
            prompt: &prompt.id,
            server: Some(prompt.server_id),
            service: None,
        };
        prompt::fail(&mut tx, (tenant, user), about, failure).await?;
        if let Some(server) = server::find_visible(&mut tx, tenant, prompt.server_id).await? {
            let now = visit.app.clock.now();
            obstacle::note(&mut tx, tenant, &server, failure, now).await?;
        }
        tx.commit().await?;
        Ok::<_, Error>(())
    };
    if let Err(other) = told.await {
        tracing::warn!(error = %other.chain(), "failed to report a failed sign-in to the call that waits for it");
    }
    visit.app.gateway.sign_ins.wake(tenant, user);
    error
}

fn another_persons(browser: &Browser) -> Page {
    let body = format!(
        "<section class=\"card\" role=\"alert\"><h1>This link is for somebody else</h1>\
         <p>You are signed in here as <strong>{}</strong>, and another person was asked. Only they can connect their \
         account. If that is you, sign out and sign in again with your own key.</p></section>\n",
        Text(&browser.caller.user.username)
    );
    Page {
        status: StatusCode::FORBIDDEN,
        ..Page::new("This link is for somebody else", body)
    }
}

fn page(browser: &Browser, question: &Question) -> Page {
    let Question {
        prompt,
        offer,
        scope,
    } = question;
    let title = format!("Connect your account to {}", prompt.server_name);
    let mentor = prompt
        .mentor_name
        .as_ref()
        .map_or_else(String::new, |name| {
            format!("<dt>Mentor</dt><dd>{}</dd>", Text(name))
        });
    let scopes: Vec<&str> = scope::words(scope).collect();
    let scopes = match scopes.as_slice() {
        [] => "What the service gives by default".to_owned(),
        scopes => scopes.join(", "),
    };
    let provider = &offer.provider.display_name;
    let host = host_of(&offer.provider.auth_url);
    let body = format!(
        "<section class=\"card\"><h1>{}</h1>\
         <p>Your mentor needs your own account for what you asked. You will sign in at {}, and come back here.</p>\
         <dl><dt>Organisation</dt><dd>{}</dd>{mentor}<dt>Server</dt><dd>{} ({})</dd>\
         <dt>Your name here</dt><dd>{}</dd><dt>You sign in at</dt><dd>{} ({})</dd>\
         <dt>It may then use</dt><dd>{}</dd></dl>{}\
         <div class=\"deeds\"><form method=\"post\" action=\"/connect/{}\"><button>Continue to {}</button></form>\
         <a href=\"/connections/\">Not now</a></div></section>\n\
         <p class=\"quiet-text\">You did not ask for this? Then do not continue: nothing happens.</p>\n",
        Text(&title),
        Text(provider),
        Text(&prompt.tenant_name),
        Text(&prompt.server_name),
        Text(&prompt.server_origin),
        Text(&browser.caller.user.username),
        Text(provider),
        Text(&host),
        Text(&scopes),
        warning(&[&host, &prompt.server_origin]),
        Text(&prompt.id),
        Text(provider),
    );
    Page::new(title, body)
}

/// A word about names in other alphabets, whose letters may look like others: those of the usual ones stand for themselves.
fn warning(hosts: &[&str]) -> &'static str {
    let is_foreign = |host: &&str| host.contains("xn--");
    match hosts.iter().any(is_foreign) {
        true => {
            "<p class=\"bad\" role=\"alert\">An address with <strong>xn--</strong> is written in letters that may look \
             like others. Continue only if you know it.</p>"
        }
        false => "",
    }
}

/// The whole host of a URL, so that a look-alike shows: international names in their ASCII form.
fn host_of(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str);
    host.unwrap_or("an address that cannot be shown").to_owned()
}
