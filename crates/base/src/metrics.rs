//! What operators watch: answers, calls, how long they took, and what waits. Written as OpenMetrics text.
//! No label has a name of a tenant, a person or a tool: each is a word of a closed set.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::tasks::Runs;

/// The media type of [`Metrics::text`] (OpenMetrics 1.0, section 4.1).
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What every name begins with.
const PREFIX: &str = "gateway";
/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    /// `2xx` and so on.
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Task {
    task: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Job {
    job: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Holding {
    what: &'static str,
    state: &'static str,
}

/// How many there are of something in a state: what, the state, and their number.
pub type Held = (&'static str, &'static str, i64);

/// Counters of one process. Cheap to clone; the clones count together.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answers: Family<Answer, Counter>,
    calls: Family<Call, Counter>,
    durations: Family<Method, Histogram, fn() -> Histogram>,
    ends: Family<End, Counter>,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let (answers, calls) = (Family::default(), Family::default());
        let durations: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register(
            "http_answers",
            "Answers to HTTP requests, by class of status",
            answers.clone(),
        );
        registry.register(
            "calls",
            "MCP calls by method and outcome, as in the audit",
            calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "How long MCP calls took, by method",
            Unit::Seconds,
            durations.clone(),
        );
        let ends = Family::default();
        registry.register(
            "ended",
            "What was closed because its permission was revoked or expired, by reason",
            ends.clone(),
        );
        Self(Arc::new(Inner {
            ends,
            answers,
            calls,
            durations,
            registry,
        }))
    }
}

impl Metrics {
    /// Counts an answer by its status.
    pub fn answered(&self, status: u16) {
        let status = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        self.0.answers.get_or_create(&Answer { status }).inc();
    }

    /// Counts a call that ended: its MCP method, and its outcome in the audit's words.
    pub fn called(&self, method: &'static str, outcome: &'static str, took: Duration) {
        let duration = Method { method };
        self.0
            .durations
            .get_or_create(&duration)
            .observe(took.as_secs_f64());
        self.0.calls.get_or_create(&Call { method, outcome }).inc();
    }

    /// Counts something open that ended with the permission for it, by the word for that.
    pub fn ended(&self, reason: &'static str) {
        self.0.ends.get_or_create(&End { reason }).inc();
    }

    /// All of it as OpenMetrics text, with what is known only now.
    ///
    /// # Errors
    /// None that a text in memory can have.
    pub fn text(&self, now: &Now) -> Result<String, std::fmt::Error> {
        let now = now.registry();
        let mut text = String::new();
        encode_registry(&mut text, &self.0.registry)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// What is counted elsewhere, and read when somebody asks.
#[derive(Debug, Default)]
pub struct Now {
    /// How many of what are held, by state.
    pub held: Vec<Held>,
    /// How often which task panicked.
    pub panics: Vec<(&'static str, u64)>,
    /// How the runs of each job went.
    pub runs: Vec<(&'static str, Runs)>,
}

impl Now {
    fn registry(&self) -> Registry {
        let panicked: Family<Task, Counter> = Family::default();
        for (task, count) in &self.panics {
            panicked.get_or_create(&Task { task }).inc_by(*count);
        }
        let counts: Family<Holding, Gauge> = Family::default();
        for (what, state, count) in &self.held {
            counts.get_or_create(&Holding { what, state }).set(*count);
        }
        let mut now = Registry::with_prefix(PREFIX);
        now.register("held", "What waits, is done or has failed", counts);
        now.register(
            "task_panics",
            "Panics of background tasks and requests",
            panicked,
        );
        self.register_jobs(&mut now);
        now
    }

    fn register_jobs(&self, now: &mut Registry) {
        let (ended, failed) = (
            Family::<Job, Counter>::default(),
            Family::<Job, Counter>::default(),
        );
        let took: Family<Job, Gauge<f64, AtomicU64>> = Family::default();
        let succeeded: Family<Job, Gauge<f64, AtomicU64>> = Family::default();
        for (job, runs) in &self.runs {
            let job = Job { job };
            ended.get_or_create(&job).inc_by(runs.ended);
            failed.get_or_create(&job).inc_by(runs.failed);
            took.get_or_create(&job).set(runs.took.as_secs_f64());
            if let Some(at) = runs.succeeded_at {
                succeeded.get_or_create(&job).set(at.0 as f64 / 1000.0);
            }
        }
        now.register("job_runs", "Runs of jobs that ended", ended);
        now.register("job_failures", "Runs of jobs that failed", failed);
        now.register_with_unit(
            "job_last_run",
            "How long the last run took",
            Unit::Seconds,
            took,
        );
        now.register_with_unit(
            "job_last_success",
            "When a run last succeeded, as Unix time",
            Unit::Seconds,
            succeeded,
        );
    }
}
