//! What the academy writes to people: welcomes, announcements to a cohort, templated mail. Letters are put into the
//! outbox in the transaction of what they are about; nothing is sent from here.

use serde_json::{Map, Value, json};

use super::cohort::Cohort;
use super::enrollment::{self, Enrollment, Status};
use super::office_hours::{Slot, Wish};
use super::{Actor, Error, RealmId, Result, new_id};
use crate::auth::token::Environment;
use crate::clock::UnixMs;
use crate::mail::{self, Letter, State};
use crate::sql;
use crate::storage::{Tx, words};

/// Longest text of a letter, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long before a session its reminder goes out, in ms.
const REMINDED_MS_BEFORE: i64 = 24 * 3_600_000;
/// Letters of one campaign at most.
const RECIPIENTS_MAX: usize = 1000;

words! {
    /// How much a letter matters.
    Priority {
        /// Whenever.
        Low = "low",
        /// As usual.
        Normal = "normal",
        /// Soon.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}

/// What was put into the outbox.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Under which name, `camp_…` or `notif_…`.
    pub id: String,
    /// How many letters.
    pub letters: usize,
    /// Those of them that nobody will try to send, by enrollment: what is written there is no address.
    pub failed: Vec<String>,
    /// Whether they stay there, because nothing leaves the sandbox.
    pub is_held: bool,
}

/// The same text to each, under one name.
struct Text<'a> {
    id: String,
    subject: &'a str,
    body: &'a str,
    send_at: UnixMs,
}

/// Puts a letter for each of these enrollments into the outbox.
async fn queue(
    tx: &mut Tx,
    realm: RealmId,
    text: Text<'_>,
    rows: &[&Enrollment],
    now: UnixMs,
) -> Result<Queued> {
    if text.body.len() > BODY_BYTES_MAX {
        return Err(Error::field(
            "message",
            "Ensure this field has no more than 65536 bytes.",
        ));
    }
    require_few(rows)?;
    let letters = rows.iter().map(|row| Letter {
        subject: text.subject,
        text: text.body,
        ..letter_to(row)
    });
    let letters: Vec<Letter<'_>> = letters.collect();
    enqueue(tx, realm, (text.id, text.send_at), &letters, now).await
}

async fn enqueue(
    tx: &mut Tx,
    realm: RealmId,
    (id, send_at): (String, UnixMs),
    letters: &[Letter<'_>],
    now: UnixMs,
) -> Result<Queued> {
    let (tenant, environment) = realm.owner(tx).await?;
    let campaign = mail::Campaign {
        tenant,
        environment,
        id: &id,
        send_at,
    };
    let mut failed = Vec::new();
    for letter in letters {
        if mail::enqueue(tx, &campaign, letter, now).await? == State::Failed {
            failed.push(letter.reference.to_owned());
        }
    }
    Ok(Queued {
        letters: letters.len(),
        failed,
        is_held: environment == Environment::Test,
        id,
    })
}

fn letter_to(row: &Enrollment) -> Letter<'_> {
    Letter {
        reference: &row.id,
        address: &row.learner_email,
        name: &row.learner_name,
        ..Letter::default()
    }
}

fn require_few(rows: &[&Enrollment]) -> Result<()> {
    if rows.len() > RECIPIENTS_MAX {
        return Err(Error::field(
            "recipients",
            "A mail goes to at most 1000 people.",
        ));
    }
    Ok(())
}

/// A template to many.
#[derive(Debug, Clone, Copy)]
pub struct Templated<'a> {
    /// The template's number.
    pub template: i64,
    /// What it is filled in with.
    pub params: &'a Map<String, Value>,
    /// When it is to be sent.
    pub send_at: UnixMs,
    /// Whether it is only checked.
    pub is_dry_run: bool,
}

