//! One row per REST change and per MCP call: who, what, with which credential step, outcome, how long.
//! Never an argument's value, never a secret.

mod counts;
mod log;
pub mod retention;
mod stepwise;

use std::borrow::Cow;

use sqlx::FromRow;

pub use counts::Counts;
pub use log::{AuditLog, Writer};
pub use stepwise::{BEGUN, RowId, begin, end};

use crate::auth::Caller;
use crate::auth::token::TokenId;
use crate::tenant::TenantId;
use base::clock::UnixMs;
use base::error::Result;
use base::sql_many;
use base::storage::{Conditions, Page, PageRequest, Tx};

/// Longest text in one column, in bytes; what is longer is cut.
const TEXT_BYTES_MAX: usize = 512;

/// What happened, to be written.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// When, in Unix ms.
    pub at: i64,
    /// The tenant whose log it goes to.
    pub tenant_id: i64,
    /// Whose rights were used.
    pub username: String,
    /// The key holder, when that was somebody else; else empty.
    pub actor: String,
    /// The key.
    pub token_id: i64,
    /// From which address; empty if none is known.
    pub peer: String,
    /// A dotted verb: `connection.create`, `tools/call`.
    pub action: String,
    /// What it was done to: `connection:21`; empty for a call.
    pub object: String,
    /// The mentor's UUID; empty if none.
    pub mentor: String,
    /// The server, if one was involved.
    pub server_id: Option<i64>,
    /// The tool, prompt or resource; empty if none.
    pub tool: String,
    /// The resolution step whose credential was used; empty if none.
    pub step: String,
    /// `ok`, or a word for the failure: of the source and so of a closed set, for it is a label of metrics too.
    pub outcome: &'static str,
    /// How long it took, in µs.
    pub duration_us: i64,
    /// The request's id, as in the answer's `X-Request-Id`.
    pub request_id: String,
    /// Names of changed fields or arguments, never values.
    pub detail: String,
}

impl Entry {
    /// An entry with the caller filled in.
    pub fn by(caller: &Caller, action: &str, at: UnixMs) -> Self {
        let actor = if caller.actor.id == caller.user.id {
            String::new()
        } else {
            caller.actor.username.clone()
        };
        Self {
            at: at.0,
            tenant_id: caller.tenant.id.0,
            username: caller.user.username.clone(),
            actor,
            token_id: TokenId::or_zero(caller.token),
            peer: caller
                .peer
                .map_or_else(String::new, |peer| peer.to_string()),
            action: action.to_owned(),
            outcome: "ok",
            ..Self::default()
        }
    }

    /// The same entry about an object.
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.object = object.into();
        self
    }
}

/// Writes one entry in the transaction of the change it is about.
///
/// # Errors
/// If the database fails; then the change must not be committed either.
pub async fn record(tx: &mut Tx, entry: &Entry) -> Result<()> {
    record_many(tx, std::slice::from_ref(entry)).await
}

/// Rows of one statement.
const ROWS_PER_STATEMENT: usize = 32;

/// Writes entries in their order, many with one statement.
pub(super) async fn record_many(tx: &mut Tx, entries: &[Entry]) -> Result<()> {
    let (whole, rest) = entries.as_chunks::<ROWS_PER_STATEMENT>();
    for rows in whole
        .iter()
        .map(<[Entry; ROWS_PER_STATEMENT]>::as_slice)
        .chain(rest.chunks(1))
    {
        sql_many!(
            tx,
            "INSERT INTO audit (at, tenant_id, username, actor, token_id, action, object, mentor, server_id, tool,
                                step, outcome, duration_us, request_id, detail, peer) ",
            rows,
            |to, entry| to
                .push_bind(entry.at)
                .push_bind(entry.tenant_id)
                .push_bind(cut(&entry.username))
                .push_bind(cut(&entry.actor))
                .push_bind(entry.token_id)
                .push_bind(cut(&entry.action))
                .push_bind(cut(&entry.object))
                .push_bind(cut(&entry.mentor))
                .push_bind(entry.server_id)
                .push_bind(cut(&entry.tool))
                .push_bind(cut(&entry.step))
                .push_bind(entry.outcome)
                .push_bind(entry.duration_us)
                .push_bind(cut(&entry.request_id))
                .push_bind(cut(&entry.detail))
                .push_bind(cut(&entry.peer))
        )?;
    }
    Ok(())
}

