//! Connections: an authentication binding of a tenant, a mentor or a user to a server.

mod list;
mod request;
mod rights;
mod rules;
mod write;

use sqlx::FromRow;

pub use list::{Filter, Listed, get_listed, list};
pub use request::{Plan, Written, plan};
pub use rules::MENTOR_REQUIRED;
pub use write::{bind_grant, create, delete, shadowed, update};

use super::grant::GrantId;
use super::sealed::{CREDENTIALS, EXTRA_HEADERS, SealedTable};
use super::server::ServerId;
use super::{AuthType, Scope};
use base::clock::UnixMs;
use base::storage::words;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::MentorId;
use tenancy::tenant::user::UserId;

/// The number of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ConnectionId(pub i64);

words! {
    /// By what a connection was switched off.
    OffBy {
        /// By an administrator, who alone switches it on again.
        Admin = "admin",
        /// By the person whose own it is.
        Person = "person",
        /// By a change of the server's address: what it holds was for another one.
        Address = "address",
    }
}

/// A credential of one scope for one server.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The tenant that owns it (not the server's owner).
    pub tenant_id: TenantId,
    /// The server it is for.
    pub server_id: ServerId,
    /// For whom it is.
    #[sqlx(try_from = "String")]
    pub scope: Scope,
    /// What it holds.
    #[sqlx(try_from = "String")]
    pub auth_type: AuthType,
    /// The person of a user scope.
    pub user_id: Option<UserId>,
    /// The mentor of a mentor scope.
    pub mentor_id: Option<MentorId>,
    /// The OAuth grant it points at.
    pub connected_service_id: Option<GrantId>,
    /// The origin that the credential was entered for.
    pub origin: String,
    /// The token, sealed; empty if none.
    pub credentials_sealed: String,
    /// The word before the token; empty sends the token as it is.
    pub authorization_scheme: String,
    /// Headers for every request, a sealed JSON object; empty if none.
    pub extra_headers_sealed: String,
    /// Whether it may be used.
    pub is_active: bool,
    /// By what it was switched off, a word of [`OffBy`]; empty while it is on, or if nobody noted it.
    pub off_by: String,
    /// Whether other tenants may fall back to it when the server is featured.
    pub is_shared: bool,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Connection {
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "connections",
        kind: "connection",
        has_origin: true,
        columns: &[
            ("credentials_sealed", CREDENTIALS),
            ("extra_headers_sealed", EXTRA_HEADERS),
        ],
    };

    /// The record's name for [`base::secret::Binding`].
    pub fn record_name(id: ConnectionId) -> String {
        Self::SEALED.record_name(id.0)
    }

    /// By what it was switched off, if it is and that is known.
    pub(crate) fn off_by(&self) -> Option<OffBy> {
        self.off_by.parse().ok().filter(|_| !self.is_active)
    }
}
