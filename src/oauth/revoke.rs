//! Giving a token back (RFC 7009).
//! Sends one request and believes nothing but its status.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::client::{Client, TokenAuthMethod};
use super::token::{TokenError, Way, refusal_in};
use crate::egress::Egress;
use crate::secret::Secret;

/// A token to give back.
#[derive(Debug, Clone)]
pub enum Revocable {
    /// An access token.
    Access(Secret),
    /// A refresh token; most providers end its access tokens with it.
    Refresh(Secret),
}

/// Gives a token back. The `oauth2` crate has this too, but for https alone, whatever the operator opened.
///
/// # Errors
/// If the provider did not say that the token is revoked.
pub async fn revoke(
    egress: &Egress,
    revocation_url: &str,
    client: &Client,
    token: &Revocable,
) -> Result<(), TokenError> {
    let answer = Way(egress)
        .send(request(revocation_url, client, token)?)
        .await?;
    match answer.status() {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
        _ => Err(refusal_in(answer.body())),
    }
}

fn request(
    revocation_url: &str,
    client: &Client,
    token: &Revocable,
) -> Result<http::Request<Vec<u8>>, TokenError> {
    let (text, hint) = match token {
        Revocable::Access(token) => (token.expose(), "access_token"),
        Revocable::Refresh(token) => (token.expose(), "refresh_token"),
    };
    let mut form = Serializer::new(String::new());
    form.append_pair("token", text)
        .append_pair("token_type_hint", hint);
    let mut request = http::Request::new(Vec::new());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = revocation_url.parse().map_err(|_| TokenError::Address)?;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    match client.auth_method {
        TokenAuthMethod::ClientSecretBasic => {
            headers.insert(AUTHORIZATION, basic(client)?);
        }
        TokenAuthMethod::ClientSecretPost => {
            form.append_pair("client_id", &client.id)
                .append_pair("client_secret", client.secret.expose());
        }
        TokenAuthMethod::None => {
            form.append_pair("client_id", &client.id);
        }
    }
    *request.body_mut() = form.finish().into_bytes();
    Ok(request)
}

/// Id and secret as RFC 6749 section 2.3.1 wants them: encoded like a form each, then as `Basic`.
fn basic(client: &Client) -> Result<HeaderValue, TokenError> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(&client.id), encode(client.secret.expose()));
    let header = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(pair)));
    header.map_err(|_| TokenError::Malformed("our client id or secret is no header value"))
}