/// PostgreSQL refuses NUL in text, and nobody needs a megabyte of tool name.
fn cut(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    if text.contains('\0') {
        text.replace('\0', "").into()
    } else {
        text.into()
    }
}

/// A written row.
#[derive(Debug, Clone, FromRow)]
pub struct Row {
    /// Its number, ascending.
    pub id: i64,
    /// When.
    pub at: UnixMs,
    /// Whose rights were used.
    pub username: String,
    /// The key holder, when that was somebody else.
    pub actor: String,
    /// The key.
    pub token_id: i64,
    /// From which address.
    pub peer: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// The mentor's UUID.
    pub mentor: String,
    /// The server.
    pub server_id: Option<i64>,
    /// The tool, prompt or resource.
    pub tool: String,
    /// The resolution step.
    pub step: String,
    /// `ok` or a failure's word.
    pub outcome: String,
    /// In µs.
    pub duration_us: i64,
    /// The request.
    pub request_id: String,
    /// Names of changed fields.
    pub detail: String,
}

/// What a list of audit rows is narrowed to; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Whose rights were used, or who held the key.
    pub username: Option<String>,
    /// Exactly this action.
    pub action: Option<String>,
    /// Exactly this outcome.
    pub outcome: Option<String>,
    /// Exactly this server.
    pub server_id: Option<i64>,
    /// Exactly this mentor.
    pub mentor: Option<String>,
    /// Not before, in Unix ms.
    pub since: Option<i64>,
    /// Before, in Unix ms.
    pub until: Option<i64>,
    /// Exactly this tool, prompt or resource.
    pub tool: Option<String>,
    /// Exactly this object, such as `connection:21`.
    pub object: Option<String>,
    /// Exactly this request.
    pub request_id: Option<String>,
    /// Held by this person, who acted for another.
    pub actor: Option<String>,
    /// Exactly this step of the resolution.
    pub step: Option<String>,
}

/// A page of a tenant's rows, newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    counts: &Counts,
    tenant: TenantId,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page<Row>> {
    let total = counts.of(tx, tenant, filter).await?;
    let all = conditions(tenant, filter);
    // The page is found in an index; only its rows are read.
    let rows = all.page(
        tx,
        "SELECT * FROM audit WHERE id IN (SELECT id FROM audit WHERE {all} ORDER BY id DESC {page}) ORDER BY id DESC",
        page,
    );
    let rows = rows.await?;
    Ok(Page { total, rows })
}

/// The rows that a filter leaves. What is `<>` a word beside its `=` names the index of what is not like most rows.
fn conditions(tenant: TenantId, filter: &Filter) -> Conditions {
    let mut all = Conditions::of("tenant_id = ?", tenant.0);
    all.and_if(
        "id IN (SELECT id FROM audit WHERE tenant_id = $1 AND username = ?
                UNION SELECT id FROM audit WHERE tenant_id = $1 AND actor = ? AND actor <> '')",
        filter.username.as_deref(),
    );
    let is = |word: &Option<String>, usual: &str| word.as_deref() == Some(usual);
    let action = match is(&filter.action, "tools/call") {
        true => "action = ?",
        false => "action = ? AND action <> 'tools/call'",
    };
    all.and_if(action, filter.action.as_deref());
    let outcome = match is(&filter.outcome, "ok") {
        true => "outcome = ?",
        false => "outcome = ? AND outcome <> 'ok'",
    };
    all.and_if(outcome, filter.outcome.as_deref());
    all.and_if("server_id = ?", filter.server_id);
    all.and_if("mentor = ?", filter.mentor.as_deref());
    all.and_if("at >= ?", filter.since);
    all.and_if("at < ?", filter.until);
    all.and_if("tool = ?", filter.tool.as_deref());
    all.and_if("object = ? AND object <> ''", filter.object.as_deref());
    all.and_if("request_id = ?", filter.request_id.as_deref());
    all.and_if("actor = ? AND actor <> ''", filter.actor.as_deref());
    all.and_if("step = ?", filter.step.as_deref());
    all
}

/// At most so many of a tenant's rows after a number, oldest first.
///
/// # Errors
/// If the database fails.
pub async fn after(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &Filter,
    (after, at_most): (i64, i64),
) -> Result<Vec<Row>> {
    let mut all = conditions(tenant, filter);
    all.and("id > ?", after);
    let first = PageRequest {
        number: 1,
        size: at_most,
    };
    let select = "SELECT * FROM audit WHERE {all} ORDER BY id {page}";
    Ok(all.page(tx, select, first).await?)
}
