//! What happens without a request: deliveries, mail, resets, indexing, clearing up. One job a file.
//! Holds no rule of any noun; each job is safe to run in several processes at once.

mod clear_up;
mod index_pages;
mod remove_files;
mod reset_sandbox;
mod send_mail;
mod send_webhooks;

pub use remove_files::remove_unused;

use std::sync::Arc;

use crate::clock::Clock;
use crate::egress::Egress;
use crate::files::Files;
use crate::mail::Sender;
use crate::secret::Vault;
use crate::storage::Db;
use crate::tasks::Tasks;

/// What the jobs work with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The master keys.
    pub vault: Arc<Vault>,
    /// The source of time.
    pub clock: Clock,
    /// What people bring.
    pub files: Files,
    /// The way out to the network.
    pub egress: Egress,
    /// Background work that shutdown waits for.
    pub tasks: Tasks,
}

/// Starts every job; each runs until it is done for good or the gateway stops. Without a `sender` mails stay in the outbox.
pub fn start(parts: &Parts, sender: Option<Sender>) {
    if let Some(sender) = sender {
        parts.tasks.spawn(send_mail::run(parts.clone(), sender));
    }
    parts.tasks.spawn(index_pages::run(parts.clone()));
    parts.tasks.spawn(reset_sandbox::run(parts.clone()));
    parts.tasks.spawn(send_webhooks::run(parts.clone()));
    parts.tasks.spawn(clear_up::run(parts.clone()));
    parts.tasks.spawn(remove_files::run(parts.clone()));
}
