//! Integration credentials: what an admin stores so that the tenant can use other services, above all
//! `auth_{provider}`, who we are at an OAuth provider (docs/inside/contract.md#integration-credentials).
//! Shows a value only as masks; in the clear it goes to the provider and nowhere else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::client;
use super::parameters::is_ours;
use super::provider::{self, Provider};
use super::reauth::ReauthReason;
use super::{Client, TokenAuthMethod, lenient, template};
use crate::clock::UnixMs;
use crate::error::{Error, FieldErrors, Result, SignInFailure};
use crate::registry::sealed::{
    CLIENT_SECRET, Change, Record, VALUE, integration_credential_record, mask_complaint,
};
use crate::secret::{Secret, Vault, looks_masked, mask};
use crate::sql;
use crate::storage::Tx;
use crate::tenant::TenantId;

/// The tenant whose credentials serve every tenant that has none of its own
/// (docs/inside/contract.md#connected-services).
pub const MAIN_TENANT: &str = "main";
/// What is said of a value that is no object.
pub const NO_OBJECT: &str = "Value must be a valid JSON object.";
/// Longest name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 255;
/// Largest value, in bytes of JSON.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// What the name of a credential for a provider begins with.
const PREFIX: &str = "auth_";
const CLIENT_ID: &str = "client_id";
const REDIRECT_URI: &str = "redirect_uri";
/// Further parameters of the authorization request, such as `audience`: an object of texts.
const AUTH_PARAMETERS: &str = "auth_parameters";

/// A stored credential.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Credential {
    /// Its number, which clients never see.
    pub id: i64,
    /// The tenant that stored it.
    pub tenant_id: TenantId,
    /// What it is for; unique in the tenant.
    pub name: String,
    /// A sealed JSON object.
    pub value_sealed: String,
    /// When it was stored.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Credential {
    /// The record's name for [`crate::secret::Binding`].
    pub fn record_name(id: i64) -> String {
        integration_credential_record(id)
    }

    /// The value with everything masked that may be a secret.
    ///
    /// # Errors
    /// `Internal` if it does not open.
    pub fn masked(&self, vault: &Vault) -> Result<Map<String, Value>> {
        let fields = self.open(vault)?;
        let show = |(key, value): (String, Value)| match is_open(&key) {
            true => (key, value),
            false => (key, masked(value)),
        };
        Ok(fields.into_iter().map(show).collect())
    }

    fn open(&self, vault: &Vault) -> Result<Map<String, Value>> {
        let name = Self::record_name(self.id);
        let record = record(self.tenant_id, &name);
        let text = record.open(vault, VALUE, &self.value_sealed);
        serde_json::from_str(text.map_err(Error::internal)?.expose()).map_err(Error::internal)
    }
}

/// A credential's value goes wherever the provider is, so it is bound to no origin.
fn record(tenant: TenantId, name: &str) -> Record<'_> {
    Record {
        tenant,
        name,
        origin: "",
    }
}

/// Fields that an administrator must be able to compare with what the provider shows, and that no secret is in. All
/// others may be one.
fn is_open(key: &str) -> bool {
    const OPEN: [&str; 10] = [
        CLIENT_ID,
        REDIRECT_URI,
        "redirect_uris",
        "tenant_id",
        "domain",
        "issuer",
        "base_url",
        "region",
        "scope",
        "scopes",
    ];
    OPEN.contains(&key)
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => mask(&text).into(),
        // A PIN is a secret too.
        Value::Number(number) => mask(&number.to_string()).into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, masked(value)));
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// A tenant's credentials by name; only the one of this name, if one is given.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, tenant: TenantId, name: Option<&str>) -> Result<Vec<Credential>> {
    Ok(sql!(
        tx,
        fetch_all as Credential,
        "SELECT * FROM integration_credentials WHERE tenant_id = $1 AND ($2 IS NULL OR name = $2) ORDER BY name",
        tenant,
        name
    )?)
}

