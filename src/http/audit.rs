//! `…/audit/`: what was done in the tenant, for its admins.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::drf::page;
use super::endpoint::{Call, Endpoint, QueryParameter, Shape, query, schema_of};
use base::error::Result;
use base::fields::{Day, Reader};
use base::storage::Page;
use tenancy::audit::{self, Filter, Row};

/// Longest query text that is looked for.
const TEXT_CHARACTERS_MAX: usize = 255;

/// One change or call.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(super) struct AuditAnswer {
    pub(super) id: i64,
    pub(super) at: String,
    /// Whose rights were used.
    pub(super) user: String,
    /// The key holder, when that was somebody else; else empty.
    pub(super) actor: String,
    /// The number of the key.
    pub(super) token: i64,
    /// The address from which it was done; empty if none is known.
    pub(super) peer: String,
    /// A dotted verb such as `connection.create`, or an MCP method.
    pub(super) action: String,
    /// What it was done to, such as `connection:21`.
    pub(super) object: String,
    /// The mentor's UUID; empty if none.
    pub(super) mentor: String,
    pub(super) server: Option<i64>,
    /// The tool, prompt or resource; empty if none.
    pub(super) tool: String,
    /// The resolution step whose credential was used; empty if none.
    pub(super) step: String,
    /// `ok`, or a word for the failure.
    pub(super) outcome: String,
    pub(super) duration_us: i64,
    pub(super) request_id: String,
    /// Names of changed fields or arguments, never values.
    pub(super) detail: String,
}

/// What both the list and the export can be narrowed to.
pub(super) const FILTERS: &[QueryParameter] = &[
    query(
        "user",
        "string",
        "whose rights were used, or who held the key",
    ),
    query("action", "string", "exactly this action"),
    query("outcome", "string", "exactly this outcome"),
    query("server", "integer", "the number of a server"),
    query("mentor", "string", "the UUID of a mentor"),
    query(
        "tool",
        "string",
        "exactly this tool, prompt or resource, under its own name",
    ),
    query(
        "object",
        "string",
        "exactly this object, such as `connection:21`",
    ),
    query("request_id", "string", "exactly this request"),
    query(
        "actor",
        "string",
        "who held the key while they acted for somebody else",
    ),
    query(
        "step",
        "string",
        "exactly this step: `user`, `mentor`, `platform`, `featured`, `server` or `none`",
    ),
    query(
        "since",
        "string",
        "not before this time, ISO 8601, or this day in UTC",
    ),
    query(
        "until",
        "string",
        "before this time, ISO 8601, or up to the end of this day in UTC",
    ),
];

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists what was done in the tenant, newest first.", |call| {
        Box::pin(list(call))
    })
    .query(FILTERS)
    .strict()
    .answers(200, Shape::Page(schema_of::<AuditAnswer>));

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let filter = filter_of(&mut reader);
    reader.finish()?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let (counts, tenant) = (call.app.audit.counts(), call.caller.tenant.id);
    let found = audit::list(&mut tx, counts, tenant, &filter, asked).await?;
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

/// What a query narrows the rows to; complaints stay with the reader.
pub(super) fn filter_of(reader: &mut Reader<'_>) -> Filter {
    Filter {
        username: reader.filter("user", TEXT_CHARACTERS_MAX),
        action: reader.filter("action", TEXT_CHARACTERS_MAX),
        outcome: reader.filter("outcome", TEXT_CHARACTERS_MAX),
        server_id: reader.id("server").value(),
        mentor: reader.uuid("mentor").value().map(|uuid| uuid.to_string()),
        since: reader.time_or_day("since", Day::Begins).map(|time| time.0),
        until: reader.time_or_day("until", Day::Ends).map(|time| time.0),
        tool: reader.filter("tool", TEXT_CHARACTERS_MAX),
        object: reader.filter("object", TEXT_CHARACTERS_MAX),
        request_id: reader.filter("request_id", TEXT_CHARACTERS_MAX),
        actor: reader.filter("actor", TEXT_CHARACTERS_MAX),
        step: reader.filter("step", TEXT_CHARACTERS_MAX),
    }
}

impl From<Row> for AuditAnswer {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: row.at.to_iso(),
            user: row.username,
            actor: row.actor,
            token: row.token_id,
            peer: row.peer,
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
