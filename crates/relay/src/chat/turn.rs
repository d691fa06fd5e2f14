//! One turn: what the learner said, the tools, the engine, and the end, whatever it is.
//! Never leaves a turn written down as under way once it has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Chat;
use super::engine::{NO_TOOLS, Out, Talk, built_in, model};
use super::frame::Frame;
use super::generation::{self, Generation, TURN_DEADLINE};
use super::look::{Warned, look};
use super::message::{self, Message, Speaker};
use super::said::{Said, Told};
use super::session::{self, Session};
use super::tools::{Listed, Toolbox};
use crate::gateway::Target;
use base::clock::random_uuid;
use base::error::{Error, Result};
use learning::learner::event;
use tenancy::auth::Caller;
use tenancy::tenant::mentor::Mentor;

/// Longest message of a learner, in bytes.
pub const PROMPT_BYTES_MAX: usize = 64 * 1024;
/// Frames that a slow client may be behind before its turn waits for it.
const FRAMES_MAX: usize = 64;
/// How often a turn asks whether it was stopped elsewhere.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Earlier messages that an engine is given.
const HISTORY_MESSAGES_MAX: i64 = 40;
/// Characters of the first message that become the title.
const TITLE_CHARACTERS: usize = 80;

/// A turn to be run.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Who talks.
    pub caller: Arc<Caller>,
    /// In which session.
    pub session: Session,
    /// With which mentor.
    pub mentor: Mentor,
    /// What was sent.
    pub told: Told,
    /// The servers that this chat was warned of.
    pub warned: Warned,
}

/// A turn under way. Dropping it stops the turn.
#[derive(Debug)]
pub struct Running {
    said: mpsc::Receiver<Said>,
    hang_up: CancellationToken,
}

impl Running {
    /// What is said next; `None` when the turn is over. Safe to cancel.
    pub async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hang_up.cancel();
    }
}

/// How a turn ended that did not fail.
enum Ended {
    /// The engine had said everything.
    Done,
    /// Somebody stopped it.
    Stopped,
    /// The client is gone.
    HungUp,
}

impl Chat {
    /// Starts a turn in the background.
    pub fn begin(self: &Arc<Self>, turn: Turn) -> Running {
        let (sender, said) = mpsc::channel(FRAMES_MAX);
        let hang_up = self.tasks.stop.child_token();
        let (chat, gone) = (self.clone(), hang_up.clone());
        self.tasks.spawn(async move {
            if let Err(error) = chat.run(&turn, sender.clone(), gone).await {
                // A client that is gone cannot be told.
                let _ = sender.send(Said::Failed(error)).await;
            }
        });
        Running { said, hang_up }
    }

    async fn run(
        &self,
        turn: &Turn,
        said: mpsc::Sender<Said>,
        gone: CancellationToken,
    ) -> Result<()> {
        let id = random_uuid().to_string();
        let generation = self.generations.begin(id.clone(), turn.caller.user_id())?;
        let history = self.open(turn, &id).await?;
        let guard = self.guards.guard(&turn.caller);
        guard.depend(|through| through.mentor = Some(turn.mentor.id));
        let mut out = Out::new(said);
        out.tell(Frame::Generation(id)).await;
        let ended = tokio::select! {
            biased;
            () = gone.cancelled() => Ok(Ended::HungUp),
            () = generation.stop.cancelled() => Ok(Ended::Stopped),
            why = guard.ended() => Err(Error::Ended(why)),
            ended = self.watch(&generation) => ended,
            () = tokio::time::sleep(TURN_DEADLINE) => Ok(Ended::Stopped),
            answered = self.answer(turn, &history, &mut out) => answered.map(|()| Ended::Done),
        };
        self.close(turn, &generation, &out.said).await?;
        match ended? {
            Ended::Done | Ended::Stopped => out.tell(Frame::End).await,
            Ended::HungUp => {}
        }
        Ok(())
    }

