//! What the academy serves to browsers: certificates, the text of materials, calendar entries, and the page that
//! verifies a certificate. A link opens what its token was signed for, and only while whoever it was made for may have it.

mod calendar;
mod certificate;
mod verify;

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
use super::path::Words;
use crate::academy::download::Download;
use crate::academy::{
    Actor, certificate as certificates, enrollment, material, office_hours, person,
};
use crate::app::App;
use crate::error::{Error, Result};

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
    content: String,
}

fn answer(made: Result<File>) -> Response {
    match made {
        Ok(file) => file.into_response(),
        Err(error) => {
            if let Error::Internal(_) = &error {
                tracing::error!(error = %error.chain(), "a file of the academy could not be made");
            }
            drf::error::answer(&error, Words::default())
        }
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

async fn certificate_file(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    Query(shown): Query<Shown>,
) -> Response {
    let made = async {
        let download = allowed(&app, &format!("certificates/{file}"), &shown)?;
        let id = file.strip_suffix(".svg").ok_or(Error::NotFound("file"))?;
        let mut tx = app.db.read().await?;
        let row = certificates::get(&mut tx, download.realm, id)
            .await
            .map_err(core)?;
        Ok(File {
            media_type: "image/svg+xml",
            content: certificate::svg(&row),
            name: file,
        })
    };
    answer(made.await)
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
        let person = person::find_by_user(&mut tx, realm, download.user)
            .await
            .map_err(core)?;
        let actor = Actor {
            realm,
            person,
            is_admin: false,
            is_instructor: false,
        };
        let row = material::get(&mut tx, realm, &id).await.map_err(core)?;
        let open = enrollment::open_in_course(&mut tx, &actor, &row.course_id, now);
        let place = open.await.map_err(|_| Error::NotFound("file"))?;
        if row.organization_id.is_some() && row.organization_id != place.organization_id {
            return Err(Error::NotFound("file"));
        }
        let text = material::text(&mut tx, realm, &id).await.map_err(core)?;
        let access = (place.id.as_str(), id.as_str());
        material::note_access(&mut tx, realm, access, now)
            .await
            .map_err(core)?;
        tx.commit().await?;
        Ok(File {
            name: format!(
                "{}.md",
                row.file_name.split('.').next().unwrap_or("material")
            ),
            media_type: "text/markdown; charset=utf-8",
            content: format!("# {}\n\n{}\n\n{text}\n", row.title, row.description),
        })
    };
    answer(made.await)
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
        Ok(File {
            name: "calendar.ics".to_owned(),
            media_type: "text/calendar; charset=utf-8",
            content: calendar::entry(&booking, &slot, app.clock.now()),
        })
    };
    answer(made.await)
}

/// The academy's own refusals are missing files on this wire.
fn core(error: crate::academy::Error) -> Error {
    match error {
        crate::academy::Error::Core(error) => error,
        _ => Error::NotFound("file"),
    }
}
