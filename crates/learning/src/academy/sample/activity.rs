//! What the sample's learners did: sessions they booked, materials they opened, questions they asked.

use serde::Deserialize;

use super::super::{RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;

/// A booked session, whatever became of it.
#[derive(Debug, Deserialize)]
pub(super) struct Booked {
    id: String,
    slot_id: String,
    enrollment_id: String,
    status: String,
    #[serde(default)]
    rating: Option<i64>,
}

impl Booked {
    pub(super) async fn insert(&self, tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<()> {
        sql!(
            tx,
            execute,
            "INSERT INTO academy_bookings (realm_id, id, slot_id, enrollment_id, status, topic, wants_reminder, rating,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, '', TRUE, $6, $7)",
            realm,
            &self.id,
            &self.slot_id,
            &self.enrollment_id,
            &self.status,
            self.rating,
            now
        )?;
        Ok(())
    }
}

/// What was done with one enrollment.
#[derive(Debug, Deserialize)]
pub(super) struct Activity {
    enrollment_id: String,
    /// The materials that were opened.
    materials: Vec<String>,
    /// How often the first of them was.
    first_times: i64,
    downloads: bool,
    /// How many questions were asked in the course chat.
    questions: usize,
    topic: String,
    answer_ms: i64,
    /// What the learner thinks of the answers, in turn.
    ratings: Vec<i64>,
}

impl Activity {
    pub(super) async fn insert(&self, tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<()> {
        for (at, material) in self.materials.iter().enumerate() {
            let times = if at == 0 { self.first_times } else { 1 };
            sql!(
                tx,
                execute,
                "INSERT INTO academy_accesses (realm_id, enrollment_id, material_id, times, was_downloaded, last_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                realm,
                &self.enrollment_id,
                material,
                times,
                self.downloads,
                now
            )?;
        }
        self.insert_chat(tx, realm, now).await
    }

    async fn insert_chat(&self, tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<()> {
        let conversation = self.enrollment_id.replace("enr_", "conv_");
        sql!(
            tx,
            execute,
            "INSERT INTO academy_conversations (realm_id, id, enrollment_id, created_at) VALUES ($1, $2, $3, $4)",
            realm,
            &conversation,
            &self.enrollment_id,
            now
        )?;
        for number in 0..self.questions {
            let rating = self
                .ratings
                .get(number % self.ratings.len().max(1))
                .copied();
            for (is_question, body, topic, duration, rating) in [
                (
                    true,
                    "How does this work in my company?",
                    self.topic.as_str(),
                    0,
                    None,
                ),
                (
                    false,
                    "See the materials of the module.",
                    "",
                    self.answer_ms,
                    rating,
                ),
            ] {
                let kind = if is_question { "q" } else { "a" };
                sql!(
                    tx,
                    execute,
                    "INSERT INTO academy_chat_messages (realm_id, id, conversation_id, is_question, body, topic,
                         duration_ms, rating, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    realm,
                    format!("msg_{conversation}_{number}{kind}"),
                    &conversation,
                    is_question,
                    body,
                    topic,
                    duration,
                    rating,
                    now
                )?;
            }
        }
        Ok(())
    }
}
