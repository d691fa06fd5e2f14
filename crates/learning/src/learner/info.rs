//! Who a learner is: whom a viewer may ask about, and what is said of them with every answer.
//! Never finds anybody of another tenant.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use base::clock::Iso;
use base::error::Result;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::{self, User, UserId};

/// What is said of a learner.
#[derive(Debug, Clone, FromRow, Serialize, JsonSchema)]
pub struct UserInfo {
    /// The user's number.
    pub user_id: i64,
    /// The name in paths.
    pub username: Option<String>,
    /// Where mail goes.
    pub email: Option<String>,
    /// The name for people.
    pub name: String,
    /// Whether they may sign in.
    pub is_active: bool,
    /// When they last did something.
    pub last_active: Option<Iso>,
    /// Since when they are here.
    pub date_joined: Iso,
}

/// A learner whom a viewer may ask about.
#[derive(Debug, Clone)]
pub struct Learner {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// What is said of them.
    pub info: UserInfo,
}

impl Learner {
    /// The learner with this name: the viewer themselves, or for an admin anybody of the tenant.
    ///
    /// # Errors
    /// `NotFound` for everybody else, whether they exist or not.
    pub async fn of(tx: &mut Tx, viewer: &User, username: &str) -> Result<Self> {
        let user = user::seen_by(tx, viewer, username).await?;
        let tenant = viewer.tenant_id;
        let info = sql!(
            tx,
            fetch_one as UserInfo,
            "SELECT u.id AS user_id, u.username, NULLIF(u.email, '') AS email,
                    COALESCE((SELECT p.name FROM academy_people p JOIN academy_realms r ON r.id = p.realm_id
                              WHERE r.tenant_id = u.tenant_id AND r.environment = 'live' AND p.user_id = u.id),
                             u.username) AS name,
                    u.is_active, u.created_at AS date_joined,
                    (SELECT MAX(e.at) FROM learner_events e WHERE e.user_id = u.id) AS last_active
             FROM users u WHERE u.tenant_id = $1 AND u.id = $2",
            tenant,
            user.id
        )?;
        Ok(Self {
            tenant,
            user: user.id,
            info,
        })
    }
}
