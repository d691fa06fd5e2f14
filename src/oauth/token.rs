//! Requests to a token endpoint: a code or a refresh token for tokens.
//! Sends each request once, and never puts anything of an answer into an error but the provider's error code.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, StandardErrorResponse, TokenResponse, TokenUrl,
};
use serde::Deserialize;

use super::client::{Client, TokenAuthMethod};
use crate::egress::{Egress, Failure, Limits, Sent};
use crate::secret::Secret;

/// Longest wait for the answer of a token endpoint. Long, because an answer that comes too late is a rotated
/// token lost.
pub const TOKEN_DEADLINE: Duration = Duration::from_secs(60);
/// Longest answer of a token endpoint, in bytes.
pub const TOKEN_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Longest token that is taken, in bytes; it becomes a header.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest word before a token (contract.md section 9).
const TOKEN_TYPE_BYTES_MAX: usize = 32;
/// Longest life that is believed of an access token.
const LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Longest error code that is passed on, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// The codes that say that a code or refresh token is good for nothing any more: RFC 6749's, and what GitHub, Slack and
/// OpenID providers say instead.
const INVALID_GRANT: [&str; 6] = [
    "invalid_grant",
    "bad_refresh_token",
    "invalid_refresh_token",
    "token_revoked",
    "interaction_required",
    "login_required",
];

/// A token endpoint, who we are there, and what the tokens are for.
#[derive(Debug, Clone)]
pub struct TokenEndpoint {
    /// Its address.
    pub url: String,
    /// Who we are.
    pub client: Client,
    /// The resource that the tokens are for (RFC 8707); empty for a provider that knows none.
    pub resource: String,
}

/// An authorization code and what proves that it is ours.
#[derive(Debug)]
pub struct CodeGrant<'a> {
    /// The code.
    pub code: &'a Secret,
    /// The PKCE verifier.
    pub verifier: &'a Secret,
    /// The redirect URI of the authorization request, to the letter.
    pub redirect_uri: &'a str,
}

/// What a token endpoint gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if a new one came.
    pub refresh_token: Option<Secret>,
    /// The word before the access token, in lower case.
    pub token_type: String,
    /// How long the access token lives; `None` if it does not end.
    pub expires_in: Option<Duration>,
    /// The scopes granted, separated by spaces; `None` if they are those that were asked for.
    pub scope: Option<String>,
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The address is not one that may be dialled.
    #[error("the token endpoint has an address that is not allowed")]
    Address,
    /// The provider refused, with the error code of RFC 6749 section 5.2.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// No answer came, or one that asks to come back later.
    #[error("the token endpoint is not available")]
    Unavailable {
        /// Whether the request may have been carried out all the same, so that a refresh token may be used up.
        may_be_used: bool,
    },
    /// What came is not the answer of a token endpoint.
    #[error("the token endpoint broke the protocol: {0}")]
    Malformed(&'static str),
}

impl TokenError {
    /// Whether the code or refresh token is not, or not any more, accepted.
    pub fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused(code) if INVALID_GRANT.contains(&code.as_str()))
    }
}

type Prepared =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl TokenEndpoint {
    /// Exchanges an authorization code.
    ///
    /// # Errors
    /// If no usable tokens came back; the code is used up unless the address was refused.
    pub async fn exchange(
        &self,
        egress: &Egress,
        grant: &CodeGrant<'_>,
    ) -> Result<Tokens, TokenError> {
        let client = self.prepare(egress)?;
        let redirect = RedirectUrl::new(grant.redirect_uri.to_owned())
            .map_err(|_| TokenError::Malformed("the redirect URI is no URL"))?;
        let request = client
            .exchange_code(AuthorizationCode::new(grant.code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(grant.verifier.expose().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect));
        let request = match self.resource.as_str() {
            "" => request,
            resource => request.add_extra_param("resource", resource.to_owned()),
        };
        let answer = request.request_async(&Way(egress)).await;
        tokens(answer.map_err(TokenError::from)?)
    }

    /// Exchanges a refresh token. The same scopes are asked for by naming none.
    ///
    /// # Errors
    /// If no usable tokens came back.
    pub async fn refresh(
        &self,
        egress: &Egress,
        refresh_token: &Secret,
    ) -> Result<Tokens, TokenError> {
        let client = self.prepare(egress)?;
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let request = client.exchange_refresh_token(&token);
        let request = match self.resource.as_str() {
            "" => request,
            resource => request.add_extra_param("resource", resource.to_owned()),
        };
        let answer = request.request_async(&Way(egress)).await;
        tokens(answer.map_err(TokenError::from)?)
    }

    fn prepare(&self, egress: &Egress) -> Result<Prepared, TokenError> {
        // The library takes any text that is a URL, and builds no request for some of them.
        egress
            .check_url(&self.url)
            .map_err(|_| TokenError::Address)?;
        let url = TokenUrl::new(self.url.clone()).map_err(|_| TokenError::Address)?;
        Ok(prepare(&self.client).set_token_uri(url))
    }
}

fn prepare(client: &Client) -> BasicClient {
    let prepared = BasicClient::new(ClientId::new(client.id.clone()));
    match client.auth_method {
        TokenAuthMethod::None => prepared.set_auth_type(AuthType::RequestBody),
        TokenAuthMethod::ClientSecretPost => prepared
            .set_auth_type(AuthType::RequestBody)
            .set_client_secret(ClientSecret::new(client.secret.expose().to_owned())),
        TokenAuthMethod::ClientSecretBasic => prepared
            .set_auth_type(AuthType::BasicAuth)
            .set_client_secret(ClientSecret::new(client.secret.expose().to_owned())),
    }
}

/// The library's way out is ours.
pub(super) struct Way<'a>(pub(super) &'a Egress);

