//! What happens without a request: deliveries, mail, resets, indexing, clearing up. One job a file.
//! Holds no rule of any noun; each job is safe to run in several processes at once.

mod clear_up;
mod index_pages;
mod remove_files;
mod reset_sandbox;
mod send_mail;
mod send_webhooks;

pub use remove_files::remove_unused;

use std::pin::Pin;
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

/// How a job is started.
type Job = fn(Parts) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts every job; each runs until it is done for good or the gateway stops, and again if it panics. Without a `sender` mails stay in the outbox.
pub fn start(parts: &Parts, sender: Option<Sender>) {
    let tasks = &parts.tasks;
    if let Some(sender) = sender {
        let of_mail = parts.clone();
        tasks.supervise("send_mail", move || {
            send_mail::run(of_mail.clone(), sender.clone())
        });
    }
    let jobs: [(&str, Job); 5] = [
        ("index_pages", |parts| Box::pin(index_pages::run(parts))),
        ("reset_sandbox", |parts| Box::pin(reset_sandbox::run(parts))),
        ("send_webhooks", |parts| Box::pin(send_webhooks::run(parts))),
        ("clear_up", |parts| Box::pin(clear_up::run(parts))),
        ("remove_files", |parts| Box::pin(remove_files::run(parts))),
    ];
    for (name, run) in jobs {
        let parts = parts.clone();
        tasks.supervise(name, move || run(parts.clone()));
    }
}
