//! Background work: tracked, so that shutdown waits for it, told when to stop, and never gone in silence.
//! The only place that starts a task which outlives its caller; knows nothing of what the tasks do.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, UnixMs};
use crate::error::Result;
use crate::trace::{self, Trace};

/// Pauses before a task that panicked is started again.
const RESTART: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(60),
};
/// A task that ran for so long before it panicked is started again as if it were the first time.
const STEADY_AFTER: Duration = Duration::from_secs(5 * 60);
/// What a task without a name is counted as.
const UNNAMED: &str = "other";

/// Pauses between tries of which each is twice as long as the one before, up to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after so many failures in a row.
    pub fn after(self, failures: i64) -> Duration {
        let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or(0);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// The pause that follows a pause.
    pub fn next(self, pause: Duration) -> Duration {
        pause.saturating_mul(2).min(self.longest)
    }
}

/// The background work of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Cancelled when the gateway begins to stop.
    pub stop: CancellationToken,
    late: CancellationToken,
    panics: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    jobs: Arc<Mutex<BTreeMap<&'static str, Runs>>>,
}

/// How the runs of a job went.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Runs {
    /// How many ended.
    pub ended: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How long the last one took.
    pub took: Duration,
    /// When the last one succeeded.
    pub succeeded_at: Option<UnixMs>,
}

/// When a job runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After its period.
    Later,
    /// At once: there is more to do.
    AtOnce,
    /// Never: it is done for good.
    Never,
}

impl Tasks {
    /// Starts a task that ends by itself.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            tasks.unharmed(UNNAMED, task).await;
        });
    }

    /// Starts a task that ends by itself and is a part of the current request: its lines of the log are that request's,
    /// which ends with it.
    pub fn spawn_of_request(&self, task: impl Future<Output = ()> + Send + 'static) {
        match trace::current() {
            Some(trace) => self.spawn(async move { trace::within(trace, pin!(task)).await }),
            None => self.spawn(task),
        }
    }

    /// Starts a task that is there for as long as the gateway is: if it panics it is started again, after a pause.
    pub fn supervise<F>(&self, name: &'static str, start: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let mut pause = RESTART.first;
            loop {
                let began = Instant::now();
                let running = pin!(tasks.unharmed(name, async { start().await }));
                let ended = trace::within(Trace::job(name), running).await;
                if ended.is_some() || tasks.late.is_cancelled() {
                    return;
                }
                if began.elapsed() >= STEADY_AFTER {
                    pause = RESTART.first;
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
                pause = RESTART.next(pause);
            }
        });
    }

    /// Starts a job: it runs now and after each period, until it is done for good or the gateway stops. A run that fails is
    /// logged and counted, and the next one comes as if it had not.
    pub fn every<F>(
        &self,
        name: &'static str,
        period: Duration,
        run: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Next>> + Send + 'static,
    {
        let (tasks, run) = (self.clone(), Arc::new(run));
        self.supervise(name, move || {
            let (tasks, run) = (tasks.clone(), run.clone());
            async move {
                loop {
                    let began = Instant::now();
                    let done = trace::within(Trace::job(name), pin!(run())).await;
                    tasks.ran(name, began.elapsed(), done.is_ok());
                    let pause = match done {
                        Ok(Next::Never) => return,
                        Ok(Next::AtOnce) => Duration::ZERO,
                        Ok(Next::Later) => period,
                        Err(error) => {
                            tracing::error!(job = name, error = %error.chain(), "a job failed");
                            period
                        }
                    };
                    tokio::select! {
                        biased;
                        () = tasks.stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        });
    }

    fn ran(&self, name: &'static str, took: Duration, is_success: bool) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = jobs.entry(name).or_default();
        runs.ended += 1;
        runs.took = took;
        match is_success {
            true => runs.succeeded_at = Some(Clock::default().now()),
            false => runs.failed += 1,
        }
    }

    /// How the runs of each job went, by their names.
    pub fn runs(&self) -> Vec<(&'static str, Runs)> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().map(|(name, runs)| (*name, *runs)).collect()
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
    use crate::error::Error;

    #[test]
    fn a_pause_doubles_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(300),
        };
        let pauses =
            [-1, 0, 1, 2, 5, 6, 7, i64::MAX].map(|failures| backoff.after(failures).as_secs());
        assert_eq!(pauses, [5, 5, 10, 20, 160, 300, 300, 300]);
        let following =
            [5, 150, 200, 300].map(|pause| backoff.next(Duration::from_secs(pause)).as_secs());
        assert_eq!(following, [10, 300, 300, 300]);
    }

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
        assert_eq!(first.elapsed(), RESTART.first * (1 + 2 + 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_runs_after_each_period_at_once_if_there_is_more_and_never_if_it_is_done() {
        let tasks = Tasks::default();
        let begun = Arc::new(AtomicU32::new(0));
        let counter = begun.clone();
        let first = Instant::now();
        tasks.every("job", Duration::from_secs(10), move || {
            let counter = counter.clone();
            async move {
                match counter.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(Error::Unavailable("database")),
                    1 => Ok(Next::AtOnce),
                    2 => Ok(Next::Later),
                    _ => Ok(Next::Never),
                }
            }
        });
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert_eq!(first.elapsed(), Duration::from_secs(20));
        let [("job", runs)] = tasks.runs()[..] else {
            panic!("{:?}", tasks.runs());
        };
        assert_eq!((runs.ended, runs.failed), (4, 1));
        assert!(runs.succeeded_at.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_ends_with_the_gateway() {
        let tasks = Tasks::default();
        tasks.every("job", Duration::from_secs(10), async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Next::AtOnce)
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        tasks.finish().await;
        assert!(tasks.runs()[0].1.ended > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_always_panics_ends_with_the_gateway() {
        let tasks = Tasks::default();
        tasks.supervise("job", || async { panic!("always") });
        tasks.spawn(async { panic!("once") });
        tokio::time::sleep(RESTART.first / 2).await;
        tasks.finish().await;
        // Once more at the end, for a writer that has something left.
        assert_eq!(tasks.panics(), [("job", 2), ("other", 1)]);
    }
}
