//! One call under way: who calls, the transaction that it runs in, and what it is made from.

use std::pin::Pin;
use std::sync::Arc;

use super::failure::Refusal;
use super::progress::Progress;
use base::clock::{Clock, UnixMs};
use base::error::FieldErrors;
use base::secret::Vault;
use base::storage::{Db, Tx};
use broker::model::Models;
use learning::files::Files;
use tenancy::auth::Caller;

/// One call under way: who calls, and the transaction that it runs in.
#[derive(Debug)]
pub struct Call<'a> {
    /// The transaction; committed by the mechanism after a success of a tool that writes.
    pub tx: &'a mut Tx,
    /// Who calls.
    pub caller: &'a Caller,
    /// The master keys, which sign links.
    pub vault: &'a Vault,
    /// The current time.
    pub now: UnixMs,
    /// Scheme and host for absolute links, without a slash at the end.
    pub base_url: &'a str,
    /// What is wrong with the arguments; for a tool that [gathers](super::Tool::GATHERS), empty for every other.
    pub complaints: FieldErrors,
    /// Whether there is a mail server to send through; without one mail stays in the outbox.
    pub sends_mail: bool,
    /// Where it tells how far it is.
    pub progress: &'a Progress,
}

/// A future of a call.
pub(super) type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// Who makes a call, and through what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) caller: &'a Caller,
    pub(super) base_url: &'a str,
    pub(super) progress: &'a Progress,
}

/// What every call is made from.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) db: Db,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Clock,
    pub(super) sends_mail: bool,
    pub(super) files: Files,
    pub(super) models: Models,
}

impl Ground {
    /// A call in a transaction.
    pub(super) fn begin<'a>(&'a self, origin: Origin<'a>, tx: &'a mut Tx) -> Call<'a> {
        Call {
            tx,
            caller: origin.caller,
            vault: &self.vault,
            now: self.clock.now(),
            base_url: origin.base_url,
            complaints: FieldErrors::default(),
            sends_mail: self.sends_mail,
            progress: origin.progress,
        }
    }
}
