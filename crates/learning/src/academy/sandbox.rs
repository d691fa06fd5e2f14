//! The sandbox of a tenant: the sample data, which test keys may do anything with, and which begins anew every day at
//! 00:00 UTC (6.3.5.8). Never touches live data: every statement names the environment.

use std::time::Duration;

use sqlx::FromRow;

use super::{RealmId, Result, person, sample};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;
use delivery::mail;
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::{Role, User, UserId};

const DAY: Duration = Duration::from_secs(86_400);
/// Who the holders of test keys are there, the first who comes the first.
const LEARNERS: [&str; 4] = ["usr_456", "usr_jane_smith", "usr_john_doe_123", "usr_500"];
/// The same for admins: people of no organization, which would confine them to itself.
const ADMINS: [&str; 4] = [
    "usr_john_doe",
    "usr_amara_okafor",
    "usr_ben_fischer",
    "usr_chloe_martin",
];

#[derive(Debug, FromRow)]
struct Profile {
    id: String,
    user_id: UserId,
}

/// The tenant's sandbox, made if it has none.
///
/// # Errors
/// If the database fails.
pub async fn of(tx: &mut Tx, tenant: TenantId, now: UnixMs) -> Result<RealmId> {
    let realm = RealmId::of(tx, tenant, Environment::Test).await?;
    if realm == RealmId::NOWHERE {
        return make(tx, tenant, now).await;
    }
    Ok(realm)
}

/// Makes the tenant's sandbox if it has none, and lets the user be one of its people if a part is left.
///
/// # Errors
/// If the database fails.
pub async fn open(tx: &mut Tx, user: &User, now: UnixMs) -> Result<()> {
    let realm = of(tx, user.tenant_id, now).await?;
    if person::find_by_user(tx, realm, user.id).await?.is_some() {
        return Ok(());
    }
    let parts = match user.role {
        Role::Admin => ADMINS,
        Role::Instructor | Role::Manager | Role::Learner => LEARNERS,
    };
    for part in parts {
        let is_free = sql!(
            tx,
            scalar as i64,
            "SELECT COUNT(*) FROM academy_people WHERE realm_id = $1 AND id = $2 AND user_id IS NULL",
            realm,
            part
        )?;
        if is_free == 1 {
            return person::bind(tx, realm, part, user.id).await;
        }
    }
    Ok(())
}

/// The sandboxes that are of an earlier day.
///
/// # Errors
/// If the database fails.
pub async fn overdue(tx: &mut Tx, now: UnixMs) -> Result<Vec<RealmId>> {
    let day_ms = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let midnight = UnixMs(now.0.div_euclid(day_ms) * day_ms);
    let old = sql!(
        tx,
        fetch_all as (RealmId,),
        "SELECT id FROM academy_realms WHERE environment = 'test' AND created_at < $1 ORDER BY id",
        midnight
    )?;
    Ok(old.into_iter().map(|(id,)| id).collect())
}

/// Puts a sandbox back to the sample data, and says whether it was still there. Users keep their profiles. Several
/// processes may do it at once: the second one finds nothing.
///
/// # Errors
/// If the database fails; then the sandbox is as it was.
pub async fn reset(tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<bool> {
    let profiles = sql!(
        tx,
        fetch_all as Profile,
        "SELECT id, user_id FROM academy_people WHERE realm_id = $1 AND user_id IS NOT NULL",
        realm
    )?;
    let tenant = sql!(
        tx,
        scalar_optional as TenantId,
        "DELETE FROM academy_realms WHERE id = $1 AND environment = 'test' RETURNING tenant_id",
        realm
    )?;
    // Another process was faster.
    let Some(tenant) = tenant else {
        return Ok(false);
    };
    let realm = make(tx, tenant, now).await?;
    for profile in profiles {
        person::bind(tx, realm, &profile.id, profile.user_id).await?;
    }
    Ok(true)
}

/// The sample data, and nothing that was mailed or changed before.
async fn make(tx: &mut Tx, tenant: TenantId, now: UnixMs) -> Result<RealmId> {
    mail::clear_sandbox(tx, tenant).await?;
    let realm = RealmId::make(tx, tenant, Environment::Test, now).await?;
    sample::load_today(tx, realm, now).await?;
    Ok(realm)
}
