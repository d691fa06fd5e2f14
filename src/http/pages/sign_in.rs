//! `/sign-in/` and `/sign-out/`: a person pastes their access key, and this browser is theirs for a while.

use axum::body::Body;
use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};

use super::super::answer::Answer;
use super::cookie;
use super::destination::Destination;
use super::html::{Page, Text};
use super::visit::Visit;
use base::error::{Error, Result};
use base::secret::Secret;
use tenancy::auth::KEY_BYTES_MAX;
use tenancy::rate_limit;

/// The form.
pub(super) fn form(visit: &Visit, to: &Destination) -> Answer {
    page(to, "").answer(visit)
}

fn page(to: &Destination, problem: &str) -> Page {
    let problem = match problem {
        "" => String::new(),
        text => format!("<p class=\"bad\" role=\"alert\">{}</p>", Text(text)),
    };
    let body = format!(
        "<section class=\"card\"><h1>Sign in</h1>\
         <p>Paste the access key that you were given. It is used once, to know who you are in this browser.</p>{problem}\
         <form method=\"post\" action=\"/sign-in/\"><input type=\"hidden\" name=\"to\" value=\"{}\">\
         <label for=\"key\">Access key</label>\
         <input id=\"key\" name=\"key\" type=\"password\" autocomplete=\"current-password\" required autofocus>\
         <button>Sign in</button></form></section>\n",
        Text(&to.path())
    );
    Page::new("Sign in", body)
}

/// Signs the browser in and goes where the person wanted to go.
pub(super) async fn submit(visit: &Visit, body: Body) -> Result<Answer> {
    let form = visit.form(body).await?;
    visit
        .app
        .limits
        .admit(&rate_limit::sign_in(visit.peer))
        .await
        .map_err(Error::from)?;
    let to = Destination::parse(form.text("to"));
    let key = form.text("key").trim();
    let plausible = !key.is_empty() && key.len() <= KEY_BYTES_MAX;
    let opened = match plausible {
        true => {
            visit
                .app
                .auth
                .open_browser(&Secret::new(key), visit.peer)
                .await
        }
        false => Err(Error::InvalidCredentials),
    };
    let value = match opened {
        Ok(value) => value,
        Err(Error::InvalidCredentials | Error::Forbidden(_)) => {
            let problem = "This key does not work here. It may be mistyped, expired or revoked.";
            let page = Page {
                status: StatusCode::FORBIDDEN,
                ..page(&to, problem)
            };
            return Ok(page.answer(visit));
        }
        Err(error) => return Err(error),
    };
    // Whoever was signed in before is not any more.
    if let Some(old) = visit.cookie() {
        visit.app.auth.close_browser(old).await?;
    }
    let cookie = cookie::set(&value, visit.is_secure())?;
    Ok(see_other(&to.path())?.with_header(SET_COOKIE, cookie))
}

/// Signs the browser out.
pub(super) async fn sign_out(visit: &Visit, body: Body) -> Result<Answer> {
    visit.form(body).await?;
    if let Some(cookie) = visit.cookie() {
        visit.app.auth.close_browser(cookie).await?;
    }
    let gone = cookie::clear(visit.is_secure())?;
    Ok(see_other("/sign-in/")?.with_header(SET_COOKIE, gone))
}

/// To another page of ours.
pub(super) fn see_other(path: &str) -> Result<Answer> {
    let location = HeaderValue::try_from(path).map_err(Error::internal)?;
    Ok(Answer::see_other(location))
}