/// Why there is no answer to read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error("status {0}")]
    Status(StatusCode),
}

impl<'c> AsyncHttpClient<'c> for Way<'_> {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Way<'_> {
    /// Sends a request and reads the answer. A status from 500, and 429, is no answer.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
        let destination = self
            .0
            .check_url(&request.uri().to_string())
            .map_err(Failure::Refused)?;
        let mut request = request.map(Bytes::from);
        *request.uri_mut() = destination.uri().clone();
        if let Some(authorization) = request.headers_mut().get_mut(http::header::AUTHORIZATION) {
            authorization.set_sensitive(true);
        }
        let limits = Limits {
            headers: TOKEN_DEADLINE,
            idle: TOKEN_DEADLINE,
        };
        let answer = self.0.send(request, &limits).await?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(NoAnswer::Status(status));
        }
        let (head, body) = answer.into_parts();
        let body = body
            .read_to_end(TOKEN_ANSWER_BYTES_MAX, TOKEN_DEADLINE)
            .await?;
        Ok(HttpResponse::from_parts(head, body.to_vec()))
    }
}

impl From<NoAnswer> for TokenError {
    fn from(failure: NoAnswer) -> Self {
        match failure {
            NoAnswer::Failure(Failure::Refused(_)) => Self::Address,
            NoAnswer::Failure(Failure::Redirected { .. }) => Self::Malformed("it redirects"),
            NoAnswer::Failure(Failure::TooLarge { .. }) => {
                Self::Malformed("its answer is too long")
            }
            NoAnswer::Failure(failure) => Self::Unavailable {
                may_be_used: failure.sent() == Sent::Maybe,
            },
            NoAnswer::Status(status) => {
                tracing::debug!(
                    http.status = status.as_u16(),
                    "a token endpoint is not available"
                );
                Self::Unavailable { may_be_used: true }
            }
        }
    }
}

/// The error member, which some providers send with status 200.
#[derive(Deserialize)]
struct ErrorMember {
    error: String,
}

type Refusal = RequestTokenError<NoAnswer, StandardErrorResponse<BasicErrorResponseType>>;

impl From<Refusal> for TokenError {
    fn from(error: Refusal) -> Self {
        match error {
            RequestTokenError::ServerResponse(response) => refused(response.error().as_ref()),
            RequestTokenError::Request(failure) => failure.into(),
            RequestTokenError::Parse(_, body) => refusal_in(&body),
            RequestTokenError::Other(_) => Self::Malformed("its answer is empty or no JSON"),
        }
    }
}

/// The refusal in an answer that holds no tokens.
pub(super) fn refusal_in(body: &[u8]) -> TokenError {
    match serde_json::from_slice::<ErrorMember>(body) {
        Ok(found) => refused(&found.error),
        Err(_) => TokenError::Malformed("its answer is not the JSON of RFC 6749"),
    }
}

/// A code as RFC 6749 allows it; anything else is not passed on.
fn refused(code: &str) -> TokenError {
    let is_code = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    if code.is_empty() || code.len() > CODE_BYTES_MAX || !code.bytes().all(is_code) {
        return TokenError::Malformed("its error code is none");
    }
    TokenError::Refused(code.to_owned())
}

fn tokens(answer: BasicTokenResponse) -> Result<Tokens, TokenError> {
    let token = |text: &str| {
        let is_usable = !text.is_empty() && text.len() <= TOKEN_BYTES_MAX;
        (is_usable && text.bytes().all(|c| c.is_ascii_graphic()))
            .then(|| Secret::new(text))
            .ok_or(TokenError::Malformed(
                "a token is empty, too long or no header value",
            ))
    };
    let token_type = answer.token_type().as_ref().to_ascii_lowercase();
    let is_word = token_type
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if token_type.is_empty() || token_type.len() > TOKEN_TYPE_BYTES_MAX || !is_word {
        return Err(TokenError::Malformed("its token type is no word"));
    }
    let scope = answer.scopes().map(|scopes| {
        let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        words.join(" ")
    });
    let refresh_token = answer.refresh_token().map(|text| token(text.secret()));
    Ok(Tokens {
        access_token: token(answer.access_token().secret())?,
        refresh_token: refresh_token.transpose()?,
        token_type,
        expires_in: answer.expires_in().map(|life| life.min(LIFE_MAX)),
        scope,
    })
}
