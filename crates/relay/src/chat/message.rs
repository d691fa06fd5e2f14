//! What was said in a session.
//! Holds texts only: what a tool was called with and what it answered is not kept.

use sqlx::FromRow;

use super::session::SessionId;
use base::clock::UnixMs;
use base::error::Result;
use base::sql;
use base::storage::{Page, PageRequest, Tx, words};

words! {
    /// Who said something, in the words of the clients.
    Speaker {
        /// The learner.
        Human = "human",
        /// The mentor.
        Mentor = "ai",
    }
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Message {
    /// Its number; later ones are larger.
    pub id: i64,
    /// By whom.
    #[sqlx(try_from = "String")]
    pub kind: Speaker,
    /// What.
    pub content: String,
    /// When.
    pub created_at: UnixMs,
}

/// Adds what was said.
///
/// # Errors
/// If the database fails.
pub async fn add(
    tx: &mut Tx,
    session: SessionId,
    speaker: Speaker,
    content: &str,
    now: UnixMs,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "INSERT INTO chat_messages (session_id, kind, content, created_at) VALUES ($1, $2, $3, $4)",
        session,
        speaker.as_str(),
        content,
        now
    )?;
    Ok(())
}

/// A page of a session, the newest first.
///
/// # Errors
/// If the database fails.
pub async fn list(tx: &mut Tx, session: SessionId, page: PageRequest) -> Result<Page<Message>> {
    let total = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM chat_messages WHERE session_id = $1",
        session
    )?;
    let rows = newest(tx, session, (page.size, page.offset())).await?;
    Ok(Page { total, rows })
}

/// The last things that were said, the oldest of them first.
///
/// # Errors
/// If the database fails.
pub async fn last(tx: &mut Tx, session: SessionId, rows_max: i64) -> Result<Vec<Message>> {
    let mut rows = newest(tx, session, (rows_max, 0)).await?;
    rows.reverse();
    Ok(rows)
}

async fn newest(
    tx: &mut Tx,
    session: SessionId,
    (size, offset): (i64, i64),
) -> Result<Vec<Message>> {
    Ok(sql!(
        tx,
        fetch_all as Message,
        "SELECT id, kind, content, created_at FROM chat_messages WHERE session_id = $1
         ORDER BY id DESC LIMIT $2 OFFSET $3",
        session,
        size,
        offset
    )?)
}
