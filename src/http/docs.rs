//! `/api/docs/`: Swagger UI from the binary, for the document at `/api/schema/`.

use std::sync::{Arc, LazyLock};

use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use utoipa_swagger_ui::Config;

use super::answer::Answer;
use super::endpoint::{Endpoint, Incoming, Shape};
use base::error::{Error, Result};

/// The user interface runs its own scripts and asks only this host.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("../schema/").validator_url("none")));

pub(super) const INDEX: Endpoint = Endpoint::open("Shows this documentation.", |incoming| {
    Box::pin(async move { index(&incoming) })
})
.answers(200, Shape::Media("text/html"));

pub(super) const FILE: Endpoint =
    Endpoint::open("Serves a file of the documentation.", |incoming| {
        Box::pin(async move { file(incoming.path.get("file")) })
    })
    .answers(200, Shape::Media("*/*"));

/// The page's links are relative, so its own URL must end in a slash.
fn index(incoming: &Incoming) -> Result<Answer> {
    if incoming.asked_path.ends_with('/') {
        return file("index.html");
    }
    let location = HeaderValue::try_from(format!("{}/", incoming.asked_path));
    Ok(Answer::see_other(location.map_err(Error::internal)?))
}

fn file(name: &str) -> Result<Answer> {
    let found = utoipa_swagger_ui::serve(name, CONFIG.clone());
    let found = found.map_err(|error| Error::internal(error.to_string()))?;
    let file = found.ok_or(Error::NotFound("file"))?;
    let media_type = HeaderValue::try_from(&*file.content_type).map_err(Error::internal)?;
    Ok(Answer::bytes(media_type, file.bytes.into_owned())
        .with_header(CONTENT_SECURITY_POLICY, POLICY))
}
