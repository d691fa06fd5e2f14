//! `/api/images/{name}`: pictures of servers, for browsers that send no key. The name cannot be guessed.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::super::answer::Answer;
use super::super::endpoint::{Endpoint, Incoming, Shape};
use base::error::{Error, Result};
use broker::registry::server::image;

pub(crate) const READ: Endpoint = Endpoint::open("Shows the image of a server.", |incoming| {
    Box::pin(read(incoming))
})
.answers(200, Shape::Media("image/*"));

async fn read(incoming: Incoming) -> Result<Answer> {
    let mut tx = incoming.app.db.read().await?;
    let stored = image::get(&mut tx, incoming.path.get("name")).await?;
    let media_type = HeaderValue::try_from(stored.media_type).map_err(Error::internal)?;
    // The bytes came from outside: whatever they are, a browser must not run them.
    Ok(Answer::bytes(media_type, stored.content)
        .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .with_header(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        )
        .with_header(
            CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=86400"),
        ))
}
