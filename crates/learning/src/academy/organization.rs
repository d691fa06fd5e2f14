//! Organizations that send their people to the academy, and what their enrollments add up to.

use serde::Deserialize;
use sqlx::FromRow;

use super::{Actor, Error, RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::{Tx, words};

words! {
    /// How an organization is bound to the academy.
    Contract {
        /// Its champions teach on.
        ChampionNetwork = "champion_network",
        /// So many seats a year.
        Retainer = "retainer",
        /// For one project.
        ProjectBased = "project_based",
    }
}

/// An organization.
#[derive(Debug, Clone, FromRow, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Its id, `org_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whom to write to.
    pub contact_email: String,
    /// How it is bound.
    #[sqlx(try_from = "String")]
    pub contract: Contract,
    /// Since when.
    pub active_since: UnixMs,
    /// Seats that the contract gives it.
    pub seats_allocated: i64,
}

/// What an organization's enrollments add up to; withdrawn ones count only in the total.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct Totals {
    /// All of them.
    pub total: i64,
    /// Those under way.
    pub active: i64,
    /// Those that ended well.
    pub completed: i64,
    /// Those that take a seat.
    pub seated: i64,
    /// What was paid, in US dollars.
    pub spent: i64,
}

/// A cohort in which an organization has people.
#[derive(Debug, Clone, FromRow)]
pub struct Share {
    /// The cohort.
    pub cohort_id: String,
    /// Its name.
    pub cohort_name: String,
    /// Its course's title.
    pub course_title: String,
    /// Its state.
    #[sqlx(try_from = "String")]
    pub status: super::cohort::Status,
    /// When it begins.
    pub starts_at: UnixMs,
    /// How many of the organization's people have a place.
    pub enrolled: i64,
}

/// The organization with this id.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Organization> {
    sql!(
        tx,
        fetch_optional as Organization,
        "SELECT * FROM academy_organizations WHERE realm_id = $1 AND id = $2",
        realm,
        id
    )?
    .ok_or(Error::not_found("organization"))
}

/// The organization with this id, if the administrator may act for it.
///
/// # Errors
/// `NotFound` if there is none, or they are another organization's.
pub async fn get_managed(tx: &mut Tx, actor: &Actor, id: &str) -> Result<Organization> {
    if actor.confined_to().is_some_and(|own| own != id) {
        return Err(Error::not_found("organization"));
    }
    get(tx, actor.realm, id).await
}

/// Adds an organization, or replaces the one with this id.
///
/// # Errors
/// If the database fails.
pub async fn put(tx: &mut Tx, realm: RealmId, organization: &Organization) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_organizations (realm_id, id, name, contact_email, contract, active_since, seats_allocated)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (realm_id, id) DO UPDATE SET name = excluded.name, contact_email = excluded.contact_email,
             contract = excluded.contract, active_since = excluded.active_since,
             seats_allocated = excluded.seats_allocated",
        realm,
        &organization.id,
        &organization.name,
        &organization.contact_email,
        organization.contract.as_str(),
        organization.active_since,
        organization.seats_allocated
    )?;
    Ok(())
}

/// What its enrollments add up to.
///
/// # Errors
/// If the database fails.
pub async fn totals(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Totals> {
    Ok(sql!(
        tx,
        fetch_one as Totals,
        "SELECT COUNT(*) AS total,
                COUNT(CASE WHEN status = 'active' THEN 1 END) AS active,
                COUNT(CASE WHEN status = 'completed' THEN 1 END) AS completed,
                COUNT(CASE WHEN status <> 'withdrawn' THEN 1 END) AS seated,
                CAST(COALESCE(SUM(price_paid), 0) AS BIGINT) AS spent
         FROM academy_enrollments WHERE realm_id = $1 AND organization_id = $2",
        realm,
        id
    )?)
}

/// The cohorts in which it has people, the latest first.
///
/// # Errors
/// If the database fails.
pub async fn shares(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Vec<Share>> {
    Ok(sql!(
        tx,
        fetch_all as Share,
        "SELECT c.id AS cohort_id, c.name AS cohort_name, k.title AS course_title, c.status, c.starts_at,
                COUNT(*) AS enrolled
         FROM academy_enrollments e
         JOIN academy_cohorts c ON c.realm_id = e.realm_id AND c.id = e.cohort_id
         JOIN academy_courses k ON k.realm_id = c.realm_id AND k.id = c.course_id
         WHERE e.realm_id = $1 AND e.organization_id = $2 AND e.status <> 'withdrawn'
         GROUP BY c.id, c.name, k.title, c.status, c.starts_at ORDER BY c.starts_at DESC, c.id",
        realm,
        id
    )?)
}

/// Ids that match a pattern and that an administrator may see, for completion.
///
/// # Errors
/// If the database fails.
pub async fn ids_like(tx: &mut Tx, actor: &Actor, pattern: &str, max: i64) -> Result<Vec<String>> {
    let rows = sql!(
        tx,
        fetch_all as (String,),
        "SELECT id FROM academy_organizations WHERE realm_id = $1 AND id LIKE $2 ESCAPE '\\'
           AND ($3 IS NULL OR id = $3) ORDER BY id LIMIT $4",
        actor.realm,
        pattern,
        actor.confined_to(),
        max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}
