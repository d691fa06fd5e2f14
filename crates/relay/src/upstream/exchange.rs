//! One call to an upstream while it is under way: the events that belong to it, ending with its answer.
//! Dropping it before the answer cancels the call at the upstream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::failure::CallFailure;
use super::health::Seat;
use super::session::Session;
use super::slots::Slot;
use base::error::{BrokenRule, UpstreamFailureKind};
use egress::EventStream;
use mcp::heard::{self, Heard};
use mcp::message::{Kind, notification};
use mcp::{Message, RawObject};

/// Events of one call at most; a flood ends the call.
const EVENTS_MAX: u32 = 50_000;
/// Questions and pings of one call at most; each costs us a message.
const QUESTIONS_MAX: u32 = 100;
/// Longest life of one call, however lively it is.
const CALL_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Longest time without a message of a call whose upstream keeps its stream open: comments and pings are none.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longest life of a subscription; the client then opens it again.
const SUBSCRIPTION_DEADLINE: Duration = Duration::from_secs(24 * 3600);
/// Resumptions of one broken event stream in a row without an event.
const RESUMES_MAX: u32 = 5;
/// Wait before a resumption when the upstream names none, and the shortest and longest it may name.
const RESUME_AFTER: Duration = Duration::from_secs(1);
const RESUME_AFTER_MIN: Duration = Duration::from_millis(100);
const RESUME_AFTER_MAX: Duration = Duration::from_secs(30);

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The response; its id is the one that we sent.
    pub message: Message,
    /// The HTTP status it came with.
    pub status: u16,
}

/// What a request brought at once.
#[derive(Debug)]
pub enum Reply {
    /// The answer.
    Answer(Answer),
    /// A stream that ends with the answer.
    Stream(Box<Exchange>),
}

/// Something that belongs to a call.
#[derive(Debug)]
pub enum Event {
    /// A notification, with the caller's progress token.
    Notification(Message),
    /// A request to the client (session upstreams only).
    Ask(Ask),
    /// The answer; nothing follows.
    Answer(Answer),
}

/// A request of a session upstream to the client.
#[derive(Debug)]
pub struct Ask {
    /// The request, with the upstream's id.
    pub message: Message,
    /// Who asks.
    pub session: Arc<Session>,
    /// The call that asks, if it is one: it may be silent for as long as this is held.
    pub(super) _asking: Option<Arc<()>>,
}

/// A call under way.
#[derive(Debug)]
pub struct Exchange {
    pub(super) session: Arc<Session>,
    /// Its number, which is its id and its progress token.
    pub(super) number: u64,
    /// The caller's progress token, where ours was sent instead.
    pub(super) token: Option<Bytes>,
    /// Where the session routes what belongs to this call.
    pub(super) slot: Option<Slot>,
    /// The answer, while what came before it on another stream is passed on.
    ending: Option<Answer>,
    /// The event stream of the call's own POST.
    pub(super) events: Option<EventStream>,
    /// Messages that came in one batch and are not looked at yet.
    pending: VecDeque<Message>,
    /// Nothing comes after what is pending.
    is_whole: bool,
    /// What was wrong with what could not be used so far.
    broken: Option<BrokenRule>,
    pub(super) resume: Resume,
    pub(super) finished: bool,
    pub(super) events_left: u32,
    questions_left: u32,
    pub(super) until: Instant,
    /// Longest silence; a subscription may be silent for as long as nothing changes.
    pub(super) idle: Option<Duration>,
    /// Since when nothing has come that counts against `idle`. Outlives a `next` that was dropped.
    quiet_since: Instant,
    /// Whether silence is not counted now.
    is_patient: bool,
    /// Held by every question of the call that waits for the client.
    asking: Arc<()>,
    pub(super) seat: Seat,
}

/// How a broken event stream is taken up again (2025-11-25, resumability).
#[derive(Debug, Default)]
pub(super) struct Resume {
    last_event_id: Option<String>,
    after: Option<Duration>,
    tries: u32,
}

