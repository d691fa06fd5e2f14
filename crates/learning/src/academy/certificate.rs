//! Certificates: issued once for a completed enrollment, and verified by anybody who holds one.

use serde::Deserialize;
use sqlx::FromRow;

use super::enrollment::{Enrollment, Status};
use super::json::Json;
use super::{Actor, Error, RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;

/// A certificate, as it was printed.
#[derive(Debug, Clone, FromRow, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Its id, `cert_…`.
    pub id: String,
    /// The enrollment that it attests.
    pub enrollment_id: String,
    /// What is printed for whoever types it in.
    pub verification_code: String,
    /// The number under which it is registered.
    pub credential_id: String,
    /// The learner's name.
    pub learner_name: String,
    /// The course's title.
    pub course_title: String,
    /// The cohort's name.
    pub cohort_name: String,
    /// Who sent the learner.
    #[serde(default)]
    pub organization_name: Option<String>,
    /// What was learned.
    #[sqlx(try_from = "String")]
    pub skills: Json<Vec<String>>,
    /// Who signed.
    pub signature: String,
    /// When the course was completed.
    pub completed_at: UnixMs,
    /// When it was issued.
    pub issued_at: UnixMs,
}

/// The certificate of an enrollment.
///
/// # Errors
/// `CertificateNotAvailable` until it is completed.
pub async fn of_enrollment(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
) -> Result<Certificate> {
    let unavailable = Error::CertificateNotAvailable {
        status: enrollment.status,
        progress: enrollment.progress,
    };
    if enrollment.status != Status::Completed {
        return Err(unavailable);
    }
    sql!(
        tx,
        fetch_optional as Certificate,
        "SELECT * FROM academy_certificates WHERE realm_id = $1 AND enrollment_id = $2",
        realm,
        &enrollment.id
    )?
    .ok_or(unavailable)
}

/// The certificate with this id in a realm.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Certificate> {
    sql!(
        tx,
        fetch_optional as Certificate,
        "SELECT * FROM academy_certificates WHERE realm_id = $1 AND id = $2",
        realm,
        id
    )?
    .ok_or(Error::not_found("certificate"))
}

/// The live certificate with this id, whichever academy issued it, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find_live(tx: &mut Tx, id: &str) -> Result<Option<Certificate>> {
    Ok(sql!(
        tx,
        fetch_optional as Certificate,
        "SELECT f.* FROM academy_certificates f JOIN academy_realms r ON r.id = f.realm_id
         WHERE f.id = $1 AND r.environment = 'live' ORDER BY f.realm_id LIMIT 1",
        id
    )?)
}

/// Enrollments that match a pattern, have a certificate, and that the actor may see, for completion.
///
/// # Errors
/// If the database fails.
pub async fn enrollments_like(
    tx: &mut Tx,
    actor: &Actor,
    pattern: &str,
    max: i64,
) -> Result<Vec<String>> {
    let own = actor
        .person
        .as_ref()
        .map_or("", |person| person.id.as_str());
    let rows = sql!(
        tx,
        fetch_all as (String,),
        "SELECT e.id FROM academy_certificates f
         JOIN academy_enrollments e ON e.realm_id = f.realm_id AND e.id = f.enrollment_id
         WHERE f.realm_id = $1 AND e.id LIKE $2 ESCAPE '\\'
           AND (e.person_id = $3 OR $4 AND ($5 IS NULL OR e.organization_id = $5))
         ORDER BY e.id LIMIT $6",
        actor.realm,
        pattern,
        own,
        actor.is_admin,
        actor.confined_to(),
        max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Stores a certificate.
///
/// # Errors
/// If the enrollment has one already.
pub async fn insert(tx: &mut Tx, realm: RealmId, row: &Certificate) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_certificates (realm_id, id, enrollment_id, verification_code, credential_id, learner_name,
             course_title, cohort_name, organization_name, skills, signature, completed_at, issued_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        realm,
        &row.id,
        &row.enrollment_id,
        &row.verification_code,
        &row.credential_id,
        &row.learner_name,
        &row.course_title,
        &row.cohort_name,
        row.organization_name.as_deref(),
        row.skills.to_text(),
        &row.signature,
        row.completed_at,
        row.issued_at
    )?;
    Ok(())
}
