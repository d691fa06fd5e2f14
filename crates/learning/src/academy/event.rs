//! What the academy tells others of (6.3.5.6), enqueued in the transaction of the change that it tells of.
//! Events about one enrollment, or one cohort, keep their order; those of the sandbox go to its webhooks alone.

use serde_json::{Value, json};

use super::certificate::Certificate;
use super::cohort::{self, Cohort};
use super::enrollment::Enrollment;
use super::{RealmId, Result};
use base::clock::UnixMs;
use base::storage::Tx;
use delivery::webhook::{self, Event, NewEvent};

async fn tell(
    tx: &mut Tx,
    realm: RealmId,
    (event, object): (Event, String),
    data: Value,
    now: UnixMs,
) -> Result<()> {
    let (tenant, environment) = realm.owner(tx).await?;
    let new_event = NewEvent {
        tenant,
        environment,
        event,
        object: &object,
        data: &data,
    };
    webhook::enqueue(tx, &new_event, now).await?;
    Ok(())
}

/// An event about an enrollment: what is always said of it, and what is new.
async fn of_enrollment(
    tx: &mut Tx,
    realm: RealmId,
    (event, row): (Event, &Enrollment),
    new: Value,
    now: UnixMs,
) -> Result<()> {
    let mut data = json!({
        "enrollmentId": row.id,
        "userId": row.person_id,
        "cohortId": row.cohort_id,
        "courseTitle": row.course_title,
    });
    if let (Value::Object(data), Value::Object(new)) = (&mut data, new) {
        data.extend(new);
    }
    let object = format!("enrollment:{}", row.id);
    tell(tx, realm, (event, object), data, now).await
}

pub(super) async fn enrolled(
    tx: &mut Tx,
    realm: RealmId,
    row: &Enrollment,
    now: UnixMs,
) -> Result<()> {
    let new = json!({
        "enrollmentType": row.kind,
        "status": row.status,
        "organizationId": row.organization_id,
        "enrolledAt": row.enrolled_at,
    });
    of_enrollment(tx, realm, (Event::EnrollmentCreated, row), new, now).await
}

pub(super) async fn paid(
    tx: &mut Tx,
    realm: RealmId,
    row: &Enrollment,
    amount: i64,
    now: UnixMs,
) -> Result<()> {
    let new = json!({ "amount": amount, "currency": "USD", "receivedAt": now });
    of_enrollment(tx, realm, (Event::PaymentReceived, row), new, now).await
}

/// `link`: where anybody can check the certificate, if there is one.
pub(super) async fn completed(
    tx: &mut Tx,
    realm: RealmId,
    row: &Enrollment,
    link: Option<&str>,
    now: UnixMs,
) -> Result<()> {
    let mut new = json!({ "completedAt": now });
    if let Some(link) = link {
        new["certificateUrl"] = link.into();
    }
    of_enrollment(tx, realm, (Event::EnrollmentCompleted, row), new, now).await
}

pub(super) async fn certified(
    tx: &mut Tx,
    realm: RealmId,
    row: &Enrollment,
    (certificate, link): (&Certificate, &str),
) -> Result<()> {
    let issued_at = certificate.issued_at;
    let new = json!({
        "certificateId": certificate.id,
        "certificateUrl": link,
        "issuedAt": issued_at,
    });
    of_enrollment(tx, realm, (Event::CertificateIssued, row), new, issued_at).await
}

pub(super) async fn cohort_changed(
    tx: &mut Tx,
    realm: RealmId,
    before: &Cohort,
    (to, reason): (cohort::Status, &str),
    now: UnixMs,
) -> Result<()> {
    let data = json!({
        "cohortId": before.id,
        "cohortName": before.name,
        "courseTitle": before.course_title,
        "previousStatus": before.status,
        "newStatus": to,
        "reason": reason,
        "updatedAt": now,
    });
    let object = format!("cohort:{}", before.id);
    tell(tx, realm, (Event::CohortStatusChanged, object), data, now).await
}
