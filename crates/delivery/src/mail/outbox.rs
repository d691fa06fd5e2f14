//! The outbox: mails that wait, enqueued in the transaction of what they are about, claimed by one sender at a time.
//! Never waits for the network.

use std::time::Duration;

use lettre::Address;
use sqlx::FromRow;

use super::Priority;
use base::clock::UnixMs;
use base::error::Result;
use base::queue::{Attempt, Ending, Queue, queue_in};
use base::sql;
use base::storage::{Conditions, Page, PageRequest, Tx, words};
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;

/// Pauses after the mail server put a mail off; after the last one it has failed.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(6 * 60 * 60),
];
/// Attempts at one mail.
pub const ATTEMPTS_MAX: i64 = PAUSES.len() as i64 + 1;
/// Pause while the mail server cannot be reached or takes nothing from us, which counts as no attempt.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(60);
/// How long a mail waits for a mail server that cannot be reached.
const UNREACHABLE_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long a claimed mail is left to who claimed it. Longer than any attempt takes.
const LEASE: Duration = Duration::from_secs(5 * 60);
/// How long sent and failed mails can be looked at.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Mails that wait, and how they are tried.
pub static OUTBOX: Queue = queue_in!(
    "mails",
    pauses: &PAUSES,
    lease: LEASE,
    kept: KEPT,
    done: State::Sent.as_str(),
    set_aside: State::Failed.as_str(),
);

/// The number of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct MailId(pub i64);

words! {
    /// How far a mail is.
    State {
        /// It will be sent.
        Waiting = "waiting",
        /// The mail server took it.
        Sent = "sent",
        /// It is not tried any more.
        Failed = "failed",
        /// It is of the sandbox, which nothing leaves.
        Held = "held",
    }
}

/// What is sent together, and on whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct Campaign<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Whether it is for real; what is of the sandbox stays in the outbox.
    pub environment: Environment,
    /// Its name, `camp_…` or `notif_…`.
    pub id: &'a str,
    /// When it goes out.
    pub send_at: UnixMs,
    /// How much it matters.
    pub priority: Priority,
}

/// A mail to one person.
#[derive(Debug, Clone, Copy, Default)]
pub struct Letter<'a> {
    /// The enrollment that it is about.
    pub reference: &'a str,
    /// Where it goes.
    pub address: &'a str,
    /// Whom it is for.
    pub name: &'a str,
    /// The subject, in one line.
    pub subject: &'a str,
    /// The text.
    pub text: &'a str,
    /// The same in HTML; empty for a mail of text alone.
    pub html: &'a str,
    /// An invitation (RFC 5545) to be attached; empty for none.
    pub calendar: &'a str,
}

/// A mail as admins see it.
#[derive(Debug, Clone, FromRow)]
pub struct Mail {
    /// Its number.
    pub id: MailId,
    /// Whether it is of live or of sandbox data.
    #[sqlx(try_from = "String")]
    pub environment: Environment,
    /// What it was sent together with.
    pub campaign: String,
    /// The enrollment that it is about.
    pub reference: String,
    /// Where it goes.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// How far it is, a word of [`State`].
    pub state: String,
    /// Attempts so far.
    pub attempts: i64,
    /// When the next one is due.
    pub next_at: UnixMs,
    /// The outcome of the last one.
    pub result: String,
    /// When it was enqueued.
    pub created_at: UnixMs,
    /// When it was sent or given up.
    pub ended_at: Option<UnixMs>,
}

/// A claimed mail, with all that it takes to send it.
#[derive(Debug, Clone, FromRow)]
pub struct Due {
    /// Its number.
    pub id: MailId,
    /// Attempts before this one.
    pub attempts: i64,
    /// Where it goes.
    pub address: String,
    /// Whom it is for.
    pub name: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same in HTML, or nothing.
    pub html: String,
    /// An invitation, or nothing.
    pub calendar: String,
    pub(super) urgency: i64,
    /// When it was enqueued.
    pub created_at: UnixMs,
    lease_until: UnixMs,
}

/// The outcome of an attempt, with the mail server's reply or a word for the failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server took it.
    Sent,
    /// It refused the mail for good.
    Refused(String),
    /// It put the mail off.
    PutOff(String),
    /// It could not be reached.
    Unreachable(String),
}

/// Puts a letter into the outbox and says what becomes of it: one from the sandbox is held there, and one to what is no
/// address has failed.
///
/// # Errors
/// If the database fails.
pub async fn enqueue(
    tx: &mut Tx,
    campaign: &Campaign<'_>,
    letter: &Letter<'_>,
    now: UnixMs,
) -> Result<State> {
    let (state, result) = match campaign.environment {
        _ if letter.address.parse::<Address>().is_err() => (State::Failed, "not an address"),
        Environment::Test => (State::Held, "nothing leaves the sandbox"),
        Environment::Live => (State::Waiting, ""),
    };
    sql!(
        tx,
        execute,
        "INSERT INTO mails (tenant_id, environment, campaign, reference, address, name, subject, text, html, calendar,
                            urgency, state, attempts, next_at, lease_until, result, created_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, 0, $14, $15, $16)",
        campaign.tenant,
        campaign.environment.as_str(),
        campaign.id,
        letter.reference,
        letter.address,
        letter.name,
        letter.subject,
        letter.text,
        letter.html,
        letter.calendar,
        campaign.priority.urgency(),
        state.as_str(),
        campaign.send_at,
        result,
        now,
        (state != State::Waiting).then_some(now)
    )?;
    Ok(state)
}

