//! Enrollments that are given up: the seat and the booked sessions to come are free in the same transaction.
//! Never gives money back, and never takes away what was completed.

use sqlx::FromRow;

use super::enrollment::{self, Enrollment};
use super::{Actor, Error, RealmId, Result, office_hours};
use base::clock::UnixMs;
use base::error;
use base::sql;
use base::storage::Tx;
use delivery::mail;

/// What mails say that were to be sent later.
const MAILS_RESULT: &str = "the enrollment was withdrawn";

/// A withdrawn enrollment, and what this call changed.
#[derive(Debug)]
pub struct Withdrawn {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// Since when it is; unknown of one that never was anything else.
    pub since: Option<UnixMs>,
    /// Why, in the words of the person who withdrew it; empty: nobody said.
    pub reason: String,
    /// Whether this call withdrew it, and with it freed a seat.
    pub is_new: bool,
    /// Sessions to come that this call cancelled.
    pub bookings_cancelled: u64,
}

#[derive(FromRow)]
struct Noted {
    withdrawn_at: Option<UnixMs>,
    withdrawal_reason: String,
}

/// Withdraws an enrollment. One that is withdrawn already stays as it is, with its time and its reason.
///
/// # Errors
/// `NotYours` if there is no such enrollment, `Conflict` if it is completed.
pub async fn withdraw(
    tx: &mut Tx,
    actor: &Actor,
    id: &str,
    reason: &str,
    now: UnixMs,
) -> Result<Withdrawn> {
    let (realm, before) = (actor.realm, enrollment::get(tx, actor, id).await?);
    // Whoever takes or frees a seat, or completes the cohort, queues at its row; it comes first for all of them.
    sql!(
        tx,
        execute,
        "UPDATE academy_cohorts SET seats_taken = seats_taken WHERE realm_id = $1 AND id = $2",
        realm,
        &before.cohort_id
    )?;
    let changed = sql!(
        tx,
        execute,
        "UPDATE academy_enrollments SET status = 'withdrawn', withdrawn_at = $3, withdrawal_reason = $4
         WHERE realm_id = $1 AND id = $2 AND status IN ('pending', 'active')",
        realm,
        id,
        now,
        reason
    )?;
    let mut bookings_cancelled = 0;
    if changed == 1 {
        free_seat(tx, realm, &before.cohort_id).await?;
        bookings_cancelled = office_hours::cancel_coming(tx, realm, id, now).await?;
        let owner = realm.owner(tx).await?;
        mail::cancel_scheduled(tx, owner, (id, MAILS_RESULT), now).await?;
    }
    let enrollment = enrollment::get(tx, actor, id).await?;
    if enrollment.status != enrollment::Status::Withdrawn {
        let message = "A completed enrollment cannot be withdrawn.";
        return Err(Error::Core(error::Error::Conflict(message.to_owned())));
    }
    let noted = sql!(
        tx,
        fetch_one as Noted,
        "SELECT withdrawn_at, withdrawal_reason FROM academy_enrollments WHERE realm_id = $1 AND id = $2",
        realm,
        id
    )?;
    Ok(Withdrawn {
        enrollment,
        since: noted.withdrawn_at,
        reason: noted.withdrawal_reason,
        is_new: changed == 1,
        bookings_cancelled,
    })
}

async fn free_seat(tx: &mut Tx, realm: RealmId, cohort: &str) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE academy_cohorts SET seats_taken = seats_taken - 1 WHERE realm_id = $1 AND id = $2",
        realm,
        cohort
    )?;
    Ok(())
}
