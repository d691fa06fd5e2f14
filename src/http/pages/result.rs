//! The page after the provider: what was connected, or why nothing was. It tells the window that opened it, if that
//! is one of ours or one that the operator named, and works without.

use http::header::{ACCEPT, AUTHORIZATION};

use super::super::answer::Answer;
use super::super::endpoint::Incoming;
use super::super::sign_in::finish;
use super::failure;
use super::html::{Page, Referrer, Text};
use super::visit::{Visit, person};
use base::error::Result;
use broker::oauth::flow::Finished;

/// Whether a person's browser asks, and not a program with a key.
pub(crate) fn is_wanted(incoming: &Incoming) -> bool {
    let headers = &incoming.headers;
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let mut ranges = accept.unwrap_or_default().split(',').map(str::trim_start);
    let wanted =
        |range: &str| range.starts_with("text/html") || range.starts_with("application/json");
    let first = ranges.find(|range| wanted(range));
    !headers.contains_key(AUTHORIZATION)
        && first.is_some_and(|range| range.starts_with("text/html"))
}

/// Ends the sign-in for the person at this browser, and tells its outcome.
///
/// # Errors
/// If it cannot be looked up whose browser it is.
pub(crate) async fn show(incoming: &Incoming) -> Result<Answer> {
    let visit = Visit::behind(incoming).await?;
    let who = visit.browser.as_ref().map(person);
    Ok(match finish(incoming, who.as_ref()).await {
        Ok(finished) => page(&visit, &finished).answer(&visit),
        Err(error) => failure::page(&error, &visit),
    })
}

fn page(visit: &Visit, finished: &Finished) -> Page {
    let offer = &finished.offer;
    let service = &offer.service.display_name;
    let origins: Vec<&str> = std::iter::once(visit.base_url.as_str())
        .chain(visit.app.config.allow_origin.iter().map(String::as_str))
        .collect();
    let server = finished
        .server
        .map_or_else(String::new, |id| id.0.to_string());
    let body = format!(
        "<section class=\"card\" id=\"result\" role=\"status\" data-origins=\"{}\" data-provider=\"{}\" \
         data-service-name=\"{}\" data-connected-service-id=\"{}\" data-server-id=\"{}\">\
         <h1><span class=\"good\" aria-hidden=\"true\">✓</span> {} is connected</h1>\
         <p>Your account is connected to {}. You can close this window and go back to your chat: the answer comes there \
         by itself.</p><p><a href=\"/connections/\">Your connected accounts</a></p></section>\n\
         <script src=\"/pages/result.js\"></script>\n",
        Text(&origins.join(" ")),
        Text(&offer.provider.name),
        Text(&offer.service.name),
        finished.grant.0,
        server,
        Text(service),
        Text(service),
    );
    Page {
        referrer: Referrer::Nobody,
        ..Page::new(format!("{service} is connected"), body)
    }
}
