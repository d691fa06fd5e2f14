//! `/verify/{id}`: whether a certificate is one of ours, for anybody who holds one.
//! Shows what is printed on it and nothing else; no sandbox certificate is one. Nobody tries numbers in a row.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::super::caller::peer_address;
use super::super::drf;
use super::super::pages::html::Text;
use super::super::path::Words;
use super::super::rate_limit;
use super::core;
use crate::app::App;
use base::error::Result;
use learning::academy::certificate::{self, Certificate};
use tenancy::rate_limit as limits;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Shows the page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let peer = peer_address(
        request.extensions(),
        request.headers(),
        &app.config.trust_proxy,
    );
    match app.limits.admit(&limits::verify(peer)).await {
        Ok(standing) => {
            let mut response = look(&app, &id).await;
            rate_limit::write_standing(response.headers_mut(), &standing);
            response
        }
        Err(refused) => {
            let text =
                "<p>Too many certificates were looked up from here. Try again in a minute.</p>\n";
            let mut response = page(StatusCode::TOO_MANY_REQUESTS, "Too many requests", text);
            rate_limit::write_refusal(response.headers_mut(), &refused);
            response
        }
    }
}

async fn look(app: &App, id: &str) -> Response {
    match find(app, id).await {
        Ok(Some(row)) => page(StatusCode::OK, "This certificate is valid", &facts(&row)),
        Ok(None) => {
            let text = "<p>There is no certificate with this number. Check the address.</p>\n";
            page(StatusCode::NOT_FOUND, "No such certificate", text)
        }
        Err(error) => drf::error::answer(&error, Words::default()),
    }
}

async fn find(app: &App, id: &str) -> Result<Option<Certificate>> {
    let mut tx = app.db.read().await?;
    certificate::find_live(&mut tx, id).await.map_err(core)
}

fn facts(row: &Certificate) -> String {
    let date = row.completed_at.to_iso();
    let date = date.split('T').next().unwrap_or_default();
    let skills = row.skills.0.join(", ");
    let fact = |name: &str, value: &str| format!("<dt>{name}</dt><dd>{}</dd>\n", Text(value));
    format!(
        "<dl>\n{}{}{}{}{}{}{}</dl>\n",
        fact("Holder", &row.learner_name),
        fact("Course", &row.course_title),
        fact("Cohort", &row.cohort_name),
        fact("Completed", date),
        fact("Skills", &skills),
        fact("Signed by", &row.signature),
        fact("Code", &row.verification_code),
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/pages/style.css\">\n</head>\n<body>\n\
         <header><span>AI Enablement Academy</span></header>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HTML);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
