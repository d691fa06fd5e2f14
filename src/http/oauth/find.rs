//! `…/mcp-servers/oauth-find/`: the OAuth service of a server that is about to be registered
//! (docs/inside/contract.md#oauth-find).
//! The callback that a client names is not used: redirect URIs are configured.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use super::service_answer::ServiceAnswer;
use base::error::Result;
use base::fields::{Body, Given, Request, Text, optional, request, required};
use broker::oauth::client;
use broker::oauth::discover::DiscoverError;
use broker::oauth::flow::{FindError, ask_again, find_service, lacking};
use broker::oauth::provider;
use broker::registry::server::{NAME_CHARACTERS_MAX, URL_CHARACTERS_MAX};
use tenancy::audit;

pub(crate) const FIND: Endpoint = Endpoint::closed(
    "Finds the OAuth service of the MCP server at a URL, or discovers it from what the server says.",
    |call| Box::pin(find(call)),
)
.reads(Body::whole("MCPServerOauthFind", &[FindRequest::TABLE]))
.answers(200, Shape::One(schema_of::<FoundAnswer>));

request! {
    /// A server by its URL.
    struct FindRequest {
        /// Where the server is.
        url: Option<String> = required(Text::filled(URL_CHARACTERS_MAX)) => "https://mcp.example.com/mcp";
        /// The display name of a service that is discovered.
        name: Given<String> = optional(Text::blank(NAME_CHARACTERS_MAX)) => "Example";
    } ignored {
        /// Accepted and not used: redirect URIs are configured.
        callback_url = "https://app.example.com/callback";
    }
}

/// The service, and what is still to be done before people can sign in there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OAuthServiceFound")]
struct FoundAnswer {
    #[serde(flatten)]
    service: ServiceAnswer,
    /// What an administrator must do first; left out if nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
}

async fn find(call: Call) -> Result<Answer> {
    let (asked, errors) = FindRequest::whole(&call.fields);
    errors.into_result()?;
    let url = asked.url.unwrap_or_default();
    let name = asked.name.value().unwrap_or_default();
    let place = (url.as_str(), name.as_str());
    match find_service(&call.app.flow, call.caller.tenant.id, place).await {
        Ok(offer) => {
            let object = format!("oauth_service:{}", offer.service.id.0);
            let tenant = call.caller.tenant.id;
            let mut tx = call.app.db.write().await?;
            // Asked for anew is registered anew: only the provider's own page may show that it does not know our
            // registration.
            if !offer.provider.is_of_catalog() {
                let of = (offer.provider.issuer.as_str(), None);
                client::forget(&mut tx, tenant, of, call.now()).await?;
            }
            audit::record(&mut tx, &call.entry("oauth_service.find", object)).await?;
            tx.commit().await?;
            let (flow, base_url) = (&call.app.flow, &call.base_url);
            ask_again(flow, tenant, &offer.provider, base_url).await?;
            let mut tx = call.app.db.read().await?;
            let provider = provider::find(&mut tx, offer.provider.id).await?;
            drop(tx);
            let notice = match provider {
                Some(provider) => lacking(flow, tenant, &provider).await?,
                None => None,
            };
            Answer::ok(&FoundAnswer {
                service: ServiceAnswer::new(&offer),
                notice,
            })
        }
        Err(FindError::Discover(error)) => refusal(&error),
        Err(FindError::Other(error)) => Err(error),
    }
}

/// The published clients read `error` here, the front end `detail` first.
fn refusal(error: &DiscoverError) -> Result<Answer> {
    let text = error.to_string();
    Answer::json(
        StatusCode::BAD_REQUEST,
        &json!({ "error": text, "detail": text }),
    )
}
