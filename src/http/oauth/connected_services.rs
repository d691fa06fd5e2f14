//! `/api/accounts/connected-services/orgs/{org}/users/{user_id}/…`: list, read, begin, delete
//! (docs/inside/contract.md#connected-services).
//! Rows are made by the callback alone.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::super::answer::Answer;
use super::super::drf::error::sign_in_status;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::connected_service_answer::ConnectedServiceAnswer;
use base::error::{Error, Result, SignInFailure};
use base::fields::Reader;
use base::storage::Tx;
use broker::oauth::flow::{self, Person, Start};
use broker::oauth::prompt::{self, About};
use broker::oauth::provider::{self, ProviderId};
use broker::oauth::service::{self, Offer, ServiceId};
use broker::registry::grant::{self, Filter, Grant, GrantId};
use broker::registry::server::{self, ServerId};
use tenancy::audit;
use tenancy::tenant;
use tenancy::tenant::user::{self, User};

/// Longest query text that is looked for.
const SEARCH_CHARACTERS_MAX: usize = 255;
/// Longest redirect URI that is looked at.
const URI_CHARACTERS_MAX: usize = 2048;

pub(crate) const LIST: Endpoint = Endpoint::closed(
    "Lists the services that a person has connected.",
    |call| Box::pin(list(call)),
)
.query(&[
    query("provider", "string", "exactly this provider"),
    query("service", "string", "exactly this service"),
    query("search", "string", "part of a name"),
    query(
        "ordering",
        "string",
        "`id`, `provider`, `service`, `expires_at`, `created_at` or `updated_at`; with `-` the other way",
    ),
])
.answers(200, Shape::List(schema_of::<ConnectedServiceAnswer>));

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a connected service.", |call| Box::pin(read(call)))
        .answers(200, Shape::One(schema_of::<ConnectedServiceAnswer>));

pub(crate) const START: Endpoint = Endpoint::closed(
    "Begins a sign-in and answers the URL to send the person to.",
    |call| Box::pin(start(call)),
)
.query(&[
    query(
        "redirect_uri",
        "string",
        "one of the configured redirect URIs",
    ),
    query("server", "integer", "the MCP server to connect in the end"),
])
.answers(200, Shape::One(schema_of::<StartAnswer>));

pub(crate) const DELETE: Endpoint = Endpoint::closed(
    "Disconnects a service: deletes the grant and the connections that use it, and revokes it at the provider.",
    |call| Box::pin(delete(call)),
);

/// Where the person's browser goes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OAuthStartResponse")]
struct StartAnswer {
    auth_url: String,
}

/// The person of the path, who is the caller or somebody whom they administer.
async fn person(tx: &mut Tx, call: &Call) -> Result<User> {
    user::get(tx, call.caller.tenant.id, call.path.get("user_id")).await
}

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let filter = Filter {
        provider: reader.filter("provider", SEARCH_CHARACTERS_MAX),
        service: reader.filter("service", SEARCH_CHARACTERS_MAX),
        search: reader.filter("search", SEARCH_CHARACTERS_MAX),
    };
    let ordering = reader.filter("ordering", SEARCH_CHARACTERS_MAX);
    reader.finish()?;
    let mut tx = call.app.db.read().await?;
    let person = person(&mut tx, &call).await?;
    let mut rows = grant::list(&mut tx, call.caller.tenant.id, person.id, &filter).await?;
    if let Some(ordering) = ordering {
        rows.sort_by(|a, b| compare(&ordering, &a.grant, &b.grant));
    }
    let rows: Vec<_> = rows.into_iter().map(ConnectedServiceAnswer::new).collect();
    Answer::ok(&rows)
}

/// By a field of the answer; a name that is none of them orders nothing, as the framework does.
fn compare(ordering: &str, a: &Grant, b: &Grant) -> Ordering {
    let (field, is_reversed) = match ordering.strip_prefix('-') {
        Some(field) => (field, true),
        None => (ordering, false),
    };
    let order = match field {
        "id" => a.id.cmp(&b.id),
        "provider" => a.provider.cmp(&b.provider),
        "service" => a.service.cmp(&b.service),
        "expires_at" => a.expires_at.cmp(&b.expires_at),
        "created_at" => a.created_at.cmp(&b.created_at),
        "updated_at" => a.updated_at.cmp(&b.updated_at),
        _ => Ordering::Equal,
    };
    match is_reversed {
        true => order.reverse(),
        false => order,
    }
}

