//! OAuth providers: authorization servers that the catalog names, or that were discovered for a tenant's MCP servers.
//! Never holds who we are there; that is `integration` and the clients that registered themselves.

use sqlx::FromRow;

use super::TokenAuthMethod;
use base::clock::UnixMs;
use base::error::Result;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;

/// The number of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ProviderId(pub i64);

/// An authorization server.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Provider {
    /// Its number.
    pub id: ProviderId,
    /// The tenant whose server it was discovered for; `None` for the catalog's, which are every tenant's.
    pub tenant_id: Option<TenantId>,
    /// The name in paths, in states and in `auth_{provider}`.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// Its issuer identifier (RFC 8414); empty where it publishes none.
    pub issuer: String,
    /// Where a person is sent; may hold `{names}` that a tenant's credential fills in.
    pub auth_url: String,
    /// Where codes and refresh tokens are exchanged; with the same `{names}`.
    pub token_url: String,
    /// Where tokens are revoked (RFC 7009); empty where that is not offered.
    pub revocation_url: String,
    /// Where clients register themselves (RFC 7591); empty where that is not offered.
    pub registration_url: String,
    /// How a client proves itself at the token endpoint.
    #[sqlx(try_from = "String")]
    pub token_auth_method: TokenAuthMethod,
    /// Whether its answers must carry `iss` (RFC 9207).
    pub sends_iss: bool,
    /// Whether it takes https client ids (Client ID Metadata Documents).
    pub takes_client_id_documents: bool,
    /// Further parameters of the authorization request, a JSON object.
    pub auth_parameters: String,
    /// The status with which it last refused to register us, if it did since it last registered us.
    pub registration_refused: Option<i64>,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// When it became known.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Provider {
    /// Whether it is one of the catalog, where an admin says who we are.
    pub fn is_of_catalog(&self) -> bool {
        self.tenant_id.is_none()
    }

    /// The name of the integration credential that says who we are there
    /// (docs/inside/contract.md#integration-credentials).
    pub fn credential_name(&self) -> String {
        format!("auth_{}", self.name)
    }
}

/// What is known of a provider before it has a number.
#[derive(Debug, Clone)]
pub struct NewProvider {
    /// The name in paths.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// Its issuer identifier; may be empty.
    pub issuer: String,
    /// Where a person is sent.
    pub auth_url: String,
    /// Where codes are exchanged.
    pub token_url: String,
    /// Where tokens are revoked; may be empty.
    pub revocation_url: String,
    /// Where clients register themselves; may be empty.
    pub registration_url: String,
    /// How a client proves itself.
    pub token_auth_method: TokenAuthMethod,
    /// Whether its answers must carry `iss`.
    pub sends_iss: bool,
    /// Whether it takes https client ids.
    pub takes_client_id_documents: bool,
    /// Further parameters of the authorization request, a JSON object.
    pub auth_parameters: String,
}

/// Makes a provider of the catalog (`None`) or of a tenant known, or brings the known one up to date. Whether it is
/// enabled stays as the operator left it.
///
/// # Errors
/// If the database fails.
pub async fn store(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    new: &NewProvider,
    now: UnixMs,
) -> Result<ProviderId> {
    Ok(sql!(
        tx,
        scalar as ProviderId,
        "INSERT INTO oauth_providers (tenant_id, name, display_name, issuer, auth_url, token_url, revocation_url,
             registration_url, token_auth_method, sends_iss, takes_client_id_documents, auth_parameters, is_enabled,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, TRUE, $13, $13)
         ON CONFLICT (COALESCE(tenant_id, 0), name) DO UPDATE SET display_name = excluded.display_name,
             issuer = excluded.issuer, auth_url = excluded.auth_url, token_url = excluded.token_url,
             revocation_url = excluded.revocation_url, registration_url = excluded.registration_url,
             token_auth_method = excluded.token_auth_method, sends_iss = excluded.sends_iss,
             takes_client_id_documents = excluded.takes_client_id_documents,
             auth_parameters = excluded.auth_parameters, updated_at = excluded.updated_at
         RETURNING id",
        tenant,
        &new.name,
        &new.display_name,
        &new.issuer,
        &new.auth_url,
        &new.token_url,
        &new.revocation_url,
        &new.registration_url,
        new.token_auth_method.as_str(),
        new.sends_iss,
        new.takes_client_id_documents,
        &new.auth_parameters,
        now
    )?)
}

/// The enabled provider of the catalog that is the same issuer as a discovered one.
///
/// # Errors
/// If the database fails.
pub(crate) async fn in_catalog(tx: &mut Tx, discovered: &Provider) -> Result<Option<Provider>> {
    if discovered.is_of_catalog() || discovered.issuer.is_empty() {
        return Ok(None);
    }
    Ok(sql!(
        tx,
        fetch_optional as Provider,
        "SELECT * FROM oauth_providers WHERE tenant_id IS NULL AND is_enabled AND issuer <> ''
             AND RTRIM(issuer, '/') = RTRIM($1, '/') ORDER BY id LIMIT 1",
        &discovered.issuer
    )?)
}

/// Keeps with which status a provider refused to register us, or that it did register us.
///
/// # Errors
/// If the database fails.
pub(crate) async fn set_registration_refused(
    tx: &mut Tx,
    id: ProviderId,
    status: Option<u16>,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE oauth_providers SET registration_refused = $2 WHERE id = $1",
        id,
        status.map(i64::from)
    )?;
    Ok(())
}

/// The provider of that number, whoever it is for.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, id: ProviderId) -> Result<Option<Provider>> {
    Ok(sql!(
        tx,
        fetch_optional as Provider,
        "SELECT * FROM oauth_providers WHERE id = $1",
        id
    )?)
}

/// The provider that a name means in a tenant. What was discovered never stands before the catalog.
///
/// # Errors
/// If the database fails.
pub(crate) async fn find_by_name(
    tx: &mut Tx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Provider>> {
    Ok(sql!(
        tx,
        fetch_optional as Provider,
        "SELECT * FROM oauth_providers WHERE name = $2 AND (tenant_id IS NULL OR tenant_id = $1)
         ORDER BY CASE WHEN tenant_id IS NULL THEN 0 ELSE 1 END LIMIT 1",
        tenant,
        name
    )?)
}

/// What a tenant may see: the catalog's and what was discovered for it, by name.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Provider>> {
    Ok(sql!(
        tx,
        fetch_all as Provider,
        "SELECT * FROM oauth_providers WHERE tenant_id IS NULL OR tenant_id = $1 ORDER BY name, id",
        tenant
    )?)
}

/// The providers of the catalog, by name. For the operator's command line.
///
/// # Errors
/// If the database fails.
pub async fn list_catalog(tx: &mut Tx) -> Result<Vec<Provider>> {
    Ok(sql!(
        tx,
        fetch_all as Provider,
        "SELECT * FROM oauth_providers WHERE tenant_id IS NULL ORDER BY name"
    )?)
}

/// Switches a provider of the catalog on or off. Returns whether there is one of that name.
///
/// # Errors
/// If the database fails.
pub async fn enable(tx: &mut Tx, name: &str, is_enabled: bool, now: UnixMs) -> Result<bool> {
    let changed = sql!(
        tx,
        execute,
        "UPDATE oauth_providers SET is_enabled = $2, updated_at = $3 WHERE name = $1 AND tenant_id IS NULL",
        name,
        is_enabled,
        now
    )?;
    Ok(changed > 0)
}
