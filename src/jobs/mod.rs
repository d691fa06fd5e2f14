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
use std::time::Duration;

use base::clock::Clock;
use base::error::Result;
use base::secret::Vault;
use base::storage::Db;
use base::tasks::{Next, Tasks};
use delivery::mail::Sender;
use egress::Egress;
use learning::files::Files;

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

/// A run of a job.
type Running = Pin<Box<dyn Future<Output = Result<Next>> + Send>>;

/// A job without anything of its own: its name, how often it runs, and a run of it.
type Job = (&'static str, Duration, fn(Parts) -> Running);

const JOBS: [Job; 4] = [
    ("index_pages", index_pages::RETRY_AFTER, |parts| {
        Box::pin(index_pages::run(parts))
    }),
    ("reset_sandbox", reset_sandbox::LOOK_EVERY, |parts| {
        Box::pin(reset_sandbox::run(parts))
    }),
    ("clear_up", clear_up::LOOK_EVERY, |parts| {
        Box::pin(clear_up::run(parts))
    }),
    ("remove_files", remove_files::LOOK_EVERY, |parts| {
        Box::pin(remove_files::run(parts))
    }),
];

/// The jobs of every gateway, by their names in metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    JOBS.iter().map(|(name, ..)| *name)
}

/// Starts every job. Without a `sender` mails stay in the outbox.
pub fn start(parts: &Parts, sender: Option<Sender>) {
    let tasks = &parts.tasks;
    for (name, period, run) in JOBS {
        let parts = parts.clone();
        tasks.every(name, period, move || run(parts.clone()));
    }
    if let Some(sender) = sender {
        let of_mail = parts.clone();
        tasks.every("send_mail", send_mail::LOOK_EVERY, move || {
            send_mail::run(of_mail.clone(), sender.clone())
        });
    }
    let (of_webhooks, places) = (parts.clone(), send_webhooks::places());
    tasks.every("send_webhooks", send_webhooks::LOOK_EVERY, move || {
        send_webhooks::run(of_webhooks.clone(), places.clone())
    });
}
