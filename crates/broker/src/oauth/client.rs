//! Who we are at an authorization server, and how we prove it at its token endpoint.
//! Never prints the secret.

use sqlx::FromRow;

use crate::registry::sealed::{Change, Record, SealedTable};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::secret::{Secret, Vault};
use base::sql;
use base::storage::{Tx, words};
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

words! {
    /// How a client proves itself at a token endpoint (RFC 8414, `token_endpoint_auth_methods_supported`).
    TokenAuthMethod {
        /// Id and secret in the `Authorization` header.
        ClientSecretBasic = "client_secret_basic",
        /// Id and secret in the body.
        ClientSecretPost = "client_secret_post",
        /// Not at all: a public client, whose id stands in the body.
        None = "none",
    }
}

/// The field of the secret of a client that registered itself, and its name in a stored credential.
pub const CLIENT_SECRET: &str = "client_secret";

/// A client of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id, which is no secret.
    pub id: String,
    /// Its secret, empty for a public client.
    pub secret: Secret,
    /// How it proves itself.
    pub auth_method: TokenAuthMethod,
}

impl Client {
    /// A client without a secret.
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Secret::new(""),
            auth_method: TokenAuthMethod::None,
        }
    }
}

/// A client that we registered at an issuer ourselves (RFC 7591).
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Registered {
    /// Its number.
    pub id: i64,
    /// The tenant that it is for.
    pub tenant_id: TenantId,
    /// Its id at the issuer.
    pub client_id: String,
    /// Its secret, sealed; empty for a public client.
    pub client_secret_sealed: String,
    /// How it proves itself.
    #[sqlx(try_from = "String")]
    pub token_auth_method: TokenAuthMethod,
    /// When it was registered.
    pub created_at: UnixMs,
}

impl Registered {
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "oauth_clients",
        kind: "oauth_client",
        has_origin: false,
        columns: &[("client_secret_sealed", CLIENT_SECRET)],
    };

    /// The record's name for [`base::secret::Binding`].
    pub fn record_name(id: i64) -> String {
        Self::SEALED.record_name(id)
    }

    /// The client, its secret opened.
    ///
    /// # Errors
    /// `Internal` if the secret does not open.
    pub fn open(&self, vault: &Vault) -> Result<Client> {
        let name = Self::record_name(self.id);
        let record = record(self.tenant_id, &name);
        let secret = record.open(vault, CLIENT_SECRET, &self.client_secret_sealed);
        Ok(Client {
            id: self.client_id.clone(),
            secret: secret.map_err(Error::internal)?,
            auth_method: self.token_auth_method,
        })
    }
}

/// The secret goes to the issuer's token endpoint, which need not be at the issuer's origin.
fn record(tenant: TenantId, name: &str) -> Record<'_> {
    Record {
        tenant,
        name,
        origin: "",
    }
}

/// The client that a tenant registered last at an issuer for a redirect URI, unless the issuer forgot it by now.
///
/// # Errors
/// If the database fails.
pub(crate) async fn registered_for(
    tx: &mut Tx,
    tenant: TenantId,
    (issuer, redirect_uri): (&str, &str),
    now: UnixMs,
) -> Result<Option<Registered>> {
    Ok(sql!(
        tx,
        fetch_optional as Registered,
        "SELECT id, tenant_id, client_id, client_secret_sealed, token_auth_method, created_at FROM oauth_clients
         WHERE tenant_id = $1 AND issuer = $2 AND redirect_uri = $3 AND (expires_at IS NULL OR expires_at > $4)
         ORDER BY id DESC LIMIT 1",
        tenant,
        issuer,
        redirect_uri,
        now
    )?)
}

/// Whether a tenant has a client at an issuer that counts, for any redirect URI.
///
/// # Errors
/// If the database fails.
pub(crate) async fn is_registered(
    tx: &mut Tx,
    tenant: TenantId,
    issuer: &str,
    now: UnixMs,
) -> Result<bool> {
    let found = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM oauth_clients
         WHERE tenant_id = $1 AND issuer = $2 AND (expires_at IS NULL OR expires_at > $3)",
        tenant,
        issuer,
        now
    )?;
    Ok(found > 0)
}

