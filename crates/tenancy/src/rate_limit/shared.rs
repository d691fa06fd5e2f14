//! The counts of all replicas, in Redis: one atomic script, read by Redis's own clock.
//! Never keeps a request waiting for a Redis that is slow or gone, and never puts a key into it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use tokio::sync::OnceCell;

use super::log::Reading;
use super::rate::{BURST_WINDOW, Bucket, Charges, Holder};
use base::clock::{Stopwatch, random_hex};

/// Longest wait for Redis, to connect or to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(250);
/// How long Redis is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The setting is not a URL of Redis.
#[derive(Debug, thiserror::Error)]
#[error("the Redis URL cannot be used")]
pub struct BadUrl(#[source] RedisError);

/// A Redis that all replicas count in.
pub(super) struct Shared {
    client: Client,
    script: Script,
    /// Tells this process's requests from those of the other replicas.
    process: String,
    requests: AtomicU64,
    first_attempt: OnceCell<()>,
    line: Mutex<Line>,
    /// Whether the log says that Redis is away.
    is_away_told: AtomicBool,
}

enum Line {
    Open(MultiplexedConnection),
    /// Since when; not to be tried before [`PAUSE`] is over.
    Away(Stopwatch),
}

/// For each bucket: taken, wait and time to the next free place in ms.
type Answer = [(u32, u64, u64); 3];

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(url: &str) -> Result<Self, BadUrl> {
        Ok(Self {
            client: Client::open(url).map_err(BadUrl)?,
            script: Script::new(include_str!("admit.lua")),
            process: random_hex::<8>(),
            requests: AtomicU64::new(0),
            first_attempt: OnceCell::new(),
            line: Mutex::new(Line::Away(Stopwatch::start())),
            is_away_told: AtomicBool::new(false),
        })
    }

    /// What [`super::memory::Memory::admit`] does, for all replicas; nothing if Redis does not answer in time.
    pub(super) async fn admit(&self, charges: &Charges) -> Option<[Reading; 3]> {
        let connection = self.connection().await?;
        match answered(self.ask(connection, charges)).await {
            Ok(answer) => Some(answer.map(|(taken, wait, frees_in)| Reading {
                taken,
                wait: Duration::from_millis(wait),
                frees_in: Duration::from_millis(frees_in),
            })),
            Err(reason) => {
                self.give_up(&reason);
                None
            }
        }
    }

    async fn ask(
        &self,
        mut connection: MultiplexedConnection,
        charges: &Charges,
    ) -> Result<Answer, RedisError> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut call = self.script.prepare_invoke();
        call.arg(format!("{}-{number}", self.process))
            .arg(ms(BURST_WINDOW));
        for charge in charges {
            call.key(name(&charge.bucket))
                .arg(charge.rate.max)
                .arg(charge.rate.burst)
                .arg(ms(charge.rate.window));
        }
        call.invoke_async(&mut connection).await
    }

    async fn connection(&self) -> Option<MultiplexedConnection> {
        // All wait for the first attempt; after a failure one tries again, and the others do without meanwhile.
        self.first_attempt.get_or_init(|| self.connect()).await;
        {
            let mut line = self.line();
            match &*line {
                Line::Open(connection) => return Some(connection.clone()),
                Line::Away(since) if since.elapsed() < PAUSE => return None,
                // Nothing is left half done if this request is dropped while it connects.
                Line::Away(_) => *line = Line::Away(Stopwatch::start()),
            }
        }
        self.connect().await;
        match &*self.line() {
            Line::Open(connection) => Some(connection.clone()),
            Line::Away(_) => None,
        }
    }

    async fn connect(&self) {
        match answered(self.client.get_multiplexed_async_connection()).await {
            Ok(connection) => {
                *self.line() = Line::Open(connection);
                if self.is_away_told.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis answers again: the replicas share their limits");
                }
            }
            Err(reason) => self.give_up(&reason),
        }
    }

    fn give_up(&self, reason: &str) {
        *self.line() = Line::Away(Stopwatch::start());
        if !self.is_away_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason,
                "Redis does not answer: each replica counts its own share for now"
            );
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing panics while it is held.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answered<T>(asking: impl Future<Output = Result<T, RedisError>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER_TIMEOUT, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        // The text of Redis may say anything; its kind says enough.
        Ok(Err(error)) => Err(format!("{:?}", error.kind())),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The name of a bucket in Redis. The part in braces keeps a tenant's buckets together in a cluster.
fn name(bucket: &Bucket) -> String {
    let (tenant, scope) = (bucket.tenant.0, bucket.scope);
    match bucket.holder {
        Holder::Key(id) => format!("mentor-gateway:limit:{{{tenant}}}:key:{}:{scope}", id.0),
        Holder::User(id) => format!("mentor-gateway:limit:{{{tenant}}}:user:{}:{scope}", id.0),
        Holder::Network(of) => format!("mentor-gateway:limit:{{{tenant}}}:net:{of}:{scope}"),
        Holder::Tenant => format!("mentor-gateway:limit:{{{tenant}}}:{scope}"),
    }
}
