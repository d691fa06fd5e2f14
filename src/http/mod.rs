//! The HTTP surface: one route table, one way in, one place where errors become answers.
//! Holds no rule of any noun and no SQL.

mod career;
mod academy;
mod analytics;
pub mod answer;
mod audit;
mod audit_export;
mod base_url;
pub mod caller;
pub mod chat;
pub mod connections;
mod cors;
mod dispatch;
mod docs;
pub mod drf;
pub mod endpoint;
pub mod mcp;
mod health;
mod host;
mod mails;
pub mod metrics;
mod oauth;
mod openapi;
mod pages;
pub mod path;
pub mod rate_limit;
mod registry;
pub mod request_id;
pub mod routes;
mod schema;
mod sign_in;
mod surface;
mod tenant;
mod watch;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower::Layer;
use tower::util::MapRequestLayer;

use crate::app::App;

/// Everything that the gateway answers over HTTP.
pub fn router(app: Arc<App>) -> Router {
    // The path is brought to its canonical spelling before it is routed, so the table has one line per route.
    let watched = (app.metrics.clone(), app.tasks.clone());
    let door = host::Door::new(&app.config);
    let table = MapRequestLayer::new(path::canonicalize).layer(dispatch::router(&app));
    Router::new()
        .merge(mcp::router(app.clone()))
        .merge(academy::router(app.clone()))
        .merge(chat::router(app.clone()))
        .merge(pages::router(app.clone()))
        .fallback_service(table)
        .layer(from_fn_with_state(app, cors::allow))
        .layer(from_fn_with_state(door, host::check))
        .layer(from_fn_with_state(watched, watch::accompany))
}
