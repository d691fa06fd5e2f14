//! What belongs together in the log: one request, one call or one run of a job, carried beside its work.
//! Holds numbers and names and never a secret; knows nothing of what it accompanies.
//!
//! Each is a `tracing` span at `debug`, for whoever collects spans. Lines of the log take their fields from here instead:
//! a span with its fields written out costs 1.4 µs, which would be seen in every relayed call at the usual filter, `info`.

mod context;
mod line;

pub use context::{Parent, TRACEPARENT};
pub use line::{Line, TARGET, Value, keep_writing, write_lines, write_with};

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::instrument::Instrument;
use tracing::{Span, debug_span, field};

use crate::clock::Stopwatch;

tokio::task_local! {
    static CURRENT: Arc<Trace>;
}

/// What is done for somebody, or by itself.
#[derive(Debug)]
pub struct Trace {
    kind: Kind,
    /// The request's id, or the job's name.
    id: Arc<str>,
    began: Stopwatch,
    span: Span,
    facts: Mutex<Facts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An HTTP request, with the MCP call in it if there is one.
    Request,
    /// An MCP call that is not an HTTP request of its own: one of a batch, of a connection, of a chat.
    Call,
    /// One run of something that nobody asked for.
    Job,
}

/// What is found out on the way.
#[derive(Debug, Default)]
struct Facts {
    method: Cow<'static, str>,
    route: Cow<'static, str>,
    status: u16,
    tenant: String,
    mentor: String,
    server: Option<Server>,
    call: &'static str,
    outcome: &'static str,
    parent: Option<Parent>,
}

/// The server of a call.
#[derive(Debug, Clone, Copy)]
pub enum Server {
    /// By its number in the registry.
    Registered(i64),
    /// One of our own, by its name.
    Native(&'static str),
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registered(id) => id.fmt(f),
            Self::Native(name) => f.write_str(name),
        }
    }
}

/// What accompanies the task that asks, if something does.
pub fn current() -> Option<Arc<Trace>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Tells something to what accompanies this task, if something does.
pub fn note(tell: impl FnOnce(&Trace)) {
    let _ = CURRENT.try_with(|trace| tell(trace));
}

/// Where the current request stands in its client's trace, if the client said so.
pub fn parent() -> Option<Parent> {
    let parent = CURRENT.try_with(|trace| trace.facts().parent.clone());
    parent.ok().flatten()
}

/// The id of the current request; empty if there is none.
pub fn request_id() -> Arc<str> {
    let id = CURRENT.try_with(|trace| (trace.kind != Kind::Job).then(|| trace.id.clone()));
    id.ok().flatten().unwrap_or_default()
}

/// Does work in the company of this. The work is pinned where it is: it is not moved into another future, on whose stack
/// a call of a debug build would have no room.
pub fn within<T, F>(trace: Arc<Trace>, work: Pin<&mut F>) -> impl Future<Output = T>
where
    F: Future<Output = T> + ?Sized,
{
    let span = trace.span.clone();
    CURRENT.scope(trace, work.instrument(span))
}

impl Trace {
    /// An HTTP request.
    pub fn request(id: &str, method: Cow<'static, str>) -> Arc<Self> {
        let span = debug_span!(
            "request",
            request.id = id,
            method = &*method,
            tenant = field::Empty,
            mentor = field::Empty,
            server = field::Empty
        );
        let facts = Facts {
            method,
            ..Facts::default()
        };
        Self::new(Kind::Request, id.into(), span, facts)
    }

    /// An MCP call that is not an HTTP request of its own.
    pub fn call(id: Arc<str>) -> Arc<Self> {
        let span = debug_span!(
            "call",
            request.id = &*id,
            tenant = field::Empty,
            mentor = field::Empty,
            server = field::Empty
        );
        Self::new(Kind::Call, id, span, Facts::default())
    }

    /// One run of something that nobody asked for.
    pub fn job(name: &'static str) -> Arc<Self> {
        let span = debug_span!("job", job = name);
        Self::new(Kind::Job, name.into(), span, Facts::default())
    }

    fn new(kind: Kind, id: Arc<str>, span: Span, facts: Facts) -> Arc<Self> {
        Arc::new(Self {
            kind,
            id,
            began: Stopwatch::start(),
            span,
            facts: Mutex::new(facts),
        })
    }

    /// The route that was asked, as it stands in the table: a path may have a secret in it.
    pub fn routed(&self, route: Cow<'static, str>) {
        self.facts().route = route;
    }

    /// The status of the answer.
    pub fn answered(&self, status: u16) {
        self.facts().status = status;
    }

    /// The tenant of whoever asks, by its key.
    pub fn called_by(&self, tenant: &str) {
        self.span.record("tenant", tenant);
        tenant.clone_into(&mut self.facts().tenant);
    }

    /// An MCP call: its method, the mentor it is made through (empty: none) and the server that it goes to.
    pub fn calls(&self, method: &'static str, mentor: &str, server: Option<Server>) {
        if !self.span.is_disabled() {
            self.span.record("mentor", mentor);
            self.span.record("server", server.map(field::display));
        }
        let mut facts = self.facts();
        facts.call = method;
        mentor.clone_into(&mut facts.mentor);
        facts.server = server;
    }

    /// Its outcome, in the audit's words.
    pub fn ended(&self, outcome: &'static str) {
        self.facts().outcome = outcome;
    }

    /// Where it stands in its client's trace. What is malformed is none.
    pub fn follows(&self, parent: Option<Parent>) {
        if parent.is_some() {
            self.facts().parent = parent;
        }
    }

    /// The fields of each line of the log that is written about it.
    pub fn fields(&self, tell: &mut dyn FnMut(&'static str, &str)) {
        let name = match self.kind {
            Kind::Request | Kind::Call => "request.id",
            Kind::Job => "job",
        };
        tell(name, &self.id);
        self.facts().belonging(tell);
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Trace {
    /// Whoever holds it last, be it the stream of an answer, ends it: one line for each request.
    fn drop(&mut self) {
        if self.kind != Kind::Job && line::are_wanted() {
            let facts = self.facts.get_mut().unwrap_or_else(PoisonError::into_inner);
            line::push(self.id.clone(), self.began.elapsed(), std::mem::take(facts));
        }
    }
}
