//! What the academy writes to people: welcomes, announcements to a cohort, templated mail. Letters are put into the
//! outbox in the transaction of what they are about; nothing is sent from here.

use serde_json::{Map, Value, json};

use super::cohort::Cohort;
use super::enrollment::{self, Enrollment, Status};
use super::office_hours::{Booking, Slot};
use super::{Actor, Error, RealmId, Result, calendar, new_id};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;
use delivery::mail::{self, Letter, State, to_html};
use tenancy::auth::token::Environment;

pub use delivery::mail::Priority;

/// Longest text of a letter, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long before a session its reminder goes out, in ms.
const REMINDED_MS_BEFORE: i64 = 24 * 3_600_000;
/// Letters of one campaign at most.
const RECIPIENTS_MAX: usize = 1000;

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

/// What goes out together.
struct Round {
    id: String,
    send_at: UnixMs,
    priority: Priority,
}

impl Round {
    fn at(send_at: UnixMs) -> Self {
        Self {
            id: new_id("camp"),
            send_at,
            priority: Priority::Normal,
        }
    }
}

/// The same text to each.
#[derive(Default)]
struct Text<'a> {
    subject: &'a str,
    body: &'a str,
    /// The same in HTML; empty for a letter of text alone.
    html: String,
    /// An invitation; empty for none.
    calendar: String,
}

/// Puts a letter for each of these enrollments into the outbox.
async fn queue(
    tx: &mut Tx,
    realm: RealmId,
    (round, text): (Round, Text<'_>),
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
        html: &text.html,
        calendar: &text.calendar,
        ..letter_to(row)
    });
    let letters: Vec<Letter<'_>> = letters.collect();
    enqueue(tx, realm, round, &letters, now).await
}

async fn enqueue(
    tx: &mut Tx,
    realm: RealmId,
    round: Round,
    letters: &[Letter<'_>],
    now: UnixMs,
) -> Result<Queued> {
    let (tenant, environment) = realm.owner(tx).await?;
    let campaign = mail::Campaign {
        tenant,
        environment,
        id: &round.id,
        send_at: round.send_at,
        priority: round.priority,
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
        id: round.id,
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
    let round = Round::at(wanted.send_at);
    let queued = enqueue(tx, realm, round, &letters, now).await?;
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
        subject: &subject,
        body: &body,
        html: to_html(&body),
        ..Text::default()
    };
    let queued = queue(tx, realm, (Round::at(now), text), &[row], now).await?;
    Ok(!queued.is_held && queued.failed.is_empty())
}

/// Confirms a booked session to the learner, with an invitation, tells the instructor of it, and reminds the learner if
/// they wish.
///
/// # Errors
/// If the database fails.
pub async fn confirm(
    tx: &mut Tx,
    realm: RealmId,
    row: &Enrollment,
    (booking, slot, wants_reminder): (&Booking, &Slot, bool),
    now: UnixMs,
) -> Result<()> {
    let (learner, instructor) = (&row.learner_name, &slot.instructor_name);
    let (at, topic) = (slot.starts_at.to_iso(), &booking.topic);
    let subject = format!("Office hours with {instructor}");
    let body = format!(
        "Hello {learner},\n\nyour session with {instructor} on {at} is confirmed.\n\n{topic}"
    );
    let invitation = Text {
        subject: &subject,
        body: &body,
        calendar: calendar::entry(booking, slot, now),
        ..Text::default()
    };
    queue(tx, realm, (Round::at(now), invitation), &[row], now).await?;
    let news = Letter {
        reference: &row.id,
        address: &slot.instructor_email,
        name: instructor,
        subject: &format!("Office hours with {learner}"),
        text: &format!(
            "Hello {instructor},\n\n{learner} ({}) has booked your session on {at}, as a learner of {}.\n\n{topic}",
            row.learner_email, row.course_title
        ),
        ..Letter::default()
    };
    enqueue(tx, realm, Round::at(now), &[news], now).await?;
    if wants_reminder {
        let subject = format!("Reminder: office hours with {instructor}");
        let body = format!(
            "Hello {learner},\n\nthis is to remind you of your session with {instructor} on {at}.\n\n{topic}"
        );
        let reminder = Text {
            subject: &subject,
            body: &body,
            ..Text::default()
        };
        let reminded_at = UnixMs(slot.starts_at.0 - REMINDED_MS_BEFORE).max(now);
        queue(tx, realm, (Round::at(reminded_at), reminder), &[row], now).await?;
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
    let round = Round {
        id: new_id("notif"),
        send_at: now,
        priority: said.priority,
    };
    let text = Text {
        subject: said.subject,
        body: said.message,
        html: to_html(said.message),
        ..Text::default()
    };
    let queued = queue(tx, actor.realm, (round, text), &people, now).await?;
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
