//! `/health/live` and `/health/ready`: for whoever restarts us, and for whoever sends us requests.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::endpoint::{Endpoint, Incoming, Shape, schema_of};
use crate::error::{Error, Result};
use crate::sql;

/// Longest wait for the database before the gateway calls itself not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

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
    Endpoint::open("Says that the database answers too.", |incoming| {
        Box::pin(ready(incoming))
    })
    .answers(200, Shape::One(schema_of::<Health>));

async fn ready(incoming: Incoming) -> Result<Answer> {
    match tokio::time::timeout(READY_TIMEOUT, ask_database(&incoming)).await {
        Ok(Ok(())) => Answer::ok(&OK),
        Ok(Err(error)) => {
            tracing::warn!(error = %error.chain(), "not ready");
            Err(Error::Unavailable("database"))
        }
        Err(_) => Err(Error::Unavailable("database")),
    }
}

async fn ask_database(incoming: &Incoming) -> Result<()> {
    let mut tx = incoming.app.db.read().await?;
    sql!(
        &mut tx,
        scalar as i64,
        "SELECT COUNT(*) FROM schema_migrations"
    )?;
    Ok(())
}
