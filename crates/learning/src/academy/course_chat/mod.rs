//! The course chat: questions answered from the text of the course's own materials, with their sources.
//! Says nothing that does not stand there: an answer is made of sentences of the pages that fit best, or written from
//! those pages by the tenant's language model.

mod index;
mod prompt;
mod rank;
mod words;

use sqlx::FromRow;

use super::enrollment::Enrollment;
use super::{Actor, Error, RealmId, Result, new_id};
use base::clock::{Stopwatch, UnixMs};
use base::sql;
use base::storage::Tx;
use broker::model::{Answer as Told, Model};
use rank::{Ranked, Ranking};

pub(super) use index::add as index_page;
pub use index::catch_up;

/// Pages that a language model is given at most.
const GIVEN_MAX: usize = 6;
/// Pages that an answer without a model is drawn from at most.
const SOURCES_MAX: usize = 3;
/// Sentences in an answer without a model at most.
const SENTENCES_MAX: usize = 4;
/// Longest answer that is taken from a model, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Questions and answers before a question that a model is given at most.
const EARLIER_MAX: i64 = 6;
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

/// A question that was written down, and what the materials say to it.
pub struct Asked {
    conversation: String,
    question: String,
    /// What was said before, the oldest first; only if whoever asks is the learner who said it.
    earlier: Vec<Said>,
    ranking: Ranking,
    /// The pages that fit, the best first.
    fitting: Vec<Source>,
    watch: Stopwatch,
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
    /// The share of the question's words, by weight, that its sources contain; from 0 to 1. Words that the whole course
    /// does not have weigh most.
    pub confidence: f64,
    /// Where it comes from, best first.
    pub sources: Vec<Source>,
    /// What was retrieved for it, best first: its sources, and what a model was given beside them.
    pub retrieved: Vec<Page>,
    /// What a model's endpoint counted; 0 if none was asked, or it did not say.
    pub tokens: i64,
    /// Why it is not a model's, though the tenant has one.
    pub notice: Option<String>,
    /// How long it took, in ms.
    pub duration_ms: i64,
}

/// Something that was said in a conversation.
#[derive(Debug, FromRow)]
struct Said {
    is_question: bool,
    body: String,
}

/// Writes a question down and finds what the materials say to it.
///
/// # Errors
/// `NotYours` for a conversation that is not this enrollment's.
pub async fn ask(
    tx: &mut Tx,
    actor: &Actor,
    enrollment: &Enrollment,
    (question, conversation): (&str, Option<&str>),
    now: UnixMs,
) -> Result<Asked> {
    let (watch, realm) = (Stopwatch::start(), actor.realm);
    let conversation = match conversation {
        Some(id) => existing(tx, realm, enrollment, id).await?,
        None => begin(tx, realm, enrollment, now).await?,
    };
    let mut earlier = earlier(tx, realm, &conversation).await?;
    let before = earlier.iter().rfind(|said| said.is_question);
    let before = before.map_or("", |said| &said.body);
    let found = index::search(tx, realm, enrollment, (question, before)).await?;
    let pages = found.pages;
    let bodies: Vec<&str> = pages.iter().map(|page| page.body.as_str()).collect();
    let ranking = Ranking::new((found.terms, found.unknown), &bodies, found.mean_length);
    let source = |ranked: Ranked| Source {
        page: pages[ranked.page].clone(),
        relevance: ranked.relevance,
    };
    let fitting = ranking.best(GIVEN_MAX).into_iter().map(source).collect();
    let message = Message {
        id: &new_id("msg"),
        is_question: true,
        body: question,
        topic: &ranking.topic(),
        duration_ms: 0,
    };
    write_down(tx, realm, &conversation, &message, now).await?;
    if !actor.is(&enrollment.person_id) {
        earlier.clear();
    }
    Ok(Asked {
        conversation,
        question: question.to_owned(),
        earlier,
        ranking,
        fitting,
        watch,
    })
}

impl Asked {
    /// Whether the materials say anything to it; if not, there is nothing that a model could be given.
    pub fn found_something(&self) -> bool {
        !self.fitting.is_empty()
    }

