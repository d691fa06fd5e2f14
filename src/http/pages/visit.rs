//! One request for a page: from where, in whose browser, and whether a form of ours sent it.
//! A page never acts on a GET, and on no form of another site.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use http::header::ORIGIN;
use http::request::Parts;

use super::super::base_url;
use super::super::caller::peer_address;
use super::super::drf;
use super::super::endpoint::BODY_TIMEOUT;
use super::super::request_id::RequestId;
use super::cookie;
use crate::app::App;
use base::error::{Error, Result};
use base::fields::{Fields, Raw};
use broker::oauth::flow::Person;
use tenancy::auth::Browser;

/// Who asks for a page.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The gateway.
    pub(super) app: Arc<App>,
    /// The browser, if a person signed in with it.
    pub(super) browser: Option<Browser>,
    /// From where.
    pub(super) peer: IpAddr,
    /// Scheme and host that the person knows us by, without a slash at the end.
    pub(super) base_url: String,
    /// The request's id.
    pub(super) request_id: RequestId,
    headers: HeaderMap,
}

impl Visit {
    /// A visit, and the body that came with it.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be looked up whose browser it is.
    pub(super) async fn of(app: Arc<App>, request: Request) -> Result<(Self, Body)> {
        let (parts, body) = request.into_parts();
        Ok((Self::new(app, &parts).await?, body))
    }

    async fn new(app: Arc<App>, parts: &Parts) -> Result<Self> {
        let peer = peer_address(&parts.extensions, &parts.headers, &app.config.trust_proxy);
        let mut visit = Self {
            base_url: base_url::of(&app, &parts.headers),
            browser: None,
            peer,
            request_id: RequestId::of(&parts.extensions),
            headers: parts.headers.clone(),
            app,
        };
        visit.look().await?;
        Ok(visit)
    }

    /// The visit behind a request of the route table.
    ///
    /// # Errors
    /// As [`Visit::of`].
    pub(super) async fn behind(incoming: &super::super::endpoint::Incoming) -> Result<Self> {
        let mut visit = Self {
            app: incoming.app.clone(),
            browser: None,
            peer: incoming.peer,
            base_url: incoming.base_url.clone(),
            request_id: incoming.request_id.clone(),
            headers: incoming.headers.clone(),
        };
        visit.look().await?;
        Ok(visit)
    }

    async fn look(&mut self) -> Result<()> {
        if let Some(cookie) = self.cookie() {
            self.browser = self.app.auth.find_browser(cookie, self.peer).await?;
        }
        Ok(())
    }

    /// Whether people reach us over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }

    /// The browser's cookie.
    pub(super) fn cookie(&self) -> Option<&str> {
        cookie::value_in(&self.headers, self.is_secure())
    }

    /// The signed-in browser.
    ///
    /// # Errors
    /// `NoCredentials` if it is not signed in.
    pub(super) fn signed_in(&self) -> Result<&Browser> {
        self.browser.as_ref().ok_or(Error::NoCredentials)
    }

    /// Reads a form that a page of ours sent.
    ///
    /// # Errors
    /// `Forbidden` if another site sent it, or it does not say which; what the body's limits refuse.
    pub(super) async fn form(&self, body: Body) -> Result<Form> {
        let mut origins = self.headers.get_all(ORIGIN).iter();
        let is_own = origins
            .next()
            .is_some_and(|origin| origin.as_bytes() == self.base_url.as_bytes());
        if !is_own || origins.next().is_some() {
            return Err(Error::Forbidden("a form of another site"));
        }
        let reading = drf::body::read(&self.headers, body);
        let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
        let late = || Err(Error::Malformed("the body did not arrive in time".into()));
        Ok(Form(read.unwrap_or_else(|_| late())?))
    }
}

/// The person at a signed-in browser, for a sign-in that only this browser may end.
pub(super) fn person(browser: &Browser) -> Person {
    Person {
        browser_digest: browser.digest.clone(),
        ..Person::of_caller(&browser.caller)
    }
}

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Form(Fields);

impl Form {
    /// The text of a field; empty if it is not there once.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(Raw::Texts(texts)) if texts.len() == 1 => &texts[0],
            Some(Raw::Texts(_) | Raw::Json(_) | Raw::File(_)) | None => "",
        }
    }
}
