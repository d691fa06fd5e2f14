//! Grants: access that people gave at other services. Their table and the wire call them connected services.
//! Every change of the table stands here; how a grant is asked for, refreshed and revoked is `oauth`'s.

mod lease;
mod list;
mod write;

use sqlx::FromRow;

pub use lease::{
    Due, Leased, NewTokens, due, end, extend, fail, retry_refused, store_tokens, take,
};
pub use list::{Filter, Listed, Use, get, is_without_refresh, list, scope_of, uses};
pub use write::{NewGrant, delete, delete_of_server, store, touch};

use super::audience::Audience;
use super::sealed::{ACCESS_TOKEN, REFRESH_TOKEN, Record, SealedTable};
use base::clock::UnixMs;
use base::error::Result;
use base::secret::{Secret, Vault, VaultError};
use base::sql;
use base::sql_among;
use base::storage::{AMONG_MAX, Tx};
use tenancy::tenant::TenantId;
use tenancy::tenant::user::{Role, UserId};

/// The number of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct GrantId(pub i64);

/// A person's grant at a provider.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Grant {
    /// Its number.
    pub id: GrantId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// Whose it is.
    pub user_id: UserId,
    /// That person's role.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// The provider's name.
    pub provider: String,
    /// The service's name.
    pub service: String,
    /// Its service, if that is still known.
    pub service_id: Option<i64>,
    /// The type of the access token: `bearer`.
    pub token_type: String,
    /// The access token, sealed.
    pub access_token_sealed: String,
    /// The refresh token, sealed; empty if none.
    pub refresh_token_sealed: String,
    /// The scopes granted, separated by spaces.
    pub scope: String,
    /// Those that the last sign-in asked for and did not get, separated by spaces.
    pub refused_scope: String,
    /// When the access token ends; `None` if it does not.
    pub expires_at: Option<UnixMs>,
    /// Counts the tokens that were stored.
    pub version: i64,
    /// Who issued it; empty if that is not known.
    pub issuer: String,
    /// Where it is refreshed; empty if nowhere.
    pub token_url: String,
    /// Who we are there.
    pub client_id: String,
    /// The resource that it was asked for (RFC 8707); empty for a service of the catalog.
    pub resource: String,
    /// Why the person must sign in again, if they must.
    pub needs_reauth: Option<String>,
    /// Who refreshes it; empty if nobody does.
    pub lease_holder: String,
    /// When it may be refreshed again after a failure.
    pub retry_at: UnixMs,
    /// How often refreshing failed in a row, in the same way.
    pub refresh_failures: i64,
    /// In which way; empty if it did not.
    pub refresh_failure: String,
    /// When a call last travelled with it.
    pub last_used_at: Option<UnixMs>,
    /// When it was first given.
    pub created_at: UnixMs,
    /// When the access token was stored.
    pub updated_at: UnixMs,
}

impl Grant {
    /// What it keeps sealed. Its tokens go wherever its connections do, so they are bound to no origin.
    pub const SEALED: SealedTable = SealedTable {
        table: "connected_services",
        kind: "connected_service",
        has_origin: false,
        columns: &[
            ("access_token_sealed", ACCESS_TOKEN),
            ("refresh_token_sealed", REFRESH_TOKEN),
        ],
    };

    /// The record's name for [`base::secret::Binding`] and the audit.
    pub fn record_name(id: GrantId) -> String {
        Self::SEALED.record_name(id.0)
    }

    /// What it was asked for.
    pub fn audience(&self) -> Audience<'_> {
        Audience {
            resource: &self.resource,
            service: self.service_id,
        }
    }

    /// Whether there is a way to a new token without the person.
    pub(crate) fn is_refreshable(&self) -> bool {
        !self.refresh_token_sealed.is_empty() && !self.token_url.is_empty()
    }

    /// The access token.
    ///
    /// # Errors
    /// If it was not sealed for this grant, or its key is not there.
    pub fn access_token(&self, vault: &Vault) -> Result<Secret, VaultError> {
        let name = Self::record_name(self.id);
        record(self.tenant_id, &name).open(vault, ACCESS_TOKEN, &self.access_token_sealed)
    }

    /// The refresh token, empty if there is none.
    ///
    /// # Errors
    /// As [`Grant::access_token`].
    pub fn refresh_token(&self, vault: &Vault) -> Result<Secret, VaultError> {
        let name = Self::record_name(self.id);
        record(self.tenant_id, &name).open(vault, REFRESH_TOKEN, &self.refresh_token_sealed)
    }
}

fn record(tenant: TenantId, name: &str) -> Record<'_> {
    Record {
        tenant,
        name,
        origin: "",
    }
}

/// The grant of that number, whosever it is.
///
/// # Errors
/// If the database fails.
pub async fn read(tx: &mut Tx, id: GrantId) -> Result<Option<Grant>> {
    Ok(sql!(
        tx,
        fetch_optional as Grant,
        "SELECT g.*, u.role FROM connected_services g JOIN users u ON u.id = g.user_id WHERE g.id = $1",
        id
    )?)
}

/// The grant of that number in a tenant, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, tenant: TenantId, id: GrantId) -> Result<Option<Grant>> {
    let grant = read(tx, id).await?;
    Ok(grant.filter(|grant| grant.tenant_id == tenant))
}

/// The grants of these numbers that exist.
///
/// # Errors
/// If the database fails.
pub async fn among(tx: &mut Tx, ids: &[GrantId]) -> Result<Vec<Grant>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut grants = Vec::new();
    for ids in ids.chunks(AMONG_MAX) {
        let found = sql_among!(
            tx,
            Grant,
            "SELECT g.*, u.role FROM connected_services g JOIN users u ON u.id = g.user_id WHERE g.id IN ",
            ids
        )?;
        grants.extend(found);
    }
    Ok(grants)
}

/// How many grants of all tenants work, and how many wait for a new sign-in, by a word for each.
///
/// # Errors
/// If the database fails.
pub async fn by_state(tx: &mut Tx) -> Result<Vec<(&'static str, i64)>> {
    let counted = sql!(
        tx,
        fetch_all as (bool, i64),
        "SELECT is_working, COUNT(*) FROM (SELECT needs_reauth IS NULL AS is_working FROM connected_services) AS grants
         GROUP BY is_working ORDER BY is_working"
    )?;
    let named = |is_working| {
        if is_working {
            "working"
        } else {
            "needs_reauth"
        }
    };
    Ok(counted
        .into_iter()
        .map(|(is_working, count)| (named(is_working), count))
        .collect())
}