    /// An answer made of sentences of the pages that fit best.
    pub fn drawn(&self) -> Answer {
        let best = &self.fitting[..self.fitting.len().min(SOURCES_MAX)];
        let bodies: Vec<&str> = best
            .iter()
            .map(|source| source.page.body.as_str())
            .collect();
        let text = match self.ranking.sentences(&bodies, SENTENCES_MAX) {
            text if text.is_empty() => NOTHING.to_owned(),
            text => text,
        };
        self.answer(text, best.to_vec(), best)
    }

    /// An answer that a model writes from the pages that fit. If it gives none, one that is drawn and says so.
    pub async fn written_by(&self, model: &Model) -> Answer {
        let body = prompt::body(&self.question, &self.earlier, &self.fitting);
        let told = model.ask_whole(body).await.map_err(|error| {
            tracing::warn!(error = %error.chain(), "the language model did not answer in a course chat");
            error.to_string()
        });
        match told.and_then(|told| self.taken(&told)) {
            Ok(answer) => answer,
            Err(why) => Answer {
                notice: Some(format!(
                    "The language model gave no answer ({why}); this one is made of sentences of the materials."
                )),
                ..self.drawn()
            },
        }
    }

    /// What a model told, as an answer; what is wrong with it if it is none.
    fn taken(&self, told: &Told) -> Result<Answer, String> {
        if told.text.len() > ANSWER_BYTES_MAX {
            return Err("it said too much".to_owned());
        }
        let cited = prompt::read(&told.text, self.fitting.len());
        if cited.text.is_empty() {
            return Err("it said nothing".to_owned());
        }
        let named = cited.pages.iter().map(|page| self.fitting[*page].clone());
        let sources = match &*cited.text {
            NOTHING => Vec::new(),
            _ if cited.pages.is_empty() => self.fitting.clone(),
            _ => named.collect(),
        };
        Ok(Answer {
            tokens: told
                .tokens
                .and_then(|count| i64::try_from(count).ok())
                .unwrap_or(0),
            ..self.answer(cited.text, sources, &self.fitting)
        })
    }

    fn answer(&self, text: String, sources: Vec<Source>, retrieved: &[Source]) -> Answer {
        let bodies: Vec<&str> = sources
            .iter()
            .map(|source| source.page.body.as_str())
            .collect();
        Answer {
            conversation: self.conversation.clone(),
            message: new_id("msg"),
            text,
            confidence: self.ranking.covered(&bodies),
            retrieved: retrieved.iter().map(|source| source.page.clone()).collect(),
            tokens: 0,
            notice: None,
            duration_ms: i64::try_from(self.watch.elapsed().as_millis()).unwrap_or(i64::MAX),
            sources,
        }
    }
}

/// Writes an answer down.
///
/// # Errors
/// If the database fails.
pub async fn answered(tx: &mut Tx, realm: RealmId, answer: &Answer, now: UnixMs) -> Result<()> {
    let message = Message {
        id: &answer.message,
        is_question: false,
        body: &answer.text,
        topic: "",
        duration_ms: answer.duration_ms,
    };
    write_down(tx, realm, &answer.conversation, &message, now).await
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

async fn earlier(tx: &mut Tx, realm: RealmId, conversation: &str) -> Result<Vec<Said>> {
    let mut said = sql!(
        tx,
        fetch_all as Said,
        "SELECT is_question, body FROM academy_chat_messages WHERE realm_id = $1 AND conversation_id = $2
         ORDER BY created_at DESC, is_question, id DESC LIMIT $3",
        realm,
        conversation,
        EARLIER_MAX
    )?;
    said.reverse();
    Ok(said)
}

/// A question, or the answer to one.
struct Message<'a> {
    id: &'a str,
    is_question: bool,
    body: &'a str,
    topic: &'a str,
    duration_ms: i64,
}

async fn write_down(
    tx: &mut Tx,
    realm: RealmId,
    conversation: &str,
    message: &Message<'_>,
    now: UnixMs,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO academy_chat_messages (realm_id, id, conversation_id, is_question, body, topic, duration_ms,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        realm,
        message.id,
        conversation,
        message.is_question,
        message.body,
        message.topic,
        message.duration_ms,
        now
    )?;
    Ok(())
}