/// A tenant's credential of that name.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, tenant: TenantId, name: &str) -> Result<Credential> {
    let mut found = list(tx, tenant, Some(name)).await?;
    found.pop().ok_or(Error::NotFound("integration credential"))
}

/// The credential that counts for a tenant: its own, else the one of the tenant `main`.
///
/// # Errors
/// If the database fails.
pub async fn find_for(tx: &mut Tx, tenant: TenantId, name: &str) -> Result<Option<Credential>> {
    Ok(sql!(
        tx,
        fetch_optional as Credential,
        "SELECT c.* FROM integration_credentials c JOIN tenants t ON t.id = c.tenant_id
         WHERE c.name = $2 AND (c.tenant_id = $1 OR t.key = $3)
         ORDER BY CASE WHEN c.tenant_id = $1 THEN 0 ELSE 1 END LIMIT 1",
        tenant,
        name,
        MAIN_TENANT
    )?)
}

/// Whether a tenant can use a provider: one of the catalog needs the credential that says who we are there.
///
/// # Errors
/// If the database fails.
pub async fn is_set_up(tx: &mut Tx, tenant: TenantId, provider: &str) -> Result<bool> {
    match provider::find_by_name(tx, tenant, provider).await? {
        Some(known) if known.is_of_catalog() => {
            let found = find_for(tx, tenant, &known.credential_name()).await?;
            Ok(found.is_some())
        }
        Some(_) | None => Ok(true),
    }
}

/// The name of the credential without which a tenant cannot use a provider, if it is not stored. A discovered provider
/// may know us without one: as a client that it takes by its document's address, or that is registered, now or later.
///
/// # Errors
/// If the database fails.
pub async fn lacking(
    tx: &mut Tx,
    tenant: TenantId,
    provider: &Provider,
    now: UnixMs,
) -> Result<Option<String>> {
    let registers =
        !provider.registration_url.is_empty() && provider.registration_refused.is_none();
    if !provider.is_of_catalog()
        && (provider.takes_client_id_documents
            || registers
            || client::is_registered(tx, tenant, &provider.issuer, now).await?)
    {
        return Ok(None);
    }
    let found = stored_for(tx, tenant, provider).await?;
    Ok(found.is_none().then(|| provider.credential_name()))
}

