//! `…/enrollments/{enrollment}/withdrawal/`: gives an enrollment up, which frees its seat.
//! For the tenant's admins; no tool does it.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use super::{admin, core};
use base::clock::UnixMs;
use base::error::Result;
use base::fields::{Body, Given, Request, Text, optional, request};
use learning::academy::enrollment::Status;
use learning::academy::withdrawal;
use tenancy::audit;

/// Longest reason, in characters.
const REASON_CHARACTERS_MAX: usize = 2000;

request! {
    /// Why an enrollment is given up.
    struct WithdrawalRequest {
        /// Why; kept with the enrollment.
        reason: Given<String> = optional(Text::blank(REASON_CHARACTERS_MAX)) => "moved away";
    }
}

/// An enrollment that is withdrawn, and what the call changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WithdrawnEnrollment")]
struct WithdrawnAnswer {
    id: String,
    user: String,
    cohort: String,
    status: Status,
    reason: String,
    /// Since when, if it is known.
    withdrawn_at: Option<String>,
    /// Whether this call freed a seat; false if the enrollment was withdrawn before.
    seat_freed: bool,
    /// Office hours to come that this call cancelled.
    bookings_cancelled: u64,
}

pub(crate) const WITHDRAW: Endpoint = Endpoint::closed(
    "Withdraws an enrollment, which frees its seat and cancels its upcoming office hours. Repeating it changes nothing.",
    |call| Box::pin(withdraw(call)),
)
.reads(Body::whole("WithdrawalRequest", &[WithdrawalRequest::TABLE]))
.answers(200, Shape::One(schema_of::<WithdrawnAnswer>));

async fn withdraw(call: Call) -> Result<Answer> {
    let (asked, errors) = WithdrawalRequest::whole(&call.fields);
    errors.into_result()?;
    let mut tx = call.app.db.write().await?;
    let actor = admin(&call, &mut tx).await?;
    let (id, reason) = (
        call.path.get("enrollment"),
        asked.reason.value().unwrap_or_default(),
    );
    let done = withdrawal::withdraw(&mut tx, &actor, id, &reason, call.now()).await;
    let done = done.map_err(core)?;
    let row = done.enrollment;
    if done.is_new {
        let object = format!("enrollment:{}", row.id);
        audit::record(&mut tx, &call.entry("enrollment.withdraw", object)).await?;
    }
    tx.commit().await?;
    Answer::ok(&WithdrawnAnswer {
        id: row.id,
        user: row.person_id,
        cohort: row.cohort_id,
        status: row.status,
        reason: done.reason,
        withdrawn_at: done.since.map(UnixMs::to_iso),
        seat_freed: done.is_new,
        bookings_cancelled: done.bookings_cancelled,
    })
}
