//! What the academy writes to people: welcomes, announcements to a cohort, templated mail. Letters are put into the
//! outbox in the transaction of what they are about; nothing is sent from here.

use super::cohort::Cohort;
use super::enrollment::{self, Enrollment, Status};
use super::office_hours::{Slot, Wish};
use super::words::words;
use super::{Actor, Error, RealmId, Result, new_id};
use crate::clock::UnixMs;
use crate::sql;
use crate::storage::Tx;

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

/// A text to many.
#[derive(Debug, Clone)]
pub struct Campaign<'a> {
    /// The template's number; `None`: the text is its own.
    pub template: Option<i64>,
    /// The subject.
    pub subject: &'a str,
    /// Markdown, or the template's variables as JSON.
    pub body: &'a str,
    /// How much it matters.
    pub priority: Priority,
    /// When it is to be sent.
    pub send_at: UnixMs,
}

/// What was put into the outbox.
#[derive(Debug, Clone)]
pub struct Queued {
    /// The campaign, `camp_…`.
    pub id: String,
    /// How many letters.
    pub letters: usize,
}

/// Puts a letter to each of these people into the outbox.
///
/// # Errors
/// `Invalid` if the text is too long or there are too many people.
pub async fn queue(
    tx: &mut Tx,
    realm: RealmId,
    campaign: &Campaign<'_>,
    people: &[&str],
    now: UnixMs,
) -> Result<Queued> {
    if campaign.body.len() > BODY_BYTES_MAX {
        return Err(Error::field(
            "message",
            "Ensure this field has no more than 65536 bytes.",
        ));
    }
    if people.len() > RECIPIENTS_MAX {
        return Err(Error::field(
            "recipients",
            "A mail goes to at most 1000 people.",
        ));
    }
    let id = new_id("camp");
    sql!(
        tx,
        execute,
        "INSERT INTO academy_campaigns (realm_id, id, template, subject, body, priority, send_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        realm,
        &id,
        campaign.template,
        campaign.subject,
        campaign.body,
        campaign.priority.as_str(),
        campaign.send_at,
        now
    )?;
    let mut letters = 0;
    for person in people {
        letters += sql!(
            tx,
            execute,
            "INSERT INTO academy_letters (realm_id, campaign_id, person_id, state) VALUES ($1, $2, $3, 'pending')
             ON CONFLICT (realm_id, campaign_id, person_id) DO NOTHING",
            realm,
            &id,
            *person
        )?;
    }
    let letters = usize::try_from(letters).unwrap_or(people.len());
    Ok(Queued { id, letters })
}

/// Welcomes somebody to their cohort.
///
/// # Errors
/// If the database fails.
pub async fn welcome(tx: &mut Tx, realm: RealmId, row: &Enrollment, now: UnixMs) -> Result<()> {
    let subject = format!("Welcome to {}", row.course_title);
    let body = format!(
        "Hello {},\n\nyou have a place in **{}** ({}). Your materials, the course chat and office hours are open.",
        row.learner_name, row.cohort_name, row.course_title
    );
    let campaign = Campaign {
        template: None,
        subject: &subject,
        body: &body,
        priority: Priority::Normal,
        send_at: now,
    };
    queue(tx, realm, &campaign, &[&row.person_id], now).await?;
    Ok(())
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
    let campaign = Campaign {
        template: None,
        subject: &subject,
        body: &body,
        priority: Priority::Normal,
        send_at: now,
    };
    queue(tx, realm, &campaign, &[&row.person_id], now).await?;
    if wish.wants_reminder {
        let reminder = Campaign {
            send_at: UnixMs(slot.starts_at.0 - REMINDED_MS_BEFORE).max(now),
            ..campaign
        };
        queue(tx, realm, &reminder, &[&row.person_id], now).await?;
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

/// Writes to the people of a cohort, and remembers what was announced. Returns its id and how many letters there are.
///
/// # Errors
/// See [`queue`].
pub async fn announce(
    tx: &mut Tx,
    actor: &Actor,
    cohort: &Cohort,
    said: &Announcement<'_>,
    now: UnixMs,
) -> Result<Queued> {
    let rows = enrollment::roster(tx, actor, &cohort.id, true).await?;
    let people: Vec<&str> = rows
        .iter()
        .filter(|row| said.to.contains(&row.status))
        .map(|row| row.person_id.as_str())
        .collect();
    let campaign = Campaign {
        template: None,
        subject: said.subject,
        body: said.message,
        priority: said.priority,
        send_at: now,
    };
    let queued = queue(tx, actor.realm, &campaign, &people, now).await?;
    let id = new_id("notif");
    sql!(
        tx,
        execute,
        "INSERT INTO academy_notifications (realm_id, id, cohort_id, subject, message, priority, recipients, sent_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        actor.realm,
        &id,
        &cohort.id,
        said.subject,
        said.message,
        said.priority.as_str(),
        i64::try_from(queued.letters).unwrap_or(i64::MAX),
        now
    )?;
    Ok(Queued { id, ..queued })
}