/// Cancels what was to be sent later about one thing, with the reason as its result.
///
/// # Errors
/// If the database fails.
pub async fn cancel_scheduled(
    tx: &mut Tx,
    (tenant, environment): (TenantId, Environment),
    (reference, reason): (&str, &str),
    now: UnixMs,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE mails SET state = 'failed', result = $4, ended_at = $5
         WHERE tenant_id = $1 AND environment = $2 AND reference = $3 AND state = 'waiting' AND attempts = 0
           AND next_at > $5",
        tenant,
        environment.as_str(),
        reference,
        reason,
        now
    )?;
    Ok(())
}

/// Claims mails that are due, at most so many, those that matter most first. Nobody else sends them until they are
/// settled or the lease is over.
///
/// # Errors
/// If the database fails.
pub async fn claim(tx: &mut Tx, at_most: i64, now: UnixMs) -> Result<Vec<Due>> {
    let candidates = sql!(
        tx,
        fetch_all as Due,
        "SELECT id, attempts, address, name, subject, text, html, calendar, urgency, created_at, lease_until FROM mails
         WHERE state = 'waiting' AND next_at <= $1 AND lease_until <= $1 ORDER BY urgency DESC, next_at, id LIMIT $2",
        now,
        at_most
    )?;
    let mut claimed = Vec::with_capacity(candidates.len());
    for due in candidates {
        if OUTBOX.take(tx, (due.id.0, due.lease_until), now).await? {
            claimed.push(due);
        }
    }
    Ok(claimed)
}

/// Records the outcome of an attempt: sent, to be tried again after a pause, or failed.
///
/// # Errors
/// If the database fails; then it is sent again when the lease is over, under the same message id.
pub async fn settle(tx: &mut Tx, due: &Due, outcome: &Outcome, now: UnixMs) -> Result<()> {
    let is_patient = u128::from(now.since_ms(due.created_at)) < UNREACHABLE_MAX.as_millis();
    let ended = match outcome {
        Outcome::Sent => (Ending::Done, ""),
        Outcome::Refused(reply) => (Ending::Refused, reply.as_str()),
        Outcome::PutOff(reply) => (Ending::Failed, reply.as_str()),
        Outcome::Unreachable(why) if is_patient => {
            (Ending::PutOff(UNREACHABLE_PAUSE), why.as_str())
        }
        Outcome::Unreachable(why) => (Ending::GivenUp, why.as_str()),
    };
    let attempt = Attempt {
        row: due.id.0,
        made: due.attempts,
    };
    OUTBOX.settle(tx, attempt, ended, now).await
}

/// A page of the tenant's mails, newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    (state, campaign): (Option<State>, Option<&str>),
    page: PageRequest,
) -> Result<Page<Mail>> {
    let mut all = Conditions::of("tenant_id = ?", tenant.0);
    all.and_if("state = ?", state.map(State::as_str));
    all.and_if("campaign = ?", campaign);
    let total = all
        .count(tx, "SELECT COUNT(*) FROM mails WHERE {all}")
        .await?;
    let rows = all.page(
        tx,
        "SELECT id, environment, campaign, reference, address, subject, state, attempts, next_at, result, created_at,
                ended_at
         FROM mails WHERE {all} ORDER BY id DESC {page}",
        page,
    );
    let rows = rows.await?;
    Ok(Page { total, rows })
}

/// How far one mail of a campaign is.
#[derive(Debug, Clone, FromRow)]
pub struct Standing {
    /// The enrollment that it is about.
    pub reference: String,
    /// How far it is.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// When it is tried next, if it waits.
    pub next_at: UnixMs,
    /// The outcome of the last attempt.
    pub result: String,
    /// When it was sent or given up.
    pub ended_at: Option<UnixMs>,
}

/// How far each mail of a campaign is, in the order in which they were enqueued.
///
/// # Errors
/// If the database fails.
pub async fn standing(tx: &mut Tx, tenant: TenantId, campaign: &str) -> Result<Vec<Standing>> {
    Ok(sql!(
        tx,
        fetch_all as Standing,
        "SELECT reference, state, next_at, result, ended_at FROM mails WHERE tenant_id = $1 AND campaign = $2 ORDER BY id",
        tenant,
        campaign
    )?)
}

/// Deletes the mails and the templates of the tenant's sandbox.
///
/// # Errors
/// If the database fails.
pub async fn clear_sandbox(tx: &mut Tx, tenant: TenantId) -> Result<()> {
    for statement in [
        "DELETE FROM mails WHERE tenant_id = $1 AND environment = 'test'",
        "DELETE FROM mail_templates WHERE tenant_id = $1 AND environment = 'test'",
    ] {
        sql!(tx, execute, statement, tenant)?;
    }
    Ok(())
}
