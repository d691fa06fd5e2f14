//! `/api/accounts/orgs/{org}/integration-credential/` and its masked and schema views
//! (docs/inside/contract.md#integration-credentials).
//! Values go in and come out as masks; no role has the right to unmask them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, QueryParameter, Shape, query, schema_of};
use super::connected_service_answer::ServiceInfo;
use base::error::{Error, FieldErrors, Result};
use base::fields::kind::{Json, Spelled};
use base::fields::{Body, Given, Reader, Request, Text, optional, request, required};
use base::storage::Tx;
use broker::credentials::obstacle;
use broker::oauth::integration::{self, Credential, NAME_CHARACTERS_MAX, NO_OBJECT};
use broker::oauth::provider::{self, Provider};
use tenancy::audit;
use tenancy::tenant;

const NAME: QueryParameter = query("name", "string", "exactly this credential");

const ONE: Shape = Shape::One(schema_of::<CredentialAnswer>);

const ROWS: Shape = Shape::List(schema_of::<CredentialAnswer>);

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists integration credentials, masked.", |call| {
        Box::pin(list(call))
    })
    .query(&[
        NAME,
        query(
            "unmask_sensitive_fields",
            "boolean",
            "accepted; values stay masked, for no role may see them",
        ),
    ])
    .answers(200, ROWS);

pub(crate) const LIST_MASKED: Endpoint =
    Endpoint::closed("Lists integration credentials, masked.", |call| {
        Box::pin(list(call))
    })
    .query(&[NAME])
    .answers(200, ROWS);

pub(crate) const CREATE: Endpoint = Endpoint::closed(
    "Stores an integration credential, such as `auth_google`.",
    |call| Box::pin(create(call)),
)
.reads(Body::whole(
    "IntegrationCredentialRequest",
    &[
        CredentialName::TABLE,
        CredentialValue::TABLE,
        OfPlatform::TABLE,
    ],
))
.answers(200, ONE);

pub(crate) const CHANGE: Endpoint = Endpoint::closed(
    "Changes an integration credential. A mask keeps what is stored, and so does leaving a secret out; null removes it.",
    |call| Box::pin(change(call)),
)
.reads(Body::whole(
    "IntegrationCredentialChange",
    &[CredentialName::TABLE, CredentialValue::TABLE, MaybeOfPlatform::TABLE],
))
.answers(200, ONE);

pub(crate) const DELETE: Endpoint = Endpoint::closed(
    "Deletes the integration credential that the body names.",
    |call| Box::pin(delete(call)),
)
.reads(Body::whole(
    "IntegrationCredentialName",
    &[CredentialName::TABLE, MaybeOfPlatform::TABLE],
));

pub(crate) const SCHEMA: Endpoint = Endpoint::closed(
    "Lists the integration credentials that can be stored, and their fields.",
    |call| Box::pin(schema(call)),
)
.query(&[NAME])
.answers(200, Shape::List(schema_of::<SchemaAnswer>));

request! {
    /// An integration credential by its name.
    struct CredentialName {
        /// What it is called: for a provider `auth_{provider}`.
        name: Option<String> = required(Text::filled(NAME_CHARACTERS_MAX)) => "auth_google";
    }
}

request! {
    /// What an integration credential holds.
    struct CredentialValue {
        /// An object; for `auth_{provider}` with `client_id`, `client_secret`, `redirect_uri`, and if the provider wants
        /// to hear more in the authorization request, `auth_parameters`.
        value: Option<Value> = required(Json::object(NO_OBJECT)) => { "client_id": "id", "client_secret": "a-secret" };
    }
}

request! {
    /// The tenant that must be named.
    struct OfPlatform {
        /// The tenant's key or number.
        platform: Given<String> = required(Spelled) => "acme";
    }
}

