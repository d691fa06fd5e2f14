//! How a cohort goes from one state to the next.

use super::cohort::{Cohort, Status, get};
use super::{Actor, Error, Result, event};
use base::clock::UnixMs;
use base::error;
use base::sql;
use base::storage::Tx;

/// Moves a cohort to another state and returns it as it was.
///
/// # Errors
/// `Forbidden` for an organization's administrator: the cohort is everybody's. `Invalid` for a step that the states do
/// not have, or a cancellation without a reason.
pub async fn change(
    tx: &mut Tx,
    actor: &Actor,
    id: &str,
    (to, reason): (Status, &str),
    now: UnixMs,
) -> Result<Cohort> {
    if actor.confined_to().is_some() {
        let what = "cohorts are changed by administrators of the whole academy";
        return Err(Error::Core(error::Error::Forbidden(what)));
    }
    let realm = actor.realm;
    if to == Status::Cancelled && reason.trim().is_empty() {
        return Err(Error::field(
            "reason",
            "A reason is required to cancel a cohort.",
        ));
    }
    let cohort = get(tx, realm, id).await?;
    if !may_become(cohort.status, to) {
        let message = format!(
            "A cohort that is {:?} cannot become {:?}.",
            cohort.status.as_str(),
            to.as_str()
        );
        return Err(Error::field("status", message));
    }
    // The old state stands in the condition: of two who change it at once, one finds it changed.
    let changed = sql!(
        tx,
        execute,
        "UPDATE academy_cohorts SET status = $3, status_reason = $4, updated_at = $5
         WHERE realm_id = $1 AND id = $2 AND status = $6",
        realm,
        id,
        to.as_str(),
        reason,
        now,
        cohort.status.as_str()
    )?;
    if changed == 0 {
        return Err(Error::field(
            "status",
            "The status of this cohort changed meanwhile.",
        ));
    }
    if cohort.status != to {
        event::cohort_changed(tx, realm, &cohort, (to, reason), now).await?;
    }
    Ok(cohort)
}

/// Whether a cohort may go from one state to another. A completed one may be completed again, for learners who are through
/// by now.
fn may_become(from: Status, to: Status) -> bool {
    use Status::{Cancelled, Completed, InProgress, Open, Scheduled};
    matches!(
        (from, to),
        (Scheduled, Open | InProgress | Cancelled)
            | (Open, Scheduled | InProgress | Cancelled)
            | (InProgress, Completed | Cancelled)
            | (Completed, Completed)
    )
}
