//! How enrollments end: completed with their cohort, and with a certificate where the course offers one.
//! Nothing is completed twice, and no enrollment has two certificates.

use super::certificate::{self, Certificate};
use super::cohort::Cohort;
use super::enrollment::{self, COMPLETE, Enrollment, Status};
use super::json::Json;
use super::{Actor, Result, course, event, new_id};
use base::clock::{UnixMs, random_hex};
use base::sql;
use base::storage::Tx;

/// Random bytes of the codes that are printed on a certificate.
const CODE_BYTES: usize = 4;

/// Completes the enrollments of a cohort that are through, and gives certificates to those that have none. `told` hears
/// of each of them: how many are done, how many there are, and whose it was. Certificates are checked below `base_url`.
/// Returns how many there were.
///
/// # Errors
/// If the database fails.
pub async fn complete_cohort(
    tx: &mut Tx,
    actor: &Actor,
    (cohort, base_url): (&Cohort, &str),
    now: UnixMs,
    told: impl Fn(usize, usize, &Enrollment),
) -> Result<usize> {
    let rows = enrollment::roster(tx, actor, &cohort.id, false).await?;
    let course = course::get(tx, actor.realm, &cohort.course_id).await?;
    let lacks_certificate =
        |row: &Enrollment| course.has_certificate && row.certificate_id.is_none();
    let is_due = |row: &Enrollment| match row.status {
        Status::Active => row.progress >= COMPLETE,
        Status::Completed => lacks_certificate(row),
        Status::Pending | Status::Withdrawn => false,
    };
    let due: Vec<Enrollment> = rows.into_iter().filter(is_due).collect();
    for (at, row) in due.iter().enumerate() {
        let completed_at = row.completed_at.unwrap_or(now);
        let skills = lacks_certificate(row).then(|| course.skills.0.clone());
        let made = skills.map(|skills| printed(row, skills, (completed_at, now)));
        let id = made
            .as_ref()
            .map(|made| &made.id)
            .or(row.certificate_id.as_ref());
        let link = id.map(|id| format!("{base_url}/verify/{id}"));
        if complete(tx, actor, row, completed_at).await? {
            event::completed(tx, actor.realm, row, link.as_deref(), now).await?;
        }
        if let (Some(made), Some(link)) = (made, link) {
            certificate::insert(tx, actor.realm, &made).await?;
            event::certified(tx, actor.realm, row, (&made, &link)).await?;
        }
        told(at + 1, due.len(), row);
    }
    Ok(due.len())
}

/// Whether it was not completed before.
async fn complete(tx: &mut Tx, actor: &Actor, row: &Enrollment, at: UnixMs) -> Result<bool> {
    let completed = sql!(
        tx,
        execute,
        "UPDATE academy_enrollments SET status = 'completed', completed_at = $3
         WHERE realm_id = $1 AND id = $2 AND status = 'active'",
        actor.realm,
        &row.id,
        at
    )?;
    Ok(completed == 1)
}

/// What is printed: what is known today, and codes that nobody can guess.
fn printed(
    row: &Enrollment,
    skills: Vec<String>,
    (completed_at, issued_at): (UnixMs, UnixMs),
) -> Certificate {
    let iso = issued_at.to_iso();
    let year = iso.split('-').next().unwrap_or_default();
    let code = || random_hex::<CODE_BYTES>().to_uppercase();
    Certificate {
        id: new_id("cert"),
        enrollment_id: row.id.clone(),
        verification_code: format!("AEA-{year}-{}", code()),
        credential_id: format!("AIEA-{year}-{}", code()),
        learner_name: row.learner_name.clone(),
        course_title: row.course_title.clone(),
        cohort_name: row.cohort_name.clone(),
        organization_name: row.organization_name.clone(),
        skills: Json(skills),
        signature: row.instructor_name.clone(),
        completed_at,
        issued_at,
    }
}