impl Exchange {
    pub(super) fn new(session: Arc<Session>, number: u64, seat: Seat) -> Self {
        let session_idle = session.limits().idle;
        Self {
            session,
            number,
            token: None,
            slot: None,
            ending: None,
            events: None,
            pending: VecDeque::new(),
            is_whole: false,
            broken: None,
            resume: Resume::default(),
            finished: false,
            events_left: EVENTS_MAX,
            questions_left: QUESTIONS_MAX,
            until: Instant::now() + CALL_DEADLINE,
            idle: Some(session_idle),
            quiet_since: Instant::now(),
            is_patient: false,
            asking: Arc::default(),
            seat,
        }
    }

    /// A call of a session: its id and token are its number there.
    pub(super) fn in_session(
        session: &Arc<Session>,
        slot: Slot,
        token: Option<Bytes>,
        seat: Seat,
    ) -> Self {
        let mut exchange = Self::new(session.clone(), slot.id, seat);
        exchange.slot = Some(slot);
        exchange.token = token;
        exchange
    }

    /// The id as it is sent.
    pub(super) fn id(&self) -> Bytes {
        Bytes::from(self.number.to_string())
    }

    /// Whether a response is the answer to this call.
    pub(super) fn is_answered_by(&self, message: &Message) -> bool {
        message.id.as_deref().and_then(heard::number) == Some(self.number)
    }

    /// Messages as they may be passed on.
    fn heard(&self, messages: Vec<Message>) -> VecDeque<Message> {
        let messages = messages.into_iter();
        messages
            .map(|message| self.session.heard(message))
            .collect()
    }

    /// All that there is came at once.
    pub(super) fn with_batch(mut self, messages: Vec<Message>) -> Self {
        self.pending = self.heard(messages);
        self.is_whole = true;
        self
    }

    /// The call is a subscription: it has no end and may be silent.
    pub(super) fn for_subscription(mut self) -> Self {
        self.until = Instant::now() + SUBSCRIPTION_DEADLINE;
        self.idle = None;
        self
    }

    /// The session that the call runs on.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Whether the upstream answers the call's own POST with a stream.
    pub fn is_event_stream(&self) -> bool {
        self.events.is_some()
    }

    /// The call was parked and is taken up again: from now on silence counts, and progress goes to this token
    /// of the caller.
    pub(crate) fn take_up(&mut self, token: Option<Bytes>) {
        self.token = token;
        self.is_patient = true;
        self.quiet_since = Instant::now();
    }

    /// The next event. After the answer or a failure there is none.
    ///
    /// # Errors
    /// If the stream breaks, breaks the protocol, floods, or takes longer than the named limits.
    pub async fn next(&mut self) -> Result<Event, CallFailure> {
        let event = self.next_event().await;
        if let Err(failure) = &event {
            self.session.ended(self.seat.caller, Some(failure));
        }
        event
    }

    async fn next_event(&mut self) -> Result<Event, CallFailure> {
        loop {
            let message = match self.left_over().await {
                Some(message) => message,
                None => match self.ending.take() {
                    Some(answer) => return Ok(Event::Answer(answer)),
                    None => self.next_message().await?,
                },
            };
            self.events_left = self
                .events_left
                .checked_sub(1)
                .ok_or_else(|| fail(UpstreamFailureKind::TooLarge))?;
            match message.kind() {
                Kind::Response if self.is_answered_by(&message) && !self.finished => {
                    self.finished = true;
                    self.session.ended(self.seat.caller, None);
                    self.ending = Some(Answer {
                        message,
                        status: 200,
                    });
                }
                Kind::Response => {
                    tracing::warn!(
                        server.id = self.session.server_id(),
                        "dropped an answer to another request"
                    );
                    self.broken = Some(other_id());
                }
                Kind::Notification => {
                    self.quiet_since = Instant::now();
                    if let Some(message) = self.with_callers_token(message) {
                        return Ok(Event::Notification(message));
                    }
                }
                Kind::Request if self.session.version().is_modern() => {
                    tracing::warn!(
                        server.id = self.session.server_id(),
                        "dropped a request of a stateless server"
                    );
                }
                Kind::Request if self.questions_left == 0 => {
                    return Err(fail(UpstreamFailureKind::TooLarge));
                }
                Kind::Request if message.method.as_deref() == Some("ping") => {
                    self.questions_left -= 1;
                    self.session.answer_ping(&message);
                }
                Kind::Request => {
                    self.questions_left -= 1;
                    self.quiet_since = Instant::now();
                    return Ok(Event::Ask(Ask {
                        message,
                        session: self.session.clone(),
                        _asking: Some(self.asking.clone()),
                    }));
                }
            }
        }
    }

