//! Chats of learners with mentors: sessions, turns, and the two engines that answer
//! (docs/inside/contract.md#chat-sessions and docs/inside/contract.md#chat).
//! Knows no wire: what a client is told leaves as [`frame::Frame`]s, and who talks has been established before.

mod engine;
pub mod frame;
mod generation;
mod look;
pub mod message;
mod said;
pub mod session;
mod tools;
mod turn;

use std::sync::Arc;

pub use generation::TURN_DEADLINE;
pub use generation::TURNS_PER_USER_MAX;
pub use look::Warned;
pub use said::{Said, Told};
pub use turn::{PROMPT_BYTES_MAX, Running, Turn};

use crate::gateway::Gateway;
use base::clock::Clock;
use base::error::Result;
use base::storage::Db;
use base::tasks::Tasks;
use broker::guard::Guards;
use broker::model::Models;
use generation::Generations;
use session::Session;
use tenancy::auth::Caller;
use tenancy::tenant::mentor::{self, Mentor};

/// The parts that every turn needs.
pub struct Chat {
    db: Db,
    clock: Clock,
    guards: Guards,
    models: Models,
    gateway: Arc<Gateway>,
    tasks: Tasks,
    generations: Generations,
}

/// What a [`Chat`] is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The source of time.
    pub clock: Clock,
    /// What is open because of a permission.
    pub guards: Guards,
    /// The way to language models.
    pub models: Models,
    /// The way to tools.
    pub gateway: Arc<Gateway>,
    /// Background work.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").finish_non_exhaustive()
    }
}

/// Who wants to talk about what.
#[derive(Debug, Clone, Copy)]
pub struct Address<'a> {
    /// The session, a UUID.
    pub session: &'a str,
    /// The mentor: UUID, name or slug.
    pub mentor: &'a str,
    /// What the client tells of the page around the chat, a JSON object; it replaces what was told before.
    pub metadata: Option<&'a str>,
}

impl Chat {
    /// A chat over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            db,
            clock,
            guards,
            models,
            gateway,
            tasks,
        } = parts;
        Self {
            db,
            clock,
            guards,
            models,
            gateway,
            tasks,
            generations: Generations::default(),
        }
    }

    /// Connects a person to a session of theirs.
    ///
    /// # Errors
    /// `NotFound` if the mentor or the session is none of theirs.
    pub async fn connect(
        &self,
        caller: &Caller,
        address: Address<'_>,
    ) -> Result<(Session, Mentor)> {
        let mut tx = self.db.write().await?;
        let mentor = mentor::get(&mut tx, caller.tenant.id, address.mentor).await?;
        let now = self.clock.now();
        let claimed = session::claim(&mut tx, caller, address.session, mentor.id, now);
        let mut session = claimed.await?;
        if let Some(metadata) = address.metadata {
            metadata.clone_into(&mut session.metadata);
            session::store(&mut tx, &session).await?;
        }
        tx.commit().await?;
        Ok((session, mentor))
    }

    /// Stops a turn of the caller, wherever it runs.
    ///
    /// # Errors
    /// `NotFound` if it is not under way, or not theirs.
    pub async fn stop(&self, caller: &Caller, generation: &str) -> Result<()> {
        let mut tx = self.db.write().await?;
        generation::mark_stopped(&mut tx, caller, generation).await?;
        tx.commit().await?;
        self.generations.stop(generation);
        Ok(())
    }
}