/// Stores a credential.
///
/// # Errors
/// `Invalid` for a value that cannot be used, or a name that is taken.
pub async fn create(
    tx: &mut Tx,
    vault: &Vault,
    tenant: TenantId,
    (name, value): (&str, &Value),
    now: UnixMs,
) -> Result<()> {
    let provider = provider_of(tx, tenant, name).await?;
    let fields = checked((name, provider.as_ref()), value, &Map::new())?;
    let created = sql!(
        tx,
        scalar as i64,
        "INSERT INTO integration_credentials (tenant_id, name, value_sealed, created_at, updated_at)
         VALUES ($1, $2, '', $3, $3) RETURNING id",
        tenant,
        name,
        now
    );
    match created {
        Ok(id) => {
            seal(tx, vault, (tenant, id), fields, now).await?;
            try_again(tx, tenant, name).await
        }
        Err(error) if error.is_unique_violation() => Err(Error::field(
            "non_field_errors",
            "The fields name, platform must make a unique set.",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Changes a credential's value. A text that is only the mask of the stored one stays as it is stored, and so does a
/// secret that is not spoken of; null removes it.
///
/// # Errors
/// `Invalid` for a value that cannot be used.
pub async fn update(
    tx: &mut Tx,
    vault: &Vault,
    stored: &Credential,
    value: &Value,
    now: UnixMs,
) -> Result<()> {
    let provider = provider_of(tx, stored.tenant_id, &stored.name).await?;
    let of = (stored.name.as_str(), provider.as_ref());
    let known = stored.open(vault)?;
    let mut fields = checked(of, value, &known)?;
    for (key, secret) in known.into_iter().filter(|(key, _)| !is_open(key)) {
        fields.entry(key).or_insert(secret);
    }
    fields.retain(|_, value| !value.is_null());
    seal(tx, vault, (stored.tenant_id, stored.id), fields, now).await?;
    try_again(tx, stored.tenant_id, &stored.name).await
}

/// The provider that a credential is for, if it is for one that is known.
async fn provider_of(tx: &mut Tx, tenant: TenantId, name: &str) -> Result<Option<Provider>> {
    match name.strip_prefix(PREFIX) {
        Some(name) => provider::find_by_name(tx, tenant, name).await,
        None => Ok(None),
    }
}

/// Lets grants be refreshed again that a provider refused because of the credential that stood here: its tenant's, or
/// those of every tenant that has none of its own.
async fn try_again(tx: &mut Tx, tenant: TenantId, name: &str) -> Result<()> {
    let Some(provider) = name.strip_prefix(PREFIX) else {
        return Ok(());
    };
    sql!(
        tx,
        execute,
        "UPDATE connected_services SET needs_reauth = NULL, retry_at = 0, refresh_failures = 0, refresh_failure = ''
         WHERE needs_reauth = $4 AND (provider = $2 OR issuer IN (
                 SELECT issuer FROM oauth_providers WHERE name = $2 AND tenant_id IS NULL AND issuer <> ''))
           AND (tenant_id = $1 OR EXISTS (SELECT 1 FROM tenants WHERE id = $1 AND key = $3))",
        tenant,
        provider,
        MAIN_TENANT,
        ReauthReason::ClientRefused.as_str()
    )?;
    Ok(())
}

/// Deletes a credential. Grants that were made with it stay, and are refreshed no more.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, stored: &Credential) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM integration_credentials WHERE id = $1",
        stored.id
    )?;
    Ok(())
}

async fn seal(
    tx: &mut Tx,
    vault: &Vault,
    (tenant, id): (TenantId, i64),
    fields: Map<String, Value>,
    now: UnixMs,
) -> Result<()> {
    let change = Change::Set(Secret::new(Value::Object(fields).to_string()));
    let sealed = record(tenant, &Credential::record_name(id)).seal(vault, VALUE, &change, "");
    sql!(
        tx,
        execute,
        "UPDATE integration_credentials SET value_sealed = $2, updated_at = $3 WHERE id = $1",
        id,
        sealed,
        now
    )?;
    Ok(())
}

/// The fields to store, with masks replaced by what they stand for.
fn checked(
    (name, provider): (&str, Option<&Provider>),
    value: &Value,
    stored: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let mut errors = FieldErrors::default();
    let Value::Object(fields) = value else {
        return Err(Error::field(VALUE, NO_OBJECT));
    };
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err(Error::field(VALUE, "This value is too large."));
    }
    let mut fields = fields.clone();
    for (key, value) in &mut fields {
        if let Err(message) = unmask(value, stored.get(key)) {
            errors.add(VALUE, format!("Enter {key} again: {message}."));
        }
    }
    if name.starts_with(PREFIX) {
        check_client(provider, &mut fields, &mut errors);
    }
    errors.into_result()?;
    Ok(fields)
}

/// Complains of what could not work at a provider, and takes texts without the spaces around them.
fn check_client(
    provider: Option<&Provider>,
    fields: &mut Map<String, Value>,
    errors: &mut FieldErrors,
) {
    let places = provider.into_iter().flat_map(|provider| {
        let urls = [
            &provider.auth_url,
            &provider.token_url,
            &provider.revocation_url,
        ];
        urls.into_iter().flat_map(|url| template::places(url))
    });
    let places: BTreeMap<&str, Option<&str>> = places.collect();
    for key in [CLIENT_ID, CLIENT_SECRET, REDIRECT_URI]
        .iter()
        .chain(places.keys())
    {
        let Some(value) = fields.get_mut(*key) else {
            continue;
        };
        match value {
            Value::Null => {}
            // An id or a secret of digits is still one.
            Value::Number(number) => *value = Value::String(number.to_string()),
            Value::String(text) => *value = Value::String(text.trim().to_owned()),
            _ => errors.add(VALUE, format!("{key} must be a text.")),
        }
    }
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_given = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
    let only_adds =
        provider.is_some_and(|known| !known.is_of_catalog()) && is_given(AUTH_PARAMETERS);
    if text(CLIENT_ID).is_empty() && !only_adds {
        errors.add(VALUE, "client_id is required.");
    }
    for key in [CLIENT_ID, CLIENT_SECRET] {
        if text(key).contains(char::is_control) {
            errors.add(VALUE, format!("{key} must be one line."));
        }
    }
    for (place, default) in places {
        let value = text(place);
        if value.is_empty() && default.is_none() {
            errors.add(VALUE, format!("{place} is required."));
        }
        if !value.is_empty() && !template::is_value(value) {
            let message = "must be a host name or a word, without https:// and slashes.";
            errors.add(VALUE, format!("{place} {message}"));
        }
    }
    let further = fields.get(AUTH_PARAMETERS).filter(|value| !value.is_null());
    let further =
        further.map(|value| serde_json::from_value::<BTreeMap<String, String>>(value.clone()));
    match further {
        Some(Err(_)) => errors.add(VALUE, "auth_parameters must be an object of texts."),
        Some(Ok(further)) => {
            for name in further.keys().filter(|name| is_ours(name)) {
                errors.add(VALUE, format!("auth_parameters must not have {name}."));
            }
        }
        None => {}
    }
}

/// Puts what is stored in the place of its masks, at any depth.
fn unmask(value: &mut Value, stored: Option<&Value>) -> Result<(), &'static str> {
    match value {
        Value::String(text) if looks_masked(text) => {
            let shown = match stored {
                Some(Value::String(known)) => mask(known),
                Some(Value::Number(known)) => mask(&known.to_string()),
                Some(_) | None => String::new(),
            };
            if let Some(message) = mask_complaint(text, &shown) {
                return Err(message);
            }
            *value = stored.cloned().unwrap_or_default();
            Ok(())
        }
        Value::Array(items) => {
            let stored = stored.and_then(Value::as_array);
            for (at, item) in items.iter_mut().enumerate() {
                unmask(item, stored.and_then(|items| items.get(at)))?;
            }
            Ok(())
        }
        Value::Object(members) => {
            let stored = stored.and_then(Value::as_object);
            for (key, member) in members {
                unmask(member, stored.and_then(|members| members.get(key)))?;
            }
            Ok(())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Who a tenant is at a provider of the catalog, and the provider's URLs for it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The client.
    pub client: Client,
    /// Whether the tenant `main` said so, and not the tenant itself.
    pub is_of_main: bool,
    /// The redirect URIs that are registered for it, the usual one first; may be none.
    pub redirect_uris: Vec<String>,
    /// Where a person is sent.
    pub auth_url: String,
    /// Where codes are exchanged.
    pub token_url: String,
    /// Where tokens are revoked; empty where that is not offered.
    pub revocation_url: String,
}

/// The credential that says who a tenant is at a provider: its own, or for a discovered one that the catalog knows by its
/// issuer, the one of the catalog's.
async fn stored_for(
    tx: &mut Tx,
    tenant: TenantId,
    provider: &Provider,
) -> Result<Option<Credential>> {
    let found = find_for(tx, tenant, &provider.credential_name()).await?;
    if found.is_some() {
        return Ok(found);
    }
    match provider::in_catalog(tx, provider).await? {
        Some(known) => find_for(tx, tenant, &known.credential_name()).await,
        None => Ok(None),
    }
}

/// What an administrator of a tenant wants a provider to be asked beside the standard's parameters.
///
/// # Errors
/// If the database fails, or the credential does not open.
pub async fn auth_parameters(
    tx: &mut Tx,
    vault: &Vault,
    tenant: TenantId,
    provider: &Provider,
) -> Result<BTreeMap<String, String>> {
    let Some(stored) = stored_for(tx, tenant, provider).await? else {
        return Ok(BTreeMap::new());
    };
    let fields = stored.open(vault)?;
    let further = fields.get(AUTH_PARAMETERS).cloned().unwrap_or_default();
    Ok(serde_json::from_value(further).unwrap_or_default())
}

/// Who a tenant is at a provider of the catalog.
///
/// # Errors
/// `SignIn` with `NoCredentials` if no admin has said so, or not enough of it.
pub async fn identity(
    tx: &mut Tx,
    vault: &Vault,
    tenant: TenantId,
    provider: &Provider,
) -> Result<Identity> {
    let missing = || Error::SignIn(SignInFailure::NoCredentials);
    let found = stored_for(tx, tenant, provider).await?;
    let found = found.ok_or_else(missing)?;
    let fields = found.open(vault)?;
    let text = |key: &str| fields.get(key).and_then(lenient::text);
    let fill = |url: &str| {
        template::fill(url, text).map_err(|place| {
            tracing::warn!(
                provider = provider.name,
                place,
                "the credential of a provider lacks a value for its URL"
            );
            missing()
        })
    };
    let secret = text(CLIENT_SECRET).unwrap_or_default();
    let auth_method = match secret.is_empty() {
        true => TokenAuthMethod::None,
        false => provider.token_auth_method,
    };
    let redirect_uris = text(REDIRECT_URI).unwrap_or_default();
    let is_separator = |c: char| c.is_whitespace() || c == ',';
    let redirect_uris = redirect_uris
        .split(is_separator)
        .filter(|uri| !uri.is_empty());
    Ok(Identity {
        client: Client {
            id: text(CLIENT_ID)
                .filter(|id| !id.is_empty())
                .ok_or_else(missing)?,
            secret: Secret::new(secret),
            auth_method,
        },
        is_of_main: found.tenant_id != tenant,
        redirect_uris: redirect_uris.map(str::to_owned).collect(),
        auth_url: fill(&provider.auth_url)?,
        token_url: fill(&provider.token_url)?,
        revocation_url: fill(&provider.revocation_url)?,
    })
}

/// What the credential of a provider consists of: field names and their types.
pub fn schema(provider: &Provider) -> Map<String, Value> {
    let urls = [&provider.auth_url, &provider.token_url];
    let places = urls.into_iter().flat_map(|url| template::places(url));
    let places = places.map(|(name, _)| name);
    let fields = [CLIENT_ID, CLIENT_SECRET, REDIRECT_URI]
        .into_iter()
        .chain(places);
    fields
        .map(|field| (field.to_owned(), "string".into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_keeps_what_is_stored_and_says_so_where_nothing_is() {
        let stored = json!({"client_id": "id", "client_secret": "super-secret-api-key"});
        let sent = json!({"client_id": "new", "client_secret": "sup****key"});
        let fields = checked(("auth_x", None), &sent, stored.as_object().unwrap()).unwrap();
        assert_eq!(
            Value::Object(fields),
            json!({"client_id": "new", "client_secret": "super-secret-api-key"})
        );
        let refused = checked(("auth_x", None), &sent, &Map::new())
            .unwrap_err()
            .to_string();
        assert_eq!(
            refused,
            "invalid input: value: Enter client_secret again: this is only its mask."
        );
    }

    #[test]
    fn every_text_and_number_is_masked_at_any_depth_and_taken_back() {
        assert_eq!(
            masked(json!({"a": "super-secret-api-key", "b": ["short"], "c": {"d": 1, "e": null}})),
            json!({"a": "sup****key", "b": ["****"], "c": {"d": "****", "e": null}})
        );
        let stored = json!({"a": "super-secret-api-key", "b": ["short"], "c": {"d": 1, "e": null}});
        let mut back = masked(stored.clone());
        assert_eq!(unmask(&mut back, Some(&stored)), Ok(()));
        assert_eq!(back, stored);
        for edited in [json!({"a": "sup****kez"}), json!({"b": ["x****"]})] {
            let complaint = Err("this is the mask of another one");
            assert_eq!(
                unmask(&mut edited.clone(), Some(&stored)),
                complaint,
                "{edited}"
            );
        }
    }
}
