//! `…/oauth-services/` and `…/oauth-services/{service_name}/scopes/` (docs/inside/contract.md#oauth-services).

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, QueryParameter, Shape, query, schema_of};
use super::service_answer::ServiceRow;
use base::error::{Error, Result, SignInFailure};
use base::fields::Reader;
use base::storage::Tx;
use broker::oauth::integration::{self, Identity};
use broker::oauth::provider::ProviderId;
use broker::oauth::service::{self, Offer};

/// Longest name that is looked for.
const NAME_CHARACTERS_MAX: usize = 255;

const INCLUDE_DISABLED: QueryParameter = query(
    "include_disabled",
    "boolean",
    "also what the operator switched off",
);

pub(crate) const LIST: Endpoint = Endpoint::closed(
    "Lists the OAuth services that people can connect, each with its provider.",
    |call| Box::pin(list(call)),
)
.query(&[
    query("name", "string", "exactly this name, in any case"),
    INCLUDE_DISABLED,
])
.answers(200, Shape::List(schema_of::<ServiceRow>));

pub(crate) const SCOPES: Endpoint = Endpoint::closed(
    "Lists the OAuth services of that name, with the scopes that each asks for.",
    |call| Box::pin(scopes(call)),
)
.query(&[INCLUDE_DISABLED])
.answers(200, Shape::List(schema_of::<ServiceRow>));

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let name = reader.filter("name", NAME_CHARACTERS_MAX);
    reader.finish()?;
    rows(&call, name.as_deref()).await
}

async fn scopes(call: Call) -> Result<Answer> {
    rows(&call, Some(call.path.get("service_name"))).await
}

async fn rows(call: &Call, name: Option<&str>) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let include_disabled = reader.boolean("include_disabled").value().unwrap_or(false);
    reader.finish()?;
    let mut tx = call.app.db.read().await?;
    let mut offers = service::list(&mut tx, call.caller.tenant.id).await?;
    offers.retain(|offer| include_disabled || offer.is_enabled());
    let identities = identities(&mut tx, call, &offers).await?;
    let named = |offer: &&Offer| {
        name.is_none_or(|name| offer.service.name.to_lowercase() == name.to_lowercase())
    };
    let row = |offer: &Offer| {
        let identity = identities.iter().find(|(id, _)| *id == offer.provider.id);
        ServiceRow::new(offer, &offers, identity.map(|(_, identity)| identity))
    };
    let rows: Vec<ServiceRow> = offers.iter().filter(named).map(row).collect();
    Answer::ok(&rows)
}

/// Who the tenant is at each provider of the catalog, where somebody has said so.
async fn identities(
    tx: &mut Tx,
    call: &Call,
    offers: &[Offer],
) -> Result<Vec<(ProviderId, Identity)>> {
    let mut found: Vec<(ProviderId, Identity)> = Vec::new();
    let mut asked = Vec::new();
    for offer in offers {
        let provider = &offer.provider;
        if asked.contains(&provider.id) || !provider.is_of_catalog() {
            continue;
        }
        asked.push(provider.id);
        let identity =
            integration::identity(tx, &call.app.vault, call.caller.tenant.id, provider).await;
        match identity {
            Ok(identity) => found.push((provider.id, identity)),
            Err(Error::SignIn(SignInFailure::NoCredentials)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