    /// Reads on until the answer, for the gateway's own requests: what else comes belongs to no call.
    ///
    /// # Errors
    /// As [`Exchange::next`].
    pub async fn answer(mut self) -> Result<Answer, CallFailure> {
        loop {
            match self.next().await? {
                Event::Answer(answer) => return Ok(answer),
                Event::Notification(message) => self.session.dispatch_unsolicited(message),
                Event::Ask(ask) => ask.refuse(),
            }
        }
    }

    /// What was routed to this call before its answer came on the stream of its own, one by one.
    async fn left_over(&mut self) -> Option<Message> {
        let slot = self.slot.as_mut().filter(|_| self.ending.is_some())?;
        slot.close();
        slot.recv().await
    }

    async fn next_message(&mut self) -> Result<Message, CallFailure> {
        loop {
            if let Some(message) = self.pending.pop_front() {
                return Ok(message);
            }
            if self.is_whole {
                return Err(self.ended_early(fail(UpstreamFailureKind::Closed)));
            }
            let is_asking = self.mind_silence();
            // On a stream of its own the body counts bytes, and comments are some; here it is messages that count.
            let idle_max = match self.events {
                Some(_) => SILENCE_MAX,
                None => Duration::ZERO,
            };
            let quiet_until = self.idle.map_or(self.until, |idle| {
                self.until.min(self.quiet_since + idle.max(idle_max))
            });
            let routed = recv(self.slot.as_mut());
            let stepped = match self.events.as_mut() {
                None => timeout_at(quiet_until, routed).await.map(Step::Routed),
                Some(events) => {
                    timeout_at(quiet_until, async {
                        tokio::select! {
                            biased;
                            message = routed => Step::Routed(message),
                            event = events.next() => Step::Event(event),
                        }
                    })
                    .await
                }
            };
            if is_asking {
                self.quiet_since = Instant::now();
            }
            match stepped {
                Err(_) if is_asking && Instant::now() < self.until => {}
                Err(_) => return Err(fail(UpstreamFailureKind::Timeout)),
                Ok(Step::Routed(Some(message))) => return Ok(message),
                Ok(Step::Routed(None)) => {
                    let end = self.slot.as_ref().map(Slot::end);
                    return Err(fail(end.unwrap_or(UpstreamFailureKind::Closed)));
                }
                Ok(Step::Event(Some(Ok(event)))) => {
                    if let Some(message) = self.take(event) {
                        return Ok(message);
                    }
                }
                Ok(Step::Event(end)) => self.resume_after(end.and_then(Result::err)).await?,
            }
        }
    }

    /// While a question of the call waits for a person, the silence is not the upstream's. Says whether one does.
    fn mind_silence(&mut self) -> bool {
        let is_asking = Arc::strong_count(&self.asking) > 1;
        if is_asking {
            self.quiet_since = Instant::now();
        }
        if is_asking != self.is_patient {
            self.is_patient = is_asking;
            if let (Some(events), Some(idle)) = (&mut self.events, self.idle) {
                events.set_idle(if is_asking { CALL_DEADLINE } else { idle });
            }
        }
        is_asking
    }

    /// The message in an event. What is none is passed over, as the official clients do.
    fn take(&mut self, event: egress::Event) -> Option<Message> {
        if event.id.is_some() {
            self.resume.last_event_id = event.id;
        }
        if event.retry.is_some() {
            self.resume.after = event.retry;
        }
        if event.data.is_empty() || event.event.as_deref().is_some_and(|name| name != "message") {
            return None;
        }
        self.resume.tries = 0;
        match heard::hear(event.data) {
            Ok(Heard::One(message)) => Some(self.session.heard(message)),
            Ok(Heard::Batch(messages)) => {
                self.pending = self.heard(messages);
                self.pending.pop_front()
            }
            Err(broken) => {
                tracing::warn!(
                    server.id = self.session.server_id(),
                    rule = broken.rule,
                    "skipped an event that is not a message"
                );
                self.broken = Some(broken);
                None
            }
        }
    }

