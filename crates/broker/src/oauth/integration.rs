//! Integration credentials: what an admin stores so that the tenant can use other services, above all
//! `auth_{provider}`, who we are at an OAuth provider (docs/inside/contract.md#integration-credentials).
//! Shows a value only as masks; in the clear it goes to the provider and nowhere else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::client::{self, CLIENT_SECRET};
use super::integration_value::{
    AUTH_PARAMETERS, CLIENT_ID, PREFIX, REDIRECT_URI, VALUE, checked, is_open, masked,
};
pub use super::integration_value::{NO_OBJECT, VALUE_BYTES_MAX, schema};
use super::provider::{self, Provider};
use super::reauth::ReauthReason;
use super::{Client, TokenAuthMethod, lenient, template};
use crate::registry::grant;
use crate::registry::sealed::{Change, Record, SealedTable};
use base::clock::UnixMs;
use base::error::{Error, Result, SignInFailure};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::{self, TenantId};

/// The tenant whose credentials serve every tenant that has none of its own
/// (docs/inside/contract.md#connected-services).
pub(crate) const MAIN_TENANT: &str = "main";
/// Longest name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 255;
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
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "integration_credentials",
        kind: "integration_credential",
        has_origin: false,
        columns: &[("value_sealed", VALUE)],
    };

    /// The record's name for [`base::secret::Binding`].
    pub fn record_name(id: i64) -> String {
        Self::SEALED.record_name(id)
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
pub(crate) async fn find_for(
    tx: &mut Tx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Credential>> {
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
    let is_main = tenant::get_by_id(tx, tenant).await?.key == MAIN_TENANT;
    let whose = (!is_main).then_some(tenant);
    let reason = ReauthReason::ClientRefused.as_str();
    grant::retry_refused(tx, whose, provider, reason).await
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
