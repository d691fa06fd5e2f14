//! What was done to the items of a list, in sentences for `_meta` and the log: a bounded number of them, whatever an
//! upstream sends.

use std::sync::Arc;

/// Sentences of a kind that are kept; the others are only counted.
const REASONS_MAX: usize = 20;
/// Longest name of a thing in a sentence, in characters.
const SHOWN_CHARACTERS_MAX: usize = 128;

/// Sentences, of which only so many are kept.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Reasons {
    kept: Vec<String>,
    more: usize,
}

impl Reasons {
    /// Adds a sentence.
    pub(in crate::gateway) fn push(&mut self, reason: String) {
        if self.kept.len() < REASONS_MAX {
            self.kept.push(reason);
        } else {
            self.more += 1;
        }
    }

    /// Adds all sentences of another.
    pub(in crate::gateway) fn append(&mut self, other: Self) {
        other.kept.into_iter().for_each(|reason| self.push(reason));
        self.more += other.more;
    }

    /// Whether there is nothing to say.
    pub(in crate::gateway) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.more == 0
    }

    /// The sentences, and how many more there were.
    pub(in crate::gateway) fn into_sentences(mut self) -> Arc<[String]> {
        if self.more > 0 {
            self.kept.push(format!("and {} more", self.more));
        }
        self.kept.into()
    }
}

/// What was done to something.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Notes {
    /// What does not stand in it any more, and why.
    pub(in crate::gateway) left_out: Reasons,
    /// What looks as if it were meant to deceive somebody, and what became of it.
    pub(in crate::gateway) flagged: Reasons,
}

impl Notes {
    /// Adds everything of another.
    pub(in crate::gateway) fn append(&mut self, other: Self) {
        self.left_out.append(other.left_out);
        self.flagged.append(other.flagged);
    }

    /// Puts what was done beside a server's state.
    pub(in crate::gateway) fn write(self, state: &mut serde_json::Value) {
        write(
            state,
            &self.left_out.into_sentences(),
            &self.flagged.into_sentences(),
        );
    }

    /// Whether nothing was done.
    pub(in crate::gateway) fn is_empty(&self) -> bool {
        self.left_out.is_empty() && self.flagged.is_empty()
    }
}

/// Puts sentences beside a server's state, where there are any.
pub(in crate::gateway) fn write(
    state: &mut serde_json::Value,
    left_out: &[String],
    flagged: &[String],
) {
    for (member, sentences) in [("leftOut", left_out), ("flagged", flagged)] {
        if !sentences.is_empty() {
            state[member] = sentences.into();
        }
    }
}

/// A name as it stands in a sentence: quoted, nothing hidden in it, and not too long.
pub(in crate::gateway) fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}", format!("{}…", &name[..end])),
    }
}