    /// Nothing more will come, and no answer has: what was wrong with what came says why.
    fn ended_early(&mut self, failure: CallFailure) -> CallFailure {
        match self.broken.take() {
            Some(broken) if failure.kind == UpstreamFailureKind::Closed => {
                CallFailure::broke(broken, true)
            }
            _ => CallFailure {
                may_have_executed: true,
                ..failure
            },
        }
    }

    /// A stream of a session that ended early is taken up where it broke; any other end is a failure.
    async fn resume_after(&mut self, failure: Option<egress::Failure>) -> Result<(), CallFailure> {
        let failure = failure.map_or_else(|| fail(UpstreamFailureKind::Closed), CallFailure::from);
        let resumable =
            !self.session.version().is_modern() && failure.kind == UpstreamFailureKind::Closed;
        let Some(last_event_id) = self.resume.last_event_id.clone().filter(|_| resumable) else {
            return Err(self.ended_early(failure));
        };
        self.resume.tries += 1;
        let is_silent = Instant::now() > self.quiet_since + SILENCE_MAX;
        if self.resume.tries > RESUMES_MAX || is_silent {
            return Err(self.ended_early(failure));
        }
        let wait = self.resume.after.unwrap_or(RESUME_AFTER);
        tokio::time::sleep(wait.clamp(RESUME_AFTER_MIN, RESUME_AFTER_MAX)).await;
        match self.session.resume_stream(&last_event_id).await {
            // A server may well have its client ask again and again (2025-11-25, polling).
            Ok(events) => {
                self.resume.tries = 0;
                self.events = Some(events);
            }
            Err(failure) if failure.is_outage() => {}
            Err(failure) => {
                return Err(CallFailure {
                    may_have_executed: true,
                    ..failure
                });
            }
        }
        Ok(())
    }

    /// Puts the caller's token where ours stands. Progress of another call is not passed on, nor any to a caller that
    /// wants none.
    fn with_callers_token(&self, message: Message) -> Option<Message> {
        if message.method.as_deref() != Some("notifications/progress") {
            return Some(message);
        }
        let token = self.token.as_ref()?;
        let mut params = RawObject::parse(message.params_or_empty()).ok()?;
        let number = params.get("progressToken").and_then(heard::number);
        if number != Some(self.number) {
            return None;
        }
        params.set("progressToken", &token[..]);
        let whole = Bytes::from(notification("notifications/progress", &params.to_json()));
        Message::parse(whole).ok()
    }
}

enum Step {
    Routed(Option<Message>),
    Event(Option<Result<egress::Event, egress::Failure>>),
}

/// Waits for a routed message, for ever if nothing is routed to this call.
async fn recv(slot: Option<&mut Slot>) -> Option<Message> {
    match slot {
        Some(slot) => slot.recv().await,
        None => std::future::pending().await,
    }
}

/// What is wrong with an answer under another id: it may be another caller's
/// (docs/inside/threats.md#servers-that-mean-harm).
pub(super) fn other_id() -> BrokenRule {
    BrokenRule::new("id", "it answers under another id than the request's")
}

fn fail(kind: UpstreamFailureKind) -> CallFailure {
    CallFailure::of(kind, true)
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Closing the POST's own stream is the cancellation of a stateless HTTP call.
        let is_told_by_closing = self.session.version().is_modern() && self.events.is_some();
        if !self.finished && !is_told_by_closing {
            self.session.cancel_call(&self.id());
        }
    }
}

impl Ask {
    /// Sends the client's response, which has `result` or `error`.
    ///
    /// # Errors
    /// If the session is gone.
    pub async fn answer(&self, response: &Message) -> Result<(), CallFailure> {
        self.session.respond(&self.message, response).await
    }

    /// Tells the upstream that the client cannot do this.
    pub fn refuse(&self) {
        self.session.refuse(&self.message);
    }
}
