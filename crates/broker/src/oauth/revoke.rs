//! Revoking a token at its provider (RFC 7009).
//! Sends one request and believes nothing but its status.

use http::StatusCode;

use super::answer::refusal_in;
use super::client::Client;
use super::post::post;
use super::tokens::TokenError;
use base::secret::Secret;
use egress::Egress;

/// A token to revoke.
#[derive(Debug, Clone)]
pub enum Revocable {
    /// An access token.
    Access(Secret),
    /// A refresh token; most providers end its access tokens with it.
    Refresh(Secret),
}

/// Revokes a token.
///
/// # Errors
/// If the provider did not say that the token is revoked.
pub async fn revoke(
    egress: &Egress,
    revocation_url: &str,
    client: &Client,
    token: &Revocable,
) -> Result<(), TokenError> {
    let (text, hint) = match token {
        Revocable::Access(token) => (token.expose(), "access_token"),
        Revocable::Refresh(token) => (token.expose(), "refresh_token"),
    };
    let fields = [("token", text), ("token_type_hint", hint)];
    let answer = post(egress, revocation_url, client, &fields).await?;
    match answer.status {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
        status => Err(refusal_in(status, &answer.body)),
    }
}
