//! How far a call is, told while it runs.
//! Never waits for its listeners, and does not fail if nobody does.

use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::failure::Allowance;

/// A step of a call that was done (docs/inside/academy.md#6353-streaming).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Steps that are done.
    pub completed: usize,
    /// Steps that there are.
    pub total: usize,
    /// Whom this one was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_user: Option<String>,
    /// Its outcome, in a word.
    pub status: &'static str,
    /// The face's code, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Its outcome, in a sentence, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// The call was counted; this is how its allowance stands.
    Counted(Allowance),
    /// A step was done.
    Step(Step),
}

/// Where a call tells how far it is; by default nowhere. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    listener: Option<UnboundedSender<Told>>,
    tells_all: bool,
}

impl Progress {
    /// For a client that is given every step as it is.
    pub fn in_full() -> (Self, UnboundedReceiver<Told>) {
        Self::to(true)
    }

    /// For a client that is given numbers and a sentence, and wants the whole at the end.
    pub(crate) fn in_brief() -> (Self, UnboundedReceiver<Told>) {
        Self::to(false)
    }

    /// Unbounded: the steps of a call are as many as its arguments, which are limited.
    fn to(tells_all: bool) -> (Self, UnboundedReceiver<Told>) {
        let (sender, told) = unbounded_channel();
        let listener = Some(sender);
        (
            Self {
                listener,
                tells_all,
            },
            told,
        )
    }

    /// Whether the client is given every step as it is, so that the answer need not repeat them.
    pub(super) fn tells_all(&self) -> bool {
        self.tells_all
    }

    /// Tells of a step.
    pub(super) fn step(&self, step: Step) {
        self.tell(Told::Step(step));
    }

    pub(super) fn tell(&self, told: Told) {
        if let Some(listener) = &self.listener {
            // One that is gone hears nothing; the call goes on.
            let _ = listener.send(told);
        }
    }
}
