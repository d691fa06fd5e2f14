//! `/health/live` and `/health/ready`: for supervisors, and for load balancers.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::endpoint::{Endpoint, Incoming, Shape, schema_of};
use base::error::{Error, Result};

/// That the gateway answers.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`; a gateway that is not ready answers 503.
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

pub(super) const LIVE: Endpoint = Endpoint::open("Says that the process answers.", |_| {
    Box::pin(async { Answer::ok(&OK) })
})
.answers(200, Shape::One(schema_of::<Health>));

pub(super) const READY: Endpoint =
    Endpoint::open("Says that requests can be answered: the database is read, a row is written, and audit rows are.", |incoming| {
        Box::pin(ready(incoming))
    })
    .answers(200, Shape::One(schema_of::<Health>));

async fn ready(incoming: Incoming) -> Result<Answer> {
    // What a call needs, in the order in which it needs it.
    if !incoming.app.probe.works().await {
        return Err(Error::Unavailable("database"));
    }
    incoming.app.audit.admit()?;
    Answer::ok(&OK)
}
