//! Who we are at an authorization server, and how we prove it at its token endpoint.
//! Never prints the secret.

use sqlx::FromRow;

use crate::clock::UnixMs;
use crate::error::{Error, Result};
use crate::registry::sealed::{CLIENT_SECRET, Change, Record};
use crate::secret::{Secret, Vault};
use crate::sql;
use crate::storage::{Tx, words};
use crate::tenant::TenantId;

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
    /// When the issuer forgets it, if it does.
    pub expires_at: Option<UnixMs>,
}

impl Registered {
    /// The record's name for [`crate::secret::Binding`].
    pub fn record_name(id: i64) -> String {
        format!("oauth_client:{id}")
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

/// The client that a tenant registered at an issuer for a redirect URI, unless the issuer forgot it by now.
///
/// # Errors
/// If the database fails.
pub async fn registered_for(
    tx: &mut Tx,
    tenant: TenantId,
    (issuer, redirect_uri): (&str, &str),
    now: UnixMs,
) -> Result<Option<Registered>> {
    Ok(sql!(
        tx,
        fetch_optional as Registered,
        "SELECT id, tenant_id, client_id, client_secret_sealed, token_auth_method, expires_at FROM oauth_clients
         WHERE tenant_id = $1 AND issuer = $2 AND redirect_uri = $3 AND (expires_at IS NULL OR expires_at > $4)",
        tenant,
        issuer,
        redirect_uri,
        now
    )?)
}

/// The client of that id that a tenant registered at an issuer.
///
/// # Errors
/// If the database fails.
pub async fn registered_as(
    tx: &mut Tx,
    tenant: TenantId,
    issuer: &str,
    client_id: &str,
) -> Result<Option<Registered>> {
    Ok(sql!(
        tx,
        fetch_optional as Registered,
        "SELECT id, tenant_id, client_id, client_secret_sealed, token_auth_method, expires_at FROM oauth_clients
         WHERE tenant_id = $1 AND issuer = $2 AND client_id = $3 ORDER BY id DESC LIMIT 1",
        tenant,
        issuer,
        client_id
    )?)
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

/// Remembers a registration, in place of an earlier one of the same tenant, issuer and redirect URI.
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
         VALUES ($1, $2, $3, $4, '', $5, $6, $7)
         ON CONFLICT (tenant_id, issuer, redirect_uri) DO UPDATE SET client_id = excluded.client_id,
             client_secret_sealed = '', token_auth_method = excluded.token_auth_method,
             expires_at = excluded.expires_at, created_at = excluded.created_at
         RETURNING id",
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
    Ok(())
}
