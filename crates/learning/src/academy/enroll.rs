//! How somebody gets a place in a cohort.

use serde_json::{Map, Value};

use super::cohort::{self, Cohort};
use super::enrollment::{
    Enrollment, Kind, NewEnrollment, Payment, Status, find_in_cohort, insert, price_of,
};
use super::json::Json;
use super::person::{self, Person};
use super::{Actor, Error, Result, event, new_id, organization};
use base::clock::UnixMs;
use base::storage::Tx;

/// One day, in ms.
const DAY_MS: i64 = 86_400_000;
/// Longest note of an administrator, in bytes.
const NOTES_BYTES_MAX: usize = 4096;

/// A place to be given.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// To whom: a profile's id, or the name of a user of the tenant, who is given one.
    pub person: &'a str,
    /// In which cohort.
    pub cohort: &'a str,
    /// Who sends them.
    pub organization: Option<&'a str>,
    /// How they come to it.
    pub kind: Kind,
    /// Whether it is paid.
    pub payment: Payment,
    /// What the administrator wants to remember.
    pub notes: &'a str,
    /// What else is known, for the client's own use.
    pub metadata: Map<String, Value>,
}

/// Gives somebody a place in a cohort. An organization's administrator gives it in the organization's name.
///
/// # Errors
/// `EnrollmentExists`, `CohortFull`, `CohortClosed`, and `NotFound` for an unknown person, cohort or organization.
pub async fn enroll(
    tx: &mut Tx,
    actor: &Actor,
    grant: &Grant<'_>,
    now: UnixMs,
) -> Result<(Enrollment, Cohort)> {
    let organization = grant.organization.or(actor.confined_to());
    let person = check(tx, actor, (grant, organization), now).await?.id;
    let realm = actor.realm;
    // The seat comes first: it is the row at which those who ask at once queue.
    let seat = match cohort::take_seat(tx, realm, grant.cohort, now).await {
        Err(error @ Error::Core(_)) => return Err(error),
        seat => seat,
    };
    let existing = find_in_cohort(tx, realm, grant.cohort, &person).await?;
    if let Some(existing) = existing.filter(|row| row.status != Status::Withdrawn) {
        return Err(Error::EnrollmentExists {
            enrollment: existing.id,
        });
    }
    // Whoever has a place hears that first, so that asking again goes on in a cohort that has filled up meanwhile.
    let cohort = seat?;
    let status = match grant.payment {
        Payment::Pending => Status::Pending,
        Payment::Paid | Payment::Waived => Status::Active,
    };
    let price = match grant.payment {
        Payment::Paid => price_of(&cohort, grant.kind),
        Payment::Pending | Payment::Waived => 0,
    };
    let begins = now.max(cohort.starts_at);
    let row = NewEnrollment {
        id: new_id("enr"),
        cohort_id: grant.cohort.to_owned(),
        person_id: person.clone(),
        organization_id: organization.map(str::to_owned),
        kind: grant.kind,
        status,
        payment: grant.payment,
        price_paid: price,
        enrolled_at: now,
        completed_at: None,
        expires_at: UnixMs(begins.0.saturating_add(cohort.access_days * DAY_MS)),
        progress: 0,
        last_activity_at: now,
        rating: None,
        notes: grant.notes.to_owned(),
        metadata: Json(grant.metadata.clone()),
    };
    insert(tx, realm, &row).await?;
    let created = find_in_cohort(tx, realm, grant.cohort, &person).await?;
    let created = created.ok_or(Error::not_found("enrollment"))?;
    event::enrolled(tx, realm, &created, now).await?;
    if grant.payment == Payment::Paid {
        event::paid(tx, realm, &created, price, now).await?;
    }
    Ok((created, cohort))
}

/// Whose place it is, if the actor may give it.
async fn check(
    tx: &mut Tx,
    actor: &Actor,
    (grant, organization): (&Grant<'_>, Option<&str>),
    now: UnixMs,
) -> Result<Person> {
    if grant.notes.len() > NOTES_BYTES_MAX {
        return Err(Error::field(
            "notes",
            "Ensure this field has no more than 4096 bytes.",
        ));
    }
    match organization {
        Some(id) => drop(organization::get_managed(tx, actor, id).await?),
        None if grant.kind == Kind::Corporate => {
            let message = "A corporate enrollment needs the organization that it is for.";
            return Err(Error::field("organizationId", message));
        }
        None => {}
    }
    let named = person::named(tx, actor, grant.person, organization, now).await?;
    let (person, _) = named.ok_or(Error::not_found("user"))?;
    Ok(person)
}
