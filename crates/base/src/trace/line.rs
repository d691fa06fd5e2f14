//! One line for each request, at `info`: handed over when the request ends, written in groups a little later.
//! Nothing is formatted, and nobody is woken, while somebody waits for an answer.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Facts, Parent};
use crate::clock::{Clock, UnixMs};

/// What the lines are filtered by, beside their level: `info,mentor_gateway::request=warn` leaves them out.
pub const TARGET: &str = "mentor_gateway::request";

/// How often the lines that wait are written.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Lines that wait at most; later ones are counted and left out.
const LINES_MAX: usize = 16_384;

static WAITING: Mutex<Waiting> = Mutex::new(Waiting {
    lines: Vec::new(),
    left_out: 0,
});
static WRITER: OnceLock<Writer> = OnceLock::new();

/// Writes a group of lines.
type Writer = Box<dyn Fn(&[Line]) + Send + Sync>;

struct Waiting {
    lines: Vec<Line>,
    left_out: u64,
}

/// A request that ended, as the log tells of it.
#[derive(Debug)]
pub struct Line {
    /// When it ended.
    pub at: UnixMs,
    id: Arc<str>,
    took: Duration,
    facts: Facts,
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Number(u16),
    /// A duration, in milliseconds.
    Ms(f64),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Ms(ms) => write!(f, "{ms:.3}"),
        }
    }
}

/// Says who writes the lines. Before that none is kept.
pub fn write_with(writer: impl Fn(&[Line]) + Send + Sync + 'static) {
    // The first log of a process stays.
    let _ = WRITER.set(Box::new(writer));
}

/// Whether somebody writes the lines and the log's filter lets them through.
pub(super) fn are_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO) && WRITER.get().is_some()
}

pub(super) fn push(id: Arc<str>, took: Duration, facts: Facts) {
    let at = Clock::default().now();
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    if waiting.lines.len() < LINES_MAX {
        waiting.lines.push(Line {
            at,
            id,
            took,
            facts,
        });
    } else {
        waiting.left_out += 1;
    }
}

/// Writes the lines that wait, until it is told to stop, and then the last ones.
pub async fn keep_writing(stop: CancellationToken) {
    loop {
        let is_stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(WRITE_EVERY) => false,
        };
        write_lines();
        if is_stopped {
            return;
        }
    }
}

/// Writes the lines that wait.
pub fn write_lines() {
    let (lines, left_out) = {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.is_empty() {
            return;
        }
        (
            std::mem::take(&mut waiting.lines),
            std::mem::take(&mut waiting.left_out),
        )
    };
    if let Some(write) = WRITER.get() {
        write(&lines);
    }
    if left_out > 0 {
        tracing::warn!(target: TARGET, lines = left_out, "lines about requests were left out: there were too many");
    }
}

impl Line {
    /// Its fields, in their order. What is not known has none.
    pub fn fields(&self, tell: &mut dyn FnMut(&'static str, Value<'_>)) {
        let Self { id, facts, .. } = self;
        tell("request.id", Value::Text(id));
        facts.belonging(&mut |name, value| tell(name, Value::Text(value)));
        let mut text = |name, value: &str| {
            if !value.is_empty() {
                tell(name, Value::Text(value));
            }
        };
        text("method", &facts.method);
        text("route", &facts.route);
        if facts.status > 0 {
            tell("status", Value::Number(facts.status));
        }
        if !facts.call.is_empty() {
            tell("call", Value::Text(facts.call));
        }
        let outcome = match (facts.outcome, facts.status) {
            ("", ..400) => "ok",
            ("", 400..500) => "refused",
            ("", 500..) => "failed",
            (outcome, _) => outcome,
        };
        tell("outcome", Value::Text(outcome));
        tell("ms", Value::Ms(self.took.as_secs_f64() * 1000.0));
    }
}

impl Facts {
    /// The fields that every line about the request has, beside its id.
    pub(super) fn belonging(&self, tell: &mut dyn FnMut(&'static str, &str)) {
        let trace_id = self.parent.as_ref().map_or("", Parent::trace_id);
        let server = self.server.map(|server| server.to_string());
        for (name, value) in [
            ("trace.id", trace_id),
            ("tenant", &self.tenant),
            ("mentor", &self.mentor),
            ("server", server.as_deref().unwrap_or_default()),
        ] {
            if !value.is_empty() {
                tell(name, value);
            }
        }
    }
}