async fn read(call: Call) -> Result<Answer> {
    let id = call.path.id()?;
    let mut tx = call.app.db.read().await?;
    let person = person(&mut tx, &call).await?;
    let row = grant::get(&mut tx, call.caller.tenant.id, person.id, GrantId(id)).await?;
    Answer::ok(&ConnectedServiceAnswer::new(row))
}

async fn start(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let redirect_uri = reader.filter("redirect_uri", URI_CHARACTERS_MAX);
    let server = reader.id("server").value().map(ServerId);
    reader.finish()?;
    let (person, offer, further_scope) = named(&call, server).await?;
    let start = Start {
        tenant: &call.caller.tenant,
        user: &person,
        by: &Person::of_caller(&call.caller),
        service: offer.service.id,
        server,
        prompt_id: None,
        further_scope: &further_scope,
        redirect_uri: redirect_uri.as_deref(),
        base_url: &call.base_url,
    };
    let error = match flow::start(&call.app.flow, &start).await {
        Ok(started) => {
            return Answer::ok(&StartAnswer {
                auth_url: started.auth_url,
            });
        }
        Err(error) => error,
    };
    match give_up(&call, (&person, server, offer.service.id), error).await {
        Error::SignIn(failure @ SignInFailure::NoCredentials) => {
            not_set_up(&call, failure, offer.provider.id).await
        }
        error => Err(error),
    }
}

/// The published clients compare `detail`; what an administrator must do stands beside it.
async fn not_set_up(call: &Call, failure: SignInFailure, provider: ProviderId) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    // As it is now: it may have refused to register us just now.
    let provider = provider::find(&mut tx, provider).await?;
    drop(tx);
    let reason = match provider {
        Some(provider) => flow::lacking(&call.app.flow, call.caller.tenant.id, &provider).await?,
        None => None,
    };
    let mut body = json!({ "detail": failure.to_string() });
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    Answer::json(sign_in_status(failure), &body)
}

/// Lets the calls that wait for the sign-in hear that it cannot begin.
async fn give_up(
    call: &Call,
    (person, server, service): (&User, Option<ServerId>, ServiceId),
    error: Error,
) -> Error {
    let Error::SignIn(failure) = error else {
        return error;
    };
    let whose = (call.caller.tenant.id, person.id);
    let told = async {
        let about = About {
            prompt: "",
            server,
            service: Some(service),
        };
        let mut tx = call.app.db.write().await?;
        prompt::fail(&mut tx, whose, about, failure).await?;
        Ok::<_, Error>(tx.commit().await?)
    };
    if let Err(other) = told.await {
        tracing::warn!(error = %other.chain(), "failed to report a failed sign-in to the call that waits for it");
    }
    call.app.gateway.sign_ins.wake(whose.0, whose.1);
    error
}

/// The person and the service of the path, and the scopes that a call of theirs to the server lacked; the server, if
/// one is named, must be one that the tenant sees.
async fn named(call: &Call, server: Option<ServerId>) -> Result<(User, Offer, String)> {
    let tenant = call.caller.tenant.id;
    let mut tx = call.app.db.read().await?;
    let person = person(&mut tx, call).await?;
    let mut lacked = None;
    if let Some(id) = server {
        server::get_visible(&mut tx, tenant, id).await?;
        lacked = prompt::scope_of(&mut tx, (tenant, person.id), id, call.now()).await?;
    }
    let names = (call.path.get("provider"), call.path.get("service"));
    let found = service::find_by_names(&mut tx, tenant, names).await?;
    let offer = found.ok_or(Error::NotFound("service"))?;
    Ok((person, offer, lacked.unwrap_or_default()))
}

async fn delete(call: Call) -> Result<Answer> {
    let id = call.path.id()?;
    let tenant = call.caller.tenant.id;
    let mut tx = call.app.db.write().await?;
    tenant::hold(&mut tx, tenant).await?;
    let person = person(&mut tx, &call).await?;
    let deleted = grant::delete(&mut tx, tenant, person.id, GrantId(id)).await?;
    let entry = call.entry("connected_service.delete", Grant::record_name(deleted.id));
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    // The provider may be slow or gone; the person is disconnected all the same.
    let flow = call.app.flow.clone();
    call.app
        .tasks
        .spawn(async move { flow::revoke_grant(&flow, &deleted).await });
    Ok(Answer::no_content())
}