/// The client of that id that a tenant registered at an issuer, also one that the issuer may have forgotten.
///
/// # Errors
/// If the database fails.
pub(crate) async fn registered_as(
    tx: &mut Tx,
    tenant: TenantId,
    issuer: &str,
    client_id: &str,
) -> Result<Option<Registered>> {
    Ok(sql!(
        tx,
        fetch_optional as Registered,
        "SELECT id, tenant_id, client_id, client_secret_sealed, token_auth_method, created_at FROM oauth_clients
         WHERE tenant_id = $1 AND issuer = $2 AND client_id = $3 ORDER BY id DESC LIMIT 1",
        tenant,
        issuer,
        client_id
    )?)
}

/// Uses a tenant's clients at an issuer for no further sign-in, so that the next one registers anew; only the one of
/// this id, if one is given. What was granted to them is refreshed as before. Returns how many there were.
///
/// # Errors
/// If the database fails.
pub async fn forget(
    tx: &mut Tx,
    tenant: TenantId,
    (issuer, client_id): (&str, Option<&str>),
    now: UnixMs,
) -> Result<u64> {
    Ok(sql!(
        tx,
        execute,
        "UPDATE oauth_clients SET expires_at = $4 WHERE tenant_id = $1 AND issuer = $2
             AND ($3 IS NULL OR client_id = $3) AND (expires_at IS NULL OR expires_at > $4)",
        tenant,
        issuer,
        client_id,
        now
    )?)
}

/// Whether a person went to an issuer with a client of ours and did not come back, nor did anybody else since: the
/// issuer may show them that it does not know the client, and tells nobody else.
///
/// # Errors
/// If the database fails.
pub(crate) async fn led_nowhere(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    client_id: &str,
) -> Result<bool> {
    let open = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM oauth_states s WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.client_id = $3
             AND s.used_at IS NULL AND NOT EXISTS (
                 SELECT 1 FROM oauth_states o WHERE o.tenant_id = $1 AND o.client_id = $3
                     AND o.used_at IS NOT NULL AND o.created_at >= s.created_at)",
        tenant,
        user,
        client_id
    )?;
    Ok(open > 0)
}

/// A registration to remember.
#[derive(Debug)]
pub struct NewRegistered<'a> {
    /// Where.
    pub issuer: &'a str,
    /// For answers to this address.
    pub redirect_uri: &'a str,
    /// What the issuer gave.
    pub client: &'a Client,
    /// When it forgets it, if it does.
    pub expires_at: Option<UnixMs>,
}

/// Remembers a registration, which counts from now on for its tenant, issuer and redirect URI. Earlier ones that are
/// over go, unless something was granted to them.
///
/// # Errors
/// If the database fails.
pub async fn remember(
    tx: &mut Tx,
    vault: &Vault,
    tenant: TenantId,
    new: &NewRegistered<'_>,
    now: UnixMs,
) -> Result<()> {
    let id = sql!(
        tx,
        scalar as i64,
        "INSERT INTO oauth_clients (tenant_id, issuer, redirect_uri, client_id, client_secret_sealed,
             token_auth_method, expires_at, created_at)
         VALUES ($1, $2, $3, $4, '', $5, $6, $7) RETURNING id",
        tenant,
        new.issuer,
        new.redirect_uri,
        &new.client.id,
        new.client.auth_method.as_str(),
        new.expires_at,
        now
    )?;
    let change = Change::Set(new.client.secret.clone());
    let sealed =
        record(tenant, &Registered::record_name(id)).seal(vault, CLIENT_SECRET, &change, "");
    sql!(
        tx,
        execute,
        "UPDATE oauth_clients SET client_secret_sealed = $2 WHERE id = $1",
        id,
        sealed
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM oauth_clients WHERE tenant_id = $1 AND issuer = $2 AND redirect_uri = $3 AND expires_at <= $4
             AND id <> $5 AND NOT EXISTS (SELECT 1 FROM connected_services g
                 WHERE g.tenant_id = $1 AND g.issuer = $2 AND g.client_id = oauth_clients.client_id)
             AND NOT EXISTS (SELECT 1 FROM oauth_states s
                 WHERE s.tenant_id = $1 AND s.client_id = oauth_clients.client_id AND s.used_at IS NULL)",
        tenant,
        new.issuer,
        new.redirect_uri,
        now,
        id
    )?;
    Ok(())
}