/// Fills a template in for each of these enrollments and puts the letters into the outbox; a dry run does all but that.
/// Beside the parameters it knows `recipientName`, `cohortName` and `courseTitle`. Returns the template's name as well.
///
/// # Errors
/// `NotFound` for an unknown template, `Invalid` if a parameter is missing or there are too many people.
pub async fn send_template(
    tx: &mut Tx,
    realm: RealmId,
    wanted: Templated<'_>,
    rows: &[&Enrollment],
    now: UnixMs,
) -> Result<(String, Queued)> {
    require_few(rows)?;
    let owner = realm.owner(tx).await?;
    let template = mail::get(tx, owner, wanted.template).await?;
    let mut filled = Vec::with_capacity(rows.len());
    for row in rows {
        let known = known_of(row);
        let text = template.fill(&[wanted.params, &known]);
        let text = text.map_err(|missing| Error::field("params", format!("{missing}.")))?;
        filled.push((row, text));
    }
    let letters = filled.iter().map(|(row, text)| Letter {
        subject: &text.subject,
        text: &text.text,
        html: &text.html,
        ..letter_to(row)
    });
    let letters: Vec<Letter<'_>> = letters.take_while(|_| !wanted.is_dry_run).collect();
    let name = (new_id("camp"), wanted.send_at);
    let queued = enqueue(tx, realm, name, &letters, now).await?;
    Ok((template.name, queued))
}

fn known_of(row: &Enrollment) -> Map<String, Value> {
    let known = [
        ("recipientName", &row.learner_name),
        ("cohortName", &row.cohort_name),
        ("courseTitle", &row.course_title),
    ];
    let known = known.map(|(name, value)| (name.to_owned(), json!(value)));
    known.into_iter().collect()
}

/// Welcomes somebody to their cohort, and says whether the letter is on its way to whoever sends letters.
///
/// # Errors
/// If the database fails.
pub async fn welcome(tx: &mut Tx, realm: RealmId, row: &Enrollment, now: UnixMs) -> Result<bool> {
    let subject = format!("Welcome to {}", row.course_title);
    let body = format!(
        "Hello {},\n\nyou have a place in **{}** ({}). Your materials, the course chat and office hours are open.",
        row.learner_name, row.cohort_name, row.course_title
    );
    let text = Text {
        id: new_id("camp"),
        subject: &subject,
        body: &body,
        send_at: now,
    };
    let queued = queue(tx, realm, text, &[row], now).await?;
    Ok(!queued.is_held && queued.failed.is_empty())
}

/// Confirms a booked session to the learner.
///
/// # Errors
/// If the database fails.
pub async fn confirm(
    tx: &mut Tx,
    realm: RealmId,
    (row, slot, wish): (&Enrollment, &Slot, Wish<'_>),
    now: UnixMs,
) -> Result<()> {
    let subject = format!("Office hours with {}", slot.instructor_name);
    let body = format!(
        "Hello {},\n\nyour session with {} on {} is confirmed.\n\n{}",
        row.learner_name,
        slot.instructor_name,
        slot.starts_at.to_iso(),
        wish.topic
    );
    let reminded_at = UnixMs(slot.starts_at.0 - REMINDED_MS_BEFORE).max(now);
    let times = [Some(now), wish.wants_reminder.then_some(reminded_at)];
    for send_at in times.into_iter().flatten() {
        let text = Text {
            id: new_id("camp"),
            subject: &subject,
            body: &body,
            send_at,
        };
        queue(tx, realm, text, &[row], now).await?;
    }
    Ok(())
}

/// What is said to a cohort.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// The subject.
    pub subject: &'a str,
    /// Markdown.
    pub message: &'a str,
    /// How much it matters.
    pub priority: Priority,
    /// To whom: enrollments in these states.
    pub to: &'a [Status],
}

/// Writes to the people of a cohort, and remembers what was announced.
///
/// # Errors
/// `Invalid` if the text is too long or there are too many people.
pub async fn announce(
    tx: &mut Tx,
    actor: &Actor,
    cohort: &Cohort,
    said: &Announcement<'_>,
    now: UnixMs,
) -> Result<Queued> {
    let rows = enrollment::roster(tx, actor, &cohort.id, true).await?;
    let people: Vec<&Enrollment> = rows
        .iter()
        .filter(|row| said.to.contains(&row.status))
        .collect();
    let text = Text {
        id: new_id("notif"),
        subject: said.subject,
        body: said.message,
        send_at: now,
    };
    let queued = queue(tx, actor.realm, text, &people, now).await?;
    sql!(
        tx,
        execute,
        "INSERT INTO academy_notifications (realm_id, id, cohort_id, subject, message, priority, recipients, sent_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        actor.realm,
        &queued.id,
        &cohort.id,
        said.subject,
        said.message,
        said.priority.as_str(),
        i64::try_from(queued.letters).unwrap_or(i64::MAX),
        now
    )?;
    Ok(queued)
}
