//! Pages for people: the one before a provider, the one after it, and a person's connected accounts. Rendered here,
//! without a build step and without inline scripts; they work on a phone, by keyboard and without JavaScript.
//! Never act on a GET, never show a secret, never send a person anywhere but to themselves and to a provider.

mod connect;
mod connections;
mod cookie;
mod destination;
mod failure;
pub(super) mod html;
mod leave;
pub(super) mod result;
mod sign_in;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::answer::Answer;
use super::drf;
use super::path::Words;
use crate::app::App;
use base::error::{Error, Result};
use destination::Destination;
use html::{Page, Text};
use visit::Visit;

/// The files that pages refer to may be kept by browsers for a while.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");

/// The pages, with and without the slash at the end.
pub(super) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route(
            "/pages/style.css",
            get(async || file(CSS, include_str!("style.css"))),
        )
        .route(
            "/pages/result.js",
            get(async || file(SCRIPT, include_str!("result.js"))),
        );
    for slash in ["", "/"] {
        let at = |path: &str| format!("{path}{slash}");
        router = router
            .route(&at("/sign-in"), get(show_sign_in).post(submit_sign_in))
            .route(&at("/sign-out"), post(sign_out))
            .route(&at("/connect/{prompt}"), get(show_connect).post(go_connect))
            .route(&at("/connections"), get(show_connections))
            .route(&at("/connections/{id}/reconnect"), post(reconnect))
            .route(&at("/connections/{id}/disconnect"), post(disconnect));
    }
    router.with_state(app)
}

fn file(media_type: HeaderValue, text: &'static str) -> Response {
    Answer::bytes(media_type, text)
        .with_header(CACHE_CONTROL, KEPT)
        .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .into_response()
}

/// A page for whoever it is, of whom nothing is known: what went wrong, in one sentence.
pub(super) fn notice(status: StatusCode, text: &str) -> Answer {
    const TITLE: &str = "This cannot be shown";
    let body = format!(
        "<section class=\"card\" role=\"alert\"><h1>{TITLE}</h1><p>{}</p></section>\n",
        Text(text)
    );
    let page = Page {
        status,
        ..Page::new(TITLE, body)
    };
    page.answer_to(None)
}

/// What a page answers; what it refuses becomes a page too.
async fn answered(
    app: Arc<App>,
    request: Request,
    page: impl AsyncFnOnce(&Visit, axum::body::Body) -> Result<Answer>,
) -> Response {
    match Visit::of(app, request).await {
        Ok((visit, body)) => match page(&visit, body).await {
            Ok(answer) => answer.into_response(),
            Err(error) => failure::page(&error, &visit).into_response(),
        },
        // Without a visitor there is nobody to show a page to.
        Err(error) => drf::error::answer(&error, Words::default()),
    }
}

async fn show_sign_in(State(app): State<Arc<App>>, request: Request) -> Response {
    answered(app, request, async |visit, _| {
        Ok(sign_in::form(visit, &Destination::Connections))
    })
    .await
}

async fn submit_sign_in(State(app): State<Arc<App>>, request: Request) -> Response {
    answered(app, request, async |visit, body| {
        sign_in::submit(visit, body).await
    })
    .await
}

async fn sign_out(State(app): State<Arc<App>>, request: Request) -> Response {
    answered(app, request, async |visit, body| {
        sign_in::sign_out(visit, body).await
    })
    .await
}

async fn show_connect(
    State(app): State<Arc<App>>,
    Path(prompt): Path<String>,
    request: Request,
) -> Response {
    answered(app, request, async |visit, _| {
        connect::show(visit, &prompt).await
    })
    .await
}

async fn go_connect(
    State(app): State<Arc<App>>,
    Path(prompt): Path<String>,
    request: Request,
) -> Response {
    answered(app, request, async |visit, body| {
        connect::go(visit, &prompt, body).await
    })
    .await
}

async fn show_connections(State(app): State<Arc<App>>, request: Request) -> Response {
    answered(app, request, async |visit, _| {
        connections::show(visit).await
    })
    .await
}

async fn reconnect(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answered(app, request, async |visit, body| {
        connections::reconnect(visit, number(&id)?, body).await
    })
    .await
}

async fn disconnect(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answered(app, request, async |visit, body| {
        connections::disconnect(visit, number(&id)?, body).await
    })
    .await
}

fn number(id: &str) -> Result<i64> {
    id.parse().map_err(|_| Error::NotFound("connected service"))
}