request! {
    /// The tenant that may be named.
    struct MaybeOfPlatform {
        /// The tenant's key or number; the caller's unless given.
        platform: Given<String> = optional(Spelled), such as "acme";
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IntegrationCredential")]
struct CredentialAnswer {
    name: String,
    /// The value; what may be a secret is masked.
    value: Map<String, Value>,
    /// The tenant's key.
    platform: String,
    service_info: ServiceInfo,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IntegrationCredentialSchema")]
struct SchemaAnswer {
    name: String,
    /// Field names and their types.
    schema: Map<String, Value>,
    service_info: ServiceInfo,
}

async fn list(call: Call) -> Result<Answer> {
    let name = name_filter(&call)?;
    let tenant = call.caller.tenant.id;
    let mut tx = call.app.db.read().await?;
    let found = integration::list(&mut tx, tenant, name.as_deref()).await?;
    if found.is_empty() && name.is_some() {
        return Err(Error::NotFound("integration credential"));
    }
    let providers = provider::list(&mut tx, tenant).await?;
    let rows = found.iter().map(|row| shown(&call, row, &providers));
    Answer::ok(&rows.collect::<Result<Vec<_>>>()?)
}

fn name_filter(call: &Call) -> Result<Option<String>> {
    let mut reader = Reader::new(&call.query);
    let name = reader.filter("name", NAME_CHARACTERS_MAX);
    reader.finish()?;
    Ok(name)
}

async fn create(call: Call) -> Result<Answer> {
    let (platform, errors) = OfPlatform::whole(&call.fields);
    let (name, value) = asked(&call, platform.platform, errors)?;
    let tenant = call.caller.tenant.id;
    let mut tx = begin(&call).await?;
    integration::create(
        &mut tx,
        &call.app.vault,
        tenant,
        (&name, &value),
        call.now(),
    )
    .await?;
    finish(call, tx, "integration_credential.create", &name).await
}

async fn change(call: Call) -> Result<Answer> {
    let (platform, errors) = MaybeOfPlatform::whole(&call.fields);
    let (name, value) = asked(&call, platform.platform, errors)?;
    let mut tx = begin(&call).await?;
    let stored = integration::get(&mut tx, call.caller.tenant.id, &name).await?;
    integration::update(&mut tx, &call.app.vault, &stored, &value, call.now()).await?;
    finish(call, tx, "integration_credential.update", &name).await
}

async fn delete(call: Call) -> Result<Answer> {
    let (platform, mut errors) = MaybeOfPlatform::whole(&call.fields);
    check_platform(&call, platform.platform, &mut errors);
    let (named, wrong) = CredentialName::whole(&call.fields);
    errors.append(wrong);
    errors.into_result()?;
    let name = named.name.unwrap_or_default();
    let mut tx = begin(&call).await?;
    let stored = integration::get(&mut tx, call.caller.tenant.id, &name).await?;
    integration::delete(&mut tx, &stored).await?;
    record(&call, &mut tx, "integration_credential.delete", &stored).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

async fn schema(call: Call) -> Result<Answer> {
    let name = name_filter(&call)?;
    let mut tx = call.app.db.read().await?;
    let providers = provider::list(&mut tx, call.caller.tenant.id).await?;
    let named = |provider: &&Provider| {
        name.as_ref()
            .is_none_or(|name| *name == provider.credential_name())
    };
    let row = |provider: &Provider| SchemaAnswer {
        name: provider.credential_name(),
        schema: integration::schema(provider),
        service_info: info(provider),
    };
    let rows: Vec<_> = providers.iter().filter(named).map(row).collect();
    if rows.is_empty() && name.is_some() {
        return Err(Error::NotFound("integration credential"));
    }
    Answer::ok(&rows)
}

/// Name and value of the body, with every complaint at once.
fn asked(call: &Call, platform: Given<String>, mut errors: FieldErrors) -> Result<(String, Value)> {
    let (named, of_name) = CredentialName::whole(&call.fields);
    let (valued, of_value) = CredentialValue::whole(&call.fields);
    errors.append(of_name);
    errors.append(of_value);
    check_platform(call, platform, &mut errors);
    errors.into_result()?;
    let name = named.name.unwrap_or_default();
    Ok((name, valued.value.unwrap_or_default()))
}

/// The tenant may be named by key or number, and must be the caller's.
fn check_platform(call: &Call, platform: Given<String>, errors: &mut FieldErrors) {
    let tenant = &call.caller.tenant;
    if let Given::Value(word) = platform
        && word != tenant.key
        && word.parse() != Ok(tenant.id.0)
    {
        let message = format!("Object with key={word} does not exist.");
        errors.add("platform", message);
    }
}

async fn begin(call: &Call) -> Result<Tx> {
    let mut tx = call.app.db.write().await?;
    tenant::hold(&mut tx, call.caller.tenant.id).await?;
    Ok(tx)
}

async fn finish(call: Call, mut tx: Tx, action: &str, name: &str) -> Result<Answer> {
    let tenant = call.caller.tenant.id;
    let stored = integration::get(&mut tx, tenant, name).await?;
    record(&call, &mut tx, action, &stored).await?;
    obstacle::forget_tenant(&mut tx, tenant).await?;
    let providers = provider::list(&mut tx, tenant).await?;
    tx.commit().await?;
    Answer::ok(&shown(&call, &stored, &providers)?)
}

async fn record(call: &Call, tx: &mut Tx, action: &str, row: &Credential) -> Result<()> {
    let entry = call.entry(action, Credential::record_name(row.id));
    audit::record(tx, &entry).await
}

fn shown(call: &Call, row: &Credential, providers: &[Provider]) -> Result<CredentialAnswer> {
    let of_provider = providers
        .iter()
        .find(|provider| provider.credential_name() == row.name);
    Ok(CredentialAnswer {
        name: row.name.clone(),
        value: row.masked(&call.app.vault)?,
        platform: call.caller.tenant.key.clone(),
        service_info: of_provider.map_or_else(|| unknown(&row.name), info),
    })
}

fn info(provider: &Provider) -> ServiceInfo {
    ServiceInfo {
        id: provider.id.0,
        name: provider.name.clone(),
        display_name: provider.display_name.clone(),
        logo: None,
    }
}

/// A credential of no provider that we know is for whatever its name says.
fn unknown(name: &str) -> ServiceInfo {
    ServiceInfo {
        id: 0,
        name: name.to_owned(),
        display_name: name.to_owned(),
        logo: None,
    }
}
