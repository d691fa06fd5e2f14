//! `…/mails/`: the tenant's outbox, with the outcome of each mail.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use base::clock::UnixMs;
use base::error::Result;
use base::fields::Reader;
use base::storage::Page;
use delivery::mail::{self, Mail};

/// Longest name of a campaign that is looked for.
const CAMPAIGN_CHARACTERS_MAX: usize = 64;
/// What is said of a waiting mail where no mail server is set.
const NO_SERVER: &str = "no mail server is set";

/// A mail.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Mail")]
struct MailAnswer {
    id: i64,
    /// `live` or `test`.
    environment: String,
    /// What it was sent together with, as the tool that wrote it calls it.
    campaign: String,
    /// The enrollment that it is about.
    reference: String,
    address: String,
    subject: String,
    /// `waiting`, `sent`, `failed` or `held`, which is of the sandbox.
    state: String,
    attempts: i64,
    /// When the next attempt is due; null if there is none.
    next_attempt_at: Option<String>,
    /// Why it waits or has failed: the mail server's reply, or a word for the failure.
    result: String,
    created_at: String,
    ended_at: Option<String>,
}

pub(crate) const LIST: Endpoint = Endpoint::closed(
    "Lists the tenant's mails, newest first, for 90 days after their end.",
    |call| Box::pin(list(call)),
)
.query(&[
    query("state", "string", "`waiting`, `sent`, `failed` or `held`"),
    query("campaign", "string", "the name of a campaign"),
])
.answers(200, Shape::Page(schema_of::<MailAnswer>));

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let state = reader.choice("state").value();
    let campaign = reader.filter("campaign", CAMPAIGN_CHARACTERS_MAX);
    reader.finish()?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let narrowed = (state, campaign.as_deref());
    let found = mail::list(&mut tx, call.caller.tenant.id, narrowed, asked).await?;
    let has_server = call.app.config.smtp_url.is_some();
    let rows = found.rows.into_iter().map(|row| answer(row, has_server));
    let rows = rows.collect();
    let total = found.total;
    page::envelope(&call, asked, Page { total, rows })
}

fn answer(row: Mail, has_server: bool) -> MailAnswer {
    let is_waiting = row.state == "waiting";
    MailAnswer {
        id: row.id.0,
        environment: row.environment.to_string(),
        campaign: row.campaign,
        reference: row.reference,
        address: row.address,
        subject: row.subject,
        state: row.state,
        attempts: row.attempts,
        next_attempt_at: is_waiting.then(|| row.next_at.to_iso()),
        result: if is_waiting && !has_server {
            NO_SERVER.to_owned()
        } else {
            row.result
        },
        created_at: row.created_at.to_iso(),
        ended_at: row.ended_at.map(UnixMs::to_iso),
    }
}
