//! One tenant's academy, live or sandbox, and who acts in it.
//! Every query of the academy is bound to a realm, so that nothing is found in another tenant or from the sandbox.

use sqlx::FromRow;

use super::person::{self, Person};
use super::{Error, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;
use tenancy::auth::Caller;
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::{self, Role, UserId};

/// The number of a realm. The one that does not exist yet holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct RealmId(pub i64);

impl RealmId {
    /// The realm that no row belongs to.
    pub const NOWHERE: Self = Self(0);

    /// The realm of a tenant, or the empty one if nothing was ever put into it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(tx: &mut Tx, tenant: TenantId, environment: Environment) -> Result<Self> {
        let found = sql!(
            tx,
            scalar_optional as Self,
            "SELECT id FROM academy_realms WHERE tenant_id = $1 AND environment = $2",
            tenant,
            environment.as_str()
        )?;
        Ok(found.unwrap_or(Self::NOWHERE))
    }

    /// The realm of a tenant, made if it is not there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn make(
        tx: &mut Tx,
        tenant: TenantId,
        environment: Environment,
        now: UnixMs,
    ) -> Result<Self> {
        Ok(sql!(
            tx,
            scalar as Self,
            "INSERT INTO academy_realms (tenant_id, environment, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (tenant_id, environment) DO UPDATE SET created_at = academy_realms.created_at
             RETURNING id",
            tenant,
            environment.as_str(),
            now
        )?)
    }

    /// Whose realm it is, and whether it is the live one.
    ///
    /// # Errors
    /// `NotFound` for the realm that does not exist yet.
    pub async fn owner(self, tx: &mut Tx) -> Result<(TenantId, Environment)> {
        let found = sql!(
            tx,
            fetch_optional as Owner,
            "SELECT tenant_id, environment FROM academy_realms WHERE id = $1",
            self
        )?;
        let owner = found.ok_or(Error::not_found("academy"))?;
        Ok((owner.tenant_id, owner.environment))
    }
}

#[derive(FromRow)]
struct Owner {
    tenant_id: TenantId,
    #[sqlx(try_from = "String")]
    environment: Environment,
}

/// Who acts in a realm, and with which rights.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Where.
    pub realm: RealmId,
    /// The profile of the caller, if there is one.
    pub person: Option<Person>,
    /// Whether what belongs to others may be seen and changed.
    pub is_admin: bool,
    /// Whether the cohorts that the person teaches may be seen and written to.
    pub is_instructor: bool,
}

impl Actor {
    /// The actor behind a caller, with the rights of a plain learner.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(tx: &mut Tx, caller: &Caller) -> Result<Self> {
        let realm = RealmId::of(tx, caller.tenant.id, caller.environment).await?;
        let person = person::find_by_user(tx, realm, caller.user_id()).await?;
        Ok(Self {
            realm,
            person,
            is_admin: false,
            is_instructor: false,
        })
    }

    /// The actor that a user is in a realm now, without a key: with the rights of their role.
    ///
    /// # Errors
    /// `NotFound` if they are not there any more.
    pub async fn holding(tx: &mut Tx, realm: RealmId, user: UserId) -> Result<Self> {
        let (tenant, _) = realm.owner(tx).await?;
        let user = user::get_by_id(tx, tenant, user).await?;
        Ok(Self {
            realm,
            person: person::find_by_user(tx, realm, user.id).await?,
            is_admin: user.role == Role::Admin,
            is_instructor: user.role == Role::Instructor,
        })
    }

    /// Whether the id is the actor's own.
    pub fn is(&self, person: &str) -> bool {
        self.person.as_ref().is_some_and(|own| own.id == person)
    }

    /// The organization that an administrator is confined to; `None`: the whole academy, or no administrator at all.
    pub fn confined_to(&self) -> Option<&str> {
        let own = self.person.as_ref().filter(|_| self.is_admin)?;
        own.organization_id.as_deref()
    }

    /// Whether what belongs to a person of this organization, or was given to them by it, may be seen and changed: their
    /// own, and an administrator's of the whole academy or of the same organization.
    pub fn reaches(&self, person: &str, organization: Option<&str>) -> bool {
        let is_theirs = || match self.confined_to() {
            Some(own) => organization == Some(own),
            None => true,
        };
        self.is(person) || self.is_admin && is_theirs()
    }
}
