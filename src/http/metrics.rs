//! `/metrics`, on a listener of its own: what operators watch, without a key.
//! Never part of the surface that clients reach.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::app::App;
use base::error::Result;
use base::metrics::{Held, MEDIA_TYPE, Now};
use broker::registry::grant;
use delivery::mail;
use delivery::webhook;

/// Longest wait for the database; a scrape after it goes without what is held there.
const COUNT_TIMEOUT: Duration = Duration::from_secs(2);

/// What the listener of `--metrics-addr` answers.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(app)
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let queued = i64::try_from(app.audit.queued()).unwrap_or(i64::MAX);
    let mut held = vec![("audit", "waiting", queued)];
    match tokio::time::timeout(COUNT_TIMEOUT, stored(&app)).await {
        Ok(Ok(counts)) => held.extend(counts),
        Ok(Err(error)) => tracing::warn!(error = %error.chain(), "failed to read the queue depths"),
        Err(_) => tracing::warn!("reading the queue depths timed out"),
    }
    let now = Now {
        held,
        panics: app.tasks.panics(),
        runs: app.tasks.runs(),
    };
    match app.metrics.text(&now) {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What the database holds for jobs and people, by state.
async fn stored(app: &App) -> Result<Vec<Held>> {
    let mut tx = app.db.read().await?;
    let found = [
        ("mails", mail::OUTBOX.by_state(&mut tx).await?),
        ("deliveries", webhook::DELIVERIES.by_state(&mut tx).await?),
        ("grants", grant::by_state(&mut tx).await?),
    ];
    let named = found.into_iter().flat_map(|(what, counts)| {
        let counts = counts.into_iter();
        counts.map(move |(state, count)| (what, state, count))
    });
    Ok(named.collect())
}
