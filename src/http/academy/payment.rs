//! `…/enrollments/{enrollment}/payment/`: notes that an enrollment was paid.
//! For the tenant's admins; no tool does it.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use super::{admin, core};
use base::error::Result;
use learning::academy::enrollment::{Payment, Status};
use learning::academy::payment;
use tenancy::audit;

/// An enrollment that was paid.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PaidEnrollment")]
struct EnrollmentAnswer {
    id: String,
    user: String,
    cohort: String,
    status: Status,
    payment: Payment,
}

pub(crate) const RECEIVE: Endpoint = Endpoint::closed(
    "Notes that a pending enrollment was paid, which opens it.",
    |call| Box::pin(receive(call)),
)
.answers(200, Shape::One(schema_of::<EnrollmentAnswer>));

async fn receive(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let actor = admin(&call, &mut tx).await?;
    let id = call.path.get("enrollment");
    let row = payment::receive(&mut tx, &actor, id, call.now()).await;
    let row = row.map_err(core)?;
    let object = format!("enrollment:{}", row.id);
    audit::record(&mut tx, &call.entry("enrollment.pay", object)).await?;
    tx.commit().await?;
    Answer::ok(&EnrollmentAnswer {
        id: row.id,
        user: row.person_id,
        cohort: row.cohort_id,
        status: row.status,
        payment: row.payment,
    })
}
