//! Background work: tracked, so that shutdown waits for it, told when to stop, and never gone in silence.
//! The only place that starts a task which outlives its caller; knows nothing of what the tasks do.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause before a task that panicked is started again, the first time; each time it is twice as long.
const RESTART_PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A task that ran for so long before it panicked is started again as if it were the first time.
const STEADY_AFTER: Duration = Duration::from_secs(5 * 60);
/// What a task without a name is counted as.
const UNNAMED: &str = "other";

/// The background work of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Cancelled when the gateway begins to stop.
    pub stop: CancellationToken,
    late: CancellationToken,
    panics: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Tasks {
    /// Starts a task that ends by itself.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            tasks.unharmed(UNNAMED, task).await;
        });
    }

    /// Starts a task that is there for as long as the gateway is: if it panics it is started again, after a pause.
    pub fn supervise<F>(&self, name: &'static str, start: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let mut pause = RESTART_PAUSE;
            loop {
                let began = Instant::now();
                let ended = tasks.unharmed(name, async { start().await }).await;
                if ended.is_some() || tasks.late.is_cancelled() {
                    return;
                }
                if began.elapsed() >= STEADY_AFTER {
                    pause = RESTART_PAUSE;
                }
                tracing::warn!(
                    task = name,
                    pause_ms = pause.as_millis(),
                    "restarting a task"
                );
                tokio::select! {
                    () = tasks.stop.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(RESTART_PAUSE_MAX);
            }
        });
    }

    /// Runs something to its end. `None` if it panicked, which is logged and counted under the name.
    pub async fn unharmed<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(output) => Some(output),
            Err(panic) => {
                tracing::error!(task = name, panic = text_of(&*panic), "a task panicked");
                let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
                *panics.entry(name).or_default() += 1;
                None
            }
        }
    }

    /// How often tasks panicked, by their names.
    pub fn panics(&self) -> Vec<(&'static str, u64)> {
        let panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        panics.iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Cancelled when every request has ended: for what must outlive them, such as the audit writer.
    pub fn late(&self) -> CancellationToken {
        self.late.clone()
    }

    /// Tells every task to stop and waits until the last one has.
    pub async fn finish(&self) {
        self.stop.cancel();
        self.late.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_counted_and_started_again_later_and_later() {
        let tasks = Tasks::default();
        let begun = Arc::new(AtomicU32::new(0));
        let counter = begun.clone();
        let first = Instant::now();
        tasks.supervise("job", move || {
            let counter = counter.clone();
            async move {
                match counter.fetch_add(1, Ordering::SeqCst) {
                    3 => {}
                    run => panic!("run {run}"),
                }
            }
        });
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert_eq!(begun.load(Ordering::SeqCst), 4);
        assert_eq!(tasks.panics(), [("job", 3)]);
        assert_eq!(first.elapsed(), RESTART_PAUSE * (1 + 2 + 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_always_panics_ends_with_the_gateway() {
        let tasks = Tasks::default();
        tasks.supervise("job", || async { panic!("always") });
        tasks.spawn(async { panic!("once") });
        tokio::time::sleep(RESTART_PAUSE / 2).await;
        tasks.finish().await;
        // Once more at the end, for a writer that has something left.
        assert_eq!(tasks.panics(), [("job", 2), ("other", 1)]);
    }
}