    /// Writes down that the turn begins, and what the learner said. Returns what was said before.
    async fn open(&self, turn: &Turn, id: &str) -> Result<Vec<Message>> {
        let (now, session) = (self.clock.now(), &turn.session);
        let mut tx = self.db.write().await?;
        generation::add(&mut tx, session.id, &turn.caller, id, now).await?;
        let mut history = Vec::new();
        if keeps_history(&turn.mentor) {
            history = message::last(&mut tx, session.id, HISTORY_MESSAGES_MAX).await?;
            let text = &turn.told.text;
            if !text.is_empty() {
                message::add(&mut tx, session.id, Speaker::Human, text, now).await?;
            }
        }
        let mentor = &turn.mentor.unique_id;
        let whose = (session.tenant_id, turn.caller.user_id());
        event::record_message(&mut tx, whose, mentor, now).await?;
        tx.commit().await?;
        Ok(history)
    }

    /// Writes down that the turn has ended, and what was said in it.
    async fn close(&self, turn: &Turn, generation: &Generation, said: &str) -> Result<()> {
        let (now, session) = (self.clock.now(), &turn.session);
        let mut tx = self.db.write().await?;
        generation::remove(&mut tx, &generation.id).await?;
        // The session may have been deleted while the turn ran.
        let stored = session::get(&mut tx, session.tenant_id, &session.unique_id).await;
        if let Ok(mut stored) = stored
            && keeps_history(&turn.mentor)
        {
            if !said.is_empty() {
                message::add(&mut tx, session.id, Speaker::Mentor, said, now).await?;
            }
            if stored.title.is_empty() {
                stored.title = turn.told.text.chars().take(TITLE_CHARACTERS).collect();
                stored.updated_at = now;
                session::store(&mut tx, &stored).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends when the turn is stopped elsewhere.
    async fn watch(&self, generation: &Generation) -> Result<Ended> {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            let mut tx = self.db.read().await?;
            if !generation::goes_on(&mut tx, &generation.id).await? {
                return Ok(Ended::Stopped);
            }
        }
    }

    async fn answer(&self, turn: &Turn, history: &[Message], out: &mut Out) -> Result<()> {
        let toolbox = Toolbox {
            gateway: self.gateway.clone(),
            caller: turn.caller.clone(),
            mentor: turn.mentor.unique_id.clone(),
            chat: turn.session.unique_id.as_str().into(),
        };
        let toolbox = turn.session.may_use_mcp().then_some(&toolbox);
        let (listed, note) = self.tools(turn, toolbox, out).await?;
        let mut talk = Talk {
            mentor: &turn.mentor,
            history,
            told: &turn.told,
            metadata: &turn.session.metadata,
            listed: &listed,
            note: note.as_deref(),
            toolbox,
            out,
        };
        let mut tx = self.db.read().await?;
        let model = self.models.of(&mut tx, turn.caller.tenant.id).await?;
        drop(tx);
        match model {
            Some(model) => model::answer(&model, &mut talk).await,
            None => built_in::answer(&mut talk).await,
        }
    }

    /// The tools that this session may use, or a sentence that says why there are none.
    async fn tools(
        &self,
        turn: &Turn,
        toolbox: Option<&Toolbox>,
        out: &Out,
    ) -> Result<(Listed, Option<String>)> {
        let Some(toolbox) = toolbox else {
            return Ok((Listed::default(), Some(NO_TOOLS.to_owned())));
        };
        let found = look(toolbox, &turn.warned).await?;
        for frame in found.frames {
            out.tell(frame).await;
        }
        let target = Target::Mentor(turn.mentor.unique_id.clone());
        let view = self.gateway.view(&turn.caller, &target).await?;
        Ok((found.listed, view.note.clone()))
    }
}

/// Whether what is said is kept: an admin may have switched that off.
fn keeps_history(mentor: &Mentor) -> bool {
    let settings = mentor.stored_settings();
    let switch = settings.get("disable_chathistory");
    !switch.is_some_and(|value| value == "true" || value == true)
}
