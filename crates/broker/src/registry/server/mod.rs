//! MCP server records: how an endpoint is reached and what credentials it expects.

pub mod built_in;
pub mod image;
mod list;
mod rules;
mod write;

use sqlx::FromRow;

pub use list::{Filter, Listed, get_listed, list};
pub use rules::{NAME_CHARACTERS_MAX, TOOL_PREFIX_CHARACTERS_MAX, URL_CHARACTERS_MAX, check_url};
pub use write::{Draft, LeftBehind, create, delete, replace_service, update};

use super::sealed::{CREDENTIALS, EXTRA_HEADERS, SealedTable};
use super::{AuthType, Scope, Transport};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::MentorId;

/// The number of a server record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ServerId(pub i64);

/// A registered MCP server.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Server {
    /// Its number.
    pub id: ServerId,
    /// The tenant that owns it.
    pub tenant_id: TenantId,
    /// The one mentor it is bound to, if any.
    pub mentor_id: Option<MentorId>,
    /// The username of who registered it.
    pub owner: String,
    /// Its display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The endpoint.
    pub url: String,
    /// Scheme, host and port of the URL; credentials are bound to it.
    pub origin: String,
    /// The unguessable file name of its image, if it has one.
    pub image: Option<String>,
    /// The wire protocol.
    #[sqlx(try_from = "String")]
    pub transport: Transport,
    /// A full `Authorization` value of the record itself, sealed; empty if none.
    pub credentials_sealed: String,
    /// Headers for every request, a sealed JSON object; empty if none.
    pub extra_headers_sealed: String,
    /// How calls are authenticated.
    #[sqlx(try_from = "String")]
    pub auth_type: AuthType,
    /// Whose credentials are used.
    #[sqlx(try_from = "String")]
    pub auth_scope: Scope,
    /// The OAuth service of its grants.
    pub oauth_service_id: Option<i64>,
    /// Whether other tenants may use it.
    pub is_featured: bool,
    /// The hard off switch.
    pub is_enabled: bool,
    /// Without effect: a relay never alters an answer.
    pub clean_output: bool,
    /// What tool names start with at a mentor's endpoint; empty means no prefix.
    pub tool_prefix: String,
    /// The server of our own that it stands for; empty: its URL is called.
    pub native: String,
    /// When it was registered.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Server {
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "servers",
        kind: "server",
        has_origin: true,
        columns: &[
            ("credentials_sealed", CREDENTIALS),
            ("extra_headers_sealed", EXTRA_HEADERS),
        ],
    };

    /// The record's name for [`base::secret::Binding`].
    pub fn record_name(id: ServerId) -> String {
        Self::SEALED.record_name(id.0)
    }

    /// Whether a tenant may use it: its own, or another's that is featured.
    pub fn is_open_to(&self, tenant: TenantId) -> bool {
        self.tenant_id == tenant || self.is_featured
    }
}

/// The server that a tenant may see: its own, or another's featured one.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get_visible(tx: &mut Tx, tenant: TenantId, id: ServerId) -> Result<Server> {
    find_visible(tx, tenant, id)
        .await?
        .ok_or(Error::NotFound("server"))
}

/// The server that a tenant may see, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find_visible(tx: &mut Tx, tenant: TenantId, id: ServerId) -> Result<Option<Server>> {
    Ok(sql!(
        tx,
        fetch_optional as Server,
        "SELECT * FROM servers WHERE id = $1 AND (tenant_id = $2 OR is_featured)",
        id,
        tenant
    )?)
}

/// The servers attached to a mentor, in the order they were attached; also those that their owner features no more, which
/// the tenant may not use.
///
/// # Errors
/// If the database fails.
pub async fn attached_to(tx: &mut Tx, mentor: MentorId) -> Result<Vec<Server>> {
    Ok(sql!(
        tx,
        fetch_all as Server,
        "SELECT s.* FROM servers s JOIN mentor_servers a ON a.server_id = s.id
         WHERE a.mentor_id = $1 ORDER BY a.position, s.id",
        mentor
    )?)
}

/// How many records there are, the number of the newest, and how often any of them was changed: differs after every
/// change, whatever the clock of whoever made it says.
///
/// # Errors
/// If the database fails.
pub async fn mark_of_all(tx: &mut Tx) -> Result<(i64, i64, i64)> {
    Ok(sql!(
        tx,
        fetch_one as (i64, i64, i64),
        "SELECT COUNT(*), COALESCE(MAX(id), 0), CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM servers"
    )?)
}

/// Number, transport and URL of every record that is switched on, in all tenants.
///
/// # Errors
/// If the database fails.
pub async fn enabled_addresses(tx: &mut Tx) -> Result<Vec<(ServerId, String, String)>> {
    Ok(sql!(
        tx,
        fetch_all as (ServerId, String, String),
        "SELECT id, transport, url FROM servers WHERE is_enabled"
    )?)
}
