//! Requests to a token endpoint: a code or a refresh token for tokens.
//! Sends each request once, and never puts anything of an answer into an error but the provider's error code.

use super::answer::{self, Asked};
use super::client::Client;
use super::post::post;
use super::tokens::{TokenError, Tokens};
use base::secret::Secret;
use egress::Egress;

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
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", grant.code.expose()),
            ("code_verifier", grant.verifier.expose()),
            ("redirect_uri", grant.redirect_uri),
        ];
        self.ask(egress, &fields, Asked::Code).await
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
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        self.ask(egress, &fields, Asked::Refresh).await
    }

    async fn ask(
        &self,
        egress: &Egress,
        fields: &[(&str, &str)],
        asked: Asked,
    ) -> Result<Tokens, TokenError> {
        let mut fields = fields.to_vec();
        if !self.resource.is_empty() {
            fields.push(("resource", &self.resource));
        }
        let answer = post(egress, &self.url, &self.client, &fields).await?;
        let read = answer::read(answer.status, &answer.body, asked)?;
        if !read.dropped.is_empty() {
            let members = read.dropped.join(" ");
            tracing::warn!(endpoint = %self.url, %members, "members of a token answer were not understood");
        }
        Ok(read.tokens)
    }
}
