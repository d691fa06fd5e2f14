//! `…/audit/`: what was done in the tenant, for its admins.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::drf::page;
use super::drf::reader::Reader;
use super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use crate::audit::{self, Filter, Row};
use crate::error::Result;
use crate::storage::Page;

/// Longest query text that is looked for.
const TEXT_CHARACTERS_MAX: usize = 255;

/// One change or call.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
struct AuditAnswer {
    id: i64,
    at: String,
    /// Whose rights were used.
    user: String,
    /// The key holder, when that was somebody else; else empty.
    actor: String,
    /// The number of the key.
    token: i64,
    /// A dotted verb such as `connection.create`, or an MCP method.
    action: String,
    /// What it was done to, such as `connection:21`.
    object: String,
    /// The mentor's UUID; empty if none.
    mentor: String,
    server: Option<i64>,
    /// The tool, prompt or resource; empty if none.
    tool: String,
    /// The resolution step whose credential was used; empty if none.
    step: String,
    /// `ok`, or a word for the failure.
    outcome: String,
    duration_us: i64,
    request_id: String,
    /// Names of changed fields or arguments, never values.
    detail: String,
}

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists what was done in the tenant, newest first.", |call| {
        Box::pin(list(call))
    })
    .query(&[
        query(
            "user",
            "string",
            "whose rights were used, or who held the key",
        ),
        query("action", "string", "exactly this action"),
        query("outcome", "string", "exactly this outcome"),
        query("server", "integer", "the number of a server"),
        query("mentor", "string", "the UUID of a mentor"),
        query("since", "string", "not before this time, ISO 8601"),
        query("until", "string", "before this time, ISO 8601"),
    ])
    .answers(200, Shape::Page(schema_of::<AuditAnswer>));

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let filter = Filter {
        username: reader.filter("user", TEXT_CHARACTERS_MAX),
        action: reader.filter("action", TEXT_CHARACTERS_MAX),
        outcome: reader.filter("outcome", TEXT_CHARACTERS_MAX),
        server_id: reader.id("server").value(),
        mentor: reader.uuid("mentor").value().map(|uuid| uuid.to_string()),
        since: reader.time("since").value().map(|time| time.0),
        until: reader.time("until").value().map(|time| time.0),
    };
    reader.finish()?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let found = audit::list(&mut tx, call.caller.tenant.id, &filter, asked).await?;
    let rows = found.rows.into_iter().map(AuditAnswer::from).collect();
    page::envelope(
        &call,
        asked,
        Page {
            total: found.total,
            rows,
        },
    )
}

impl From<Row> for AuditAnswer {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: row.at.to_iso(),
            user: row.username,
            actor: row.actor,
            token: row.token_id,
            action: row.action,
            object: row.object,
            mentor: row.mentor,
            server: row.server_id,
            tool: row.tool,
            step: row.step,
            outcome: row.outcome,
            duration_us: row.duration_us,
            request_id: row.request_id,
            detail: row.detail,
        }
    }
}
