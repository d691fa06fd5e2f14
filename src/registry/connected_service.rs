//! OAuth grants as connections refer to them: whose they are and for what. Rows are made by the sign-in flow.

use sqlx::FromRow;

use super::audience::Audience;
use super::sealed::{ACCESS_TOKEN, REFRESH_TOKEN, SealedTable};
use crate::error::Result;
use crate::sql;
use crate::storage::Tx;
use crate::tenant::TenantId;
use crate::tenant::user::{Role, UserId};

/// A person's grant at a provider.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ConnectedService {
    /// Its number.
    pub id: i64,
    /// The provider's name.
    pub provider: String,
    /// Whose it is.
    pub user_id: UserId,
    /// That person's role.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// The resource that it was asked for (RFC 8707); empty for a service of the catalog.
    pub resource: String,
    /// Its service, if that is still known.
    pub service_id: Option<i64>,
}

impl ConnectedService {
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "connected_services",
        kind: "connected_service",
        has_origin: false,
        columns: &[
            ("access_token_sealed", ACCESS_TOKEN),
            ("refresh_token_sealed", REFRESH_TOKEN),
        ],
    };

    /// The record's name for [`crate::secret::Binding`]. Its tokens go wherever its connections do, so they are bound
    /// to no origin.
    pub fn record_name(id: i64) -> String {
        Self::SEALED.record_name(id)
    }

    /// What it was asked for.
    pub fn audience(&self) -> Audience<'_> {
        Audience {
            resource: &self.resource,
            service: self.service_id,
        }
    }
}

/// The grant of that number in a tenant, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, tenant: TenantId, id: i64) -> Result<Option<ConnectedService>> {
    Ok(sql!(
        tx,
        fetch_optional as ConnectedService,
        "SELECT c.id, c.provider, c.user_id, u.role, c.resource, c.service_id
         FROM connected_services c JOIN users u ON u.id = c.user_id
         WHERE c.id = $1 AND c.tenant_id = $2",
        id,
        tenant
    )?)
}

/// How many grants of all tenants work, and how many wait for a new sign-in, by a word for each.
///
/// # Errors
/// If the database fails.
pub async fn by_state(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(sql!(
        tx,
        fetch_all as (String, i64),
        "SELECT state, COUNT(*) FROM (
             SELECT CASE WHEN needs_reauth IS NULL THEN 'working' ELSE 'needs_reauth' END AS state FROM connected_services
         ) AS grants GROUP BY state ORDER BY state"
    )?)
}
