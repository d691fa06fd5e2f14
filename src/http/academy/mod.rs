//! What the academy serves to browsers: certificates, the text of materials, calendar entries, and the page that
//! verifies a certificate. A link opens what its token was signed for, and only while whoever it was made for may have it.

mod certificate;
pub(super) mod payment;
#[cfg_attr(not(feature = "render"), path = "not_printed.rs")]
mod print;
mod verify;
pub(super) mod withdrawal;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use serde::Deserialize;

use super::drf;
use super::endpoint::Call;
use super::path::Words;
use crate::app::App;
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::storage::Tx;
use learning::academy::download::Download;
use learning::academy::enrollment::Enrollment;
use learning::academy::material::Material;
use learning::academy::{
    Actor, RealmId, calendar, certificate as certificates, enrollment, material, office_hours,
};
use tenancy::auth::link::require_key;
use tenancy::auth::token::Environment;

/// What a file may do in a browser: nothing.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// The token of a link.
#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    token: String,
}

/// The routes.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/verify/{id}", get(verify::show))
        .route("/verify/{id}/", get(verify::show))
        .route("/academy/certificates/{file}", get(certificate_file))
        .route("/academy/materials/{id}/download", get(material_file))
        .route("/academy/bookings/{id}/calendar.ics", get(calendar_file))
        .with_state(app)
}

/// A file on its way to a browser.
struct File {
    name: String,
    media_type: &'static str,
    content: Vec<u8>,
}

fn answer(made: Result<File>) -> Response {
    match made {
        Ok(file) => file.into_response(),
        Err(error) => drf::error::answer(&error, Words::default()),
    }
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        let name: String = self
            .name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let mut response = self.content.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
        headers.extend(disposition.ok().map(|value| (CONTENT_DISPOSITION, value)));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// What the token of a link to `file` allows; a bad one answers as a missing file.
fn allowed(app: &App, file: &str, shown: &Shown) -> Result<Download> {
    let found = Download::read(&app.vault, file, &shown.token, app.clock.now());
    found.ok_or(Error::NotFound("file"))
}

/// Whoever a link was made for, as they are now: not there any more, or without a right that they had, they get nothing.
async fn holder(tx: &mut Tx, download: &Download, now: UnixMs) -> Result<Actor> {
    require_key(tx, download.key, now).await?;
    Actor::holding(tx, download.realm, download.user)
        .await
        .map_err(core)
}

async fn certificate_file(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    Query(shown): Query<Shown>,
) -> Response {
    let made = async {
        let download = allowed(&app, &format!("certificates/{file}"), &shown)?;
        let (id, format) = file.rsplit_once('.').ok_or(Error::NotFound("file"))?;
        let mut tx = app.db.read().await?;
        let actor = holder(&mut tx, &download, app.clock.now()).await?;
        let row = certificates::get(&mut tx, download.realm, id)
            .await
            .map_err(core)?;
        enrollment::get(&mut tx, &actor, &row.enrollment_id)
            .await
            .map_err(core)?;
        drop(tx);
        let (media_type, content) = printed(row, format).await?;
        Ok(File {
            media_type,
            content,
            name: file,
        })
    };
    answer(made.await)
}

/// A certificate in the format that a file name ends in. Drawing takes a while, so it keeps no request waiting.
async fn printed(row: certificates::Certificate, format: &str) -> Result<(&'static str, Vec<u8>)> {
    let draw: fn(&certificates::Certificate) -> Result<Vec<u8>> = match format {
        "svg" => {
            let picture = certificate::svg(&row, "").into_bytes();
            return Ok(("image/svg+xml", picture));
        }
        "pdf" => print::pdf,
        "png" => print::png,
        _ => return Err(Error::NotFound("file")),
    };
    let media_type = if format == "pdf" {
        "application/pdf"
    } else {
        "image/png"
    };
    let drawn = tokio::task::spawn_blocking(move || draw(&row)).await;
    Ok((media_type, drawn.map_err(Error::internal)??))
}

async fn material_file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> Response {
    let made = async {
        let download = allowed(&app, &format!("materials/{id}/download"), &shown)?;
        let (realm, now) = (download.realm, app.clock.now());
        let mut tx = app.db.write().await?;
        let holder = holder(&mut tx, &download, app.clock.now()).await?;
        let row = material::get(&mut tx, realm, &id).await.map_err(core)?;
        let place = place_for(&mut tx, &holder, &row, now).await?;
        let text = material::text(&mut tx, realm, &id).await.map_err(core)?;
        if let Some(place) = place {
            let access = (&place, id.as_str());
            material::note_access(&mut tx, realm, access, now)
                .await
                .map_err(core)?;
        }
        tx.commit().await?;
        Ok(File {
            name: format!(
                "{}.md",
                row.file_name.split('.').next().unwrap_or("material")
            ),
            media_type: "text/markdown; charset=utf-8",
            content: material::document(&row.title, &row.description, &text).into_bytes(),
        })
    };
    answer(made.await)
}

/// The enrollment that opens a material to somebody, to be brought on by it. An administrator needs none, and opening it
/// brings nobody on.
async fn place_for(
    tx: &mut Tx,
    holder: &Actor,
    row: &Material,
    now: UnixMs,
) -> Result<Option<Enrollment>> {
    let learner = Actor {
        is_admin: false,
        ..holder.clone()
    };
    let is_for = |organization: Option<&str>| {
        row.organization_id.is_none() || row.organization_id.as_deref() == organization
    };
    let open = enrollment::open_in_course(tx, &learner, &row.course_id, now).await;
    if let Ok(place) = open
        && is_for(place.organization_id.as_deref())
    {
        return Ok(Some(place));
    }
    let own = holder.confined_to();
    if holder.is_admin && (own.is_none() || is_for(own)) {
        return Ok(None);
    }
    Err(Error::NotFound("file"))
}

async fn calendar_file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> Response {
    let made = async {
        let download = allowed(&app, &format!("bookings/{id}/calendar.ics"), &shown)?;
        let mut tx = app.db.read().await?;
        let found = office_hours::get_booking(&mut tx, download.realm, &id).await;
        let (booking, slot) = found.map_err(core)?;
        let actor = holder(&mut tx, &download, app.clock.now()).await?;
        if !actor.is_admin && !actor.is(&booking.person_id) {
            return Err(Error::NotFound("file"));
        }
        Ok(File {
            name: "calendar.ics".to_owned(),
            media_type: "text/calendar; charset=utf-8",
            content: calendar::entry(&booking, &slot, app.clock.now()).into_bytes(),
        })
    };
    answer(made.await)
}

/// The admin who calls over REST, in the live academy.
async fn admin(call: &Call, tx: &mut Tx) -> Result<Actor> {
    let realm = RealmId::of(tx, call.caller.tenant.id, Environment::Live).await;
    let realm = realm.map_err(core)?;
    let actor = Actor::holding(tx, realm, call.caller.user_id()).await;
    actor.map_err(core)
}

/// The academy's own refusals are missing files on this wire.
fn core(error: learning::academy::Error) -> Error {
    match error {
        learning::academy::Error::Core(error) => error,
        _ => Error::NotFound("file"),
    }
}
