//! Payments for enrollments that were made unpaid. Each is noted once, whoever notes it at the same time.
//! Never takes money: it was received elsewhere.

use super::enrollment::{self, Enrollment};
use super::{Actor, Error, Result, cohort, event};
use base::clock::UnixMs;
use base::error;
use base::sql;
use base::storage::Tx;

/// Notes that a pending enrollment was paid, which opens it.
///
/// # Errors
/// `NotYours` if there is no such enrollment, `Conflict` if no payment is awaited.
pub async fn receive(tx: &mut Tx, actor: &Actor, id: &str, now: UnixMs) -> Result<Enrollment> {
    let row = enrollment::get(tx, actor, id).await?;
    let cohort = cohort::get(tx, actor.realm, &row.cohort_id).await?;
    let price = enrollment::price_of(&cohort, row.kind);
    let changed = sql!(
        tx,
        execute,
        "UPDATE academy_enrollments SET payment = 'paid', status = 'active', price_paid = $3, last_activity_at = $4
         WHERE realm_id = $1 AND id = $2 AND status = 'pending' AND payment = 'pending'",
        actor.realm,
        id,
        price,
        now
    )?;
    if changed == 0 {
        let message = "No payment is awaited for this enrollment.";
        return Err(Error::Core(error::Error::Conflict(message.to_owned())));
    }
    event::paid(tx, actor.realm, &row, price, now).await?;
    enrollment::get(tx, actor, id).await
}
