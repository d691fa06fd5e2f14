//! The course chat: questions answered from the text of the course's own materials, with their sources.
//! Says nothing that does not stand there: an answer is made of sentences of the pages that fit best.

mod rank;

use sqlx::FromRow;

use super::enrollment::Enrollment;
use super::{Error, RealmId, Result, new_id};
use crate::clock::{Stopwatch, UnixMs};
use crate::sql;
use crate::storage::Tx;
use rank::{Ranked, Ranking};

/// Pages that an answer is drawn from at most.
const SOURCES_MAX: usize = 3;
/// Sentences in an answer at most.
const SENTENCES_MAX: usize = 4;
/// Pages of a course that are searched at most.
const PAGES_MAX: i64 = 5000;
/// What is answered when nothing fits.
const NOTHING: &str = "The materials of this course do not say anything about that.";

/// A page of a material.
#[derive(Debug, Clone, FromRow)]
pub struct Page {
    /// The material.
    pub material_id: String,
    /// Its title.
    pub title: String,
    /// 1-based.
    pub page: i64,
    /// Its text.
    pub body: String,
}

/// A page that an answer is drawn from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The page.
    pub page: Page,
    /// How well it fits the question, from 0 to 1; see [`rank`](self).
    pub relevance: f64,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The conversation that it belongs to.
    pub conversation: String,
    /// Its own id.
    pub message: String,
    /// The text.
    pub text: String,
    /// The share of the question's words, by weight, that its sources contain; from 0 to 1.
    pub confidence: f64,
    /// Where it comes from, best first.
    pub sources: Vec<Source>,
    /// How long it took, in ms.
    pub duration_ms: i64,
}

/// Answers a question of a learner and remembers both.
///
/// # Errors
/// `NotYours` for a conversation that is not this enrollment's.
pub async fn ask(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    (question, conversation): (&str, Option<&str>),
    now: UnixMs,
) -> Result<Answer> {
    let watch = Stopwatch::start();
    let conversation = match conversation {
        Some(id) => existing(tx, realm, enrollment, id).await?,
        None => begin(tx, realm, enrollment, now).await?,
    };
    let before = last_question(tx, realm, &conversation).await?;
    let pages = pages(tx, realm, enrollment).await?;
    let bodies: Vec<&str> = pages.iter().map(|page| page.body.as_str()).collect();
    let ranking = Ranking::new(&bodies, question, before.as_deref().unwrap_or_default());
    let best: Vec<Ranked> = ranking.best(SOURCES_MAX);
    let used: Vec<&str> = best.iter().map(|ranked| bodies[ranked.page]).collect();
    let text = match ranking.sentences(&used, SENTENCES_MAX) {
        text if text.is_empty() => NOTHING.to_owned(),
        text => text,
    };
    let answer = Answer {
        message: new_id("msg"),
        confidence: ranking.covered(&used),
        sources: best
            .iter()
            .map(|ranked| Source {
                page: pages[ranked.page].clone(),
                relevance: ranked.relevance,
            })
            .collect(),
        text,
        duration_ms: i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX),
        conversation,
    };
    remember(tx, realm, (question, &ranking.topic()), &answer, now).await?;
    Ok(answer)
}

async fn existing(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    id: &str,
) -> Result<String> {
    let found = sql!(
        tx,
        scalar_optional as String,
        "SELECT id FROM academy_conversations WHERE realm_id = $1 AND id = $2 AND enrollment_id = $3",
        realm,
        id,
        &enrollment.id
    )?;
    found.ok_or(Error::NotYours("conversation"))
}

async fn begin(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    now: UnixMs,
) -> Result<String> {
    let id = new_id("conv");
    sql!(
        tx,
        execute,
        "INSERT INTO academy_conversations (realm_id, id, enrollment_id, created_at) VALUES ($1, $2, $3, $4)",
        realm,
        &id,
        &enrollment.id,
        now
    )?;
    Ok(id)
}

async fn last_question(tx: &mut Tx, realm: RealmId, conversation: &str) -> Result<Option<String>> {
    Ok(sql!(
        tx,
        scalar_optional as String,
        "SELECT body FROM academy_chat_messages WHERE realm_id = $1 AND conversation_id = $2 AND is_question
         ORDER BY created_at DESC, id DESC LIMIT 1",
        realm,
        conversation
    )?)
}

async fn pages(tx: &mut Tx, realm: RealmId, enrollment: &Enrollment) -> Result<Vec<Page>> {
    Ok(sql!(
        tx,
        fetch_all as Page,
        "SELECT p.material_id, m.title, p.page, p.body FROM academy_pages p
         JOIN academy_materials m ON m.realm_id = p.realm_id AND m.id = p.material_id
         WHERE m.realm_id = $1 AND m.course_id = $2 AND (m.organization_id IS NULL OR m.organization_id = $3)
         ORDER BY m.position, m.id, p.page LIMIT $4",
        realm,
        &enrollment.course_id,
        enrollment.organization_id.as_deref(),
        PAGES_MAX
    )?)
}

async fn remember(
    tx: &mut Tx,
    realm: RealmId,
    (question, topic): (&str, &str),
    answer: &Answer,
    now: UnixMs,
) -> Result<()> {
    let asked = new_id("msg");
    for (id, is_question, body, topic, duration) in [
        (&asked, true, question, topic, 0),
        (
            &answer.message,
            false,
            answer.text.as_str(),
            "",
            answer.duration_ms,
        ),
    ] {
        sql!(
            tx,
            execute,
            "INSERT INTO academy_chat_messages (realm_id, id, conversation_id, is_question, body, topic, duration_ms,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            realm,
            id,
            &answer.conversation,
            is_question,
            body,
            topic,
            duration,
            now
        )?;
    }
    Ok(())
}
