//! `/api/accounts/oauth-client/`: who we are, for authorization servers that take a client id which is an address
//! (Client ID Metadata Documents). Holds nothing that is secret.

use http::header::{CACHE_CONTROL, HeaderValue};

use super::super::answer::Answer;
use super::super::endpoint::{Endpoint, Incoming, Shape};
use super::super::schema::named;
use base::error::{Error, Result};
use broker::oauth::TokenAuthMethod;
use broker::oauth::flow::CALLBACK_PATH;
use broker::oauth::register;

pub(crate) const READ: Endpoint = Endpoint::open(
    "Says who the gateway is to authorization servers, if it has a public URL of https.",
    |incoming| Box::pin(read(incoming)),
)
.answers(
    200,
    Shape::One(|generator| {
        named(
            generator,
            "OAuthClientMetadata",
            serde_json::json!({ "type": "object", "required": ["client_id", "redirect_uris"] }),
        )
    }),
);

async fn read(incoming: Incoming) -> Result<Answer> {
    let public_url = incoming.app.config.public_url.as_deref();
    let id = register::document_id(public_url).ok_or(Error::NotFound("document"))?;
    let callback = format!("{}{CALLBACK_PATH}", public_url.unwrap_or_default());
    let mut document = register::metadata(&[callback], TokenAuthMethod::None);
    document["client_id"] = id.into();
    document["client_uri"] = public_url.into();
    let answer = Answer::ok(&document)?;
    Ok(answer.with_header(CACHE_CONTROL, HeaderValue::from_static("max-age=3600")))
}
