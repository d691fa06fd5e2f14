//! `…/audit/export/`: the tenant's audit rows as a file, oldest first, for its admins.
//! Never holds more than one batch of them, and never lets a cell be a formula.

use std::fmt::Write as _;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;

use super::answer::Answer;
use super::audit::{AuditAnswer, FILTERS, filter_of};
use super::endpoint::{Call, Endpoint, QueryParameter, Shape, query};
use base::error::{Error, Result};
use base::fields::Reader;
use base::storage::Db;
use broker::guard::Guard;
use tenancy::audit::{self, Filter};
use tenancy::tenant::TenantId;

/// Rows that are read at once.
const BATCH_ROWS: i64 = 1000;

/// The filters of the list, and the form.
const PARAMETERS: &[QueryParameter] = &{
    let form = query("as", "string", "csv, which is the default, or jsonl");
    let mut all = [form; FILTERS.len() + 1];
    let mut at = 0;
    while at < FILTERS.len() {
        all[at] = FILTERS[at];
        at += 1;
    }
    all
};

pub(crate) const EXPORT: Endpoint = Endpoint::closed(
    "Exports what was done in the tenant, oldest first, as CSV or as JSON lines (`?as=jsonl`).",
    |call| Box::pin(export(call)),
)
.query(PARAMETERS)
.strict()
.answers(200, Shape::Media("text/csv"));

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    JsonLines,
}

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::JsonLines),
            _ => Err("an export is csv or jsonl".to_owned()),
        }
    }
}

/// What is left to export.
struct Rest {
    db: Db,
    tenant: TenantId,
    filter: Filter,
    form: Form,
    /// The last row that was written; none before the first batch.
    after: Option<i64>,
    /// Cuts it off with the permission of the caller.
    guard: Guard,
}

async fn export(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let filter = filter_of(&mut reader);
    let form = reader.choice("as").value().unwrap_or(Form::Csv);
    reader.finish()?;
    let guard = call.app.guards.guard(&call.caller);
    guard.hold();
    let rest = Rest {
        guard,
        db: call.app.db.clone(),
        tenant: call.caller.tenant.id,
        filter,
        form,
        after: None,
    };
    let (media_type, file) = match form {
        Form::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"audit.csv\"",
        ),
        Form::JsonLines => ("application/jsonl", "attachment; filename=\"audit.jsonl\""),
    };
    let body = Body::from_stream(try_unfold(rest, Rest::next));
    let answer = Answer::stream(HeaderValue::from_static(media_type), body);
    Ok(answer.with_header(CONTENT_DISPOSITION, HeaderValue::from_static(file)))
}

impl Rest {
    /// The next batch as it is written, and what is left then. A failure cuts the file off, which the client sees.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        if let Some(why) = self.guard.why() {
            return Err(Error::Ended(why));
        }
        let mut tx = self.db.read().await?;
        let after = self.after.unwrap_or(0);
        let rows = audit::after(&mut tx, self.tenant, &self.filter, (after, BATCH_ROWS)).await?;
        drop(tx);
        let mut text = String::new();
        if self.after.is_none() && self.form == Form::Csv {
            text.push_str(HEAD);
        }
        if rows.is_empty() && text.is_empty() {
            return Ok(None);
        }
        self.after = Some(rows.last().map_or(after, |row| row.id));
        for row in rows {
            let row = AuditAnswer::from(row);
            match self.form {
                Form::Csv => line(&mut text, &row),
                Form::JsonLines => {
                    text.push_str(&serde_json::to_string(&row).map_err(Error::internal)?);
                    text.push('\n');
                }
            }
        }
        Ok(Some((text.into(), self)))
    }
}

const HEAD: &str = "id,at,user,actor,token,peer,action,object,mentor,server,tool,step,outcome,duration_us,request_id,detail\r\n";

fn line(text: &mut String, row: &AuditAnswer) {
    let server = row.server.map(|id| id.to_string()).unwrap_or_default();
    // Writing to a text does not fail.
    let _ = write!(text, "{},{},", row.id, row.at);
    for cell in [&row.user, &row.actor] {
        push(text, cell);
    }
    let _ = write!(text, "{},", row.token);
    for cell in [
        &row.peer,
        &row.action,
        &row.object,
        &row.mentor,
        &server,
        &row.tool,
        &row.step,
        &row.outcome,
    ] {
        push(text, cell);
    }
    let _ = write!(text, "{},", row.duration_us);
    push(text, &row.request_id);
    push(text, &row.detail);
    text.pop();
    text.push_str("\r\n");
}

/// A cell and a comma. What a spreadsheet would calculate begins with an apostrophe (docs/inside/threats.md#exports).
fn push(text: &mut String, cell: &str) {
    text.push('"');
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push_str("\",");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        let mut text = String::new();
        for cell in [
            "plain",
            "a,\"b\"\r\n",
            "=HYPERLINK(1)",
            "+1",
            "-1",
            "@x",
            "\tx",
            "",
        ] {
            push(&mut text, cell);
        }
        assert_eq!(
            text,
            "\"plain\",\"a,\"\"b\"\"\r\n\",\"'=HYPERLINK(1)\",\"'+1\",\"'-1\",\"'@x\",\"'\tx\",\"\","
        );
    }
}
