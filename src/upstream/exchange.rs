//! One call to an upstream while it is under way: the events that belong to it, ending with its answer.
//! Dropping it before the answer cancels the call at the upstream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::failure::CallFailure;
use super::session::Session;
use super::slots::Slot;
use crate::egress::EventStream;
use crate::error::UpstreamFailureKind;
use crate::mcp::message::{Kind, notification};
use crate::mcp::{Message, RawObject};

/// Events of one call at most; a flood ends the call.
const EVENTS_MAX: u32 = 50_000;
/// Questions and pings of one call at most; each costs us a message.
const QUESTIONS_MAX: u32 = 100;
/// Longest life of one call, however lively it is.
const CALL_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Longest life of a subscription; the client then opens it again.
const SUBSCRIPTION_DEADLINE: Duration = Duration::from_secs(24 * 3600);
/// Resumptions of one broken event stream in a row without an event.
const RESUMES_MAX: u32 = 5;
/// Wait before a resumption when the upstream names none, and the longest it may name.
const RESUME_AFTER: Duration = Duration::from_secs(1);
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
    /// The id as it was sent.
    pub(super) id: Bytes,
    /// The caller's progress token, where ours was sent instead.
    pub(super) token: Option<Bytes>,
    /// Where the session routes what belongs to this call.
    pub(super) slot: Option<Slot>,
    /// The answer, while what came before it on another stream is passed on.
    ending: Option<Answer>,
    /// The event stream of the call's own POST.
    pub(super) events: Option<EventStream>,
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
    pub(super) _permit: OwnedSemaphorePermit,
}

/// How a broken event stream is taken up again (2025-11-25, resumability).
#[derive(Debug, Default)]
pub(super) struct Resume {
    last_event_id: Option<String>,
    after: Option<Duration>,
    tries: u32,
}

impl Exchange {
    pub(super) fn new(session: Arc<Session>, id: Bytes, permit: OwnedSemaphorePermit) -> Self {
        let session_idle = session.limits().idle;
        Self {
            session,
            id,
            token: None,
            slot: None,
            ending: None,
            events: None,
            resume: Resume::default(),
            finished: false,
            events_left: EVENTS_MAX,
            questions_left: QUESTIONS_MAX,
            until: Instant::now() + CALL_DEADLINE,
            idle: Some(session_idle),
            quiet_since: Instant::now(),
            is_patient: false,
            asking: Arc::default(),
            _permit: permit,
        }
    }

    /// A call of a session: its id and token are its number there.
    pub(super) fn in_session(
        session: &Arc<Session>,
        slot: Slot,
        token: Option<Bytes>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let id = Bytes::from(slot.id.to_string());
        let mut exchange = Self::new(session.clone(), id, permit);
        exchange.slot = Some(slot);
        exchange.token = token;
        exchange
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
    pub fn take_up(&mut self, token: Option<Bytes>) {
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
            self.session.ended(Some(failure));
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
                Kind::Response if message.id.as_ref() == Some(&self.id) && !self.finished => {
                    self.finished = true;
                    self.session.ended(None);
                    self.ending = Some(Answer {
                        message,
                        status: 200,
                    });
                }
                Kind::Response => tracing::warn!(
                    server.id = self.session.server_id(),
                    "dropped an answer to another request"
                ),
                Kind::Notification => {
                    return Ok(Event::Notification(self.with_callers_token(message)));
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
            let is_asking = self.mind_silence();
            let quiet_until = self
                .idle
                .map_or(self.until, |idle| self.until.min(self.quiet_since + idle));
            let routed = recv(self.slot.as_mut());
            let stepped = match self.events.as_mut() {
                None => timeout_at(quiet_until, routed).await.map(Step::Routed),
                Some(events) => {
                    // The body counts bytes, so that comments keep a stream alive.
                    let until = if is_asking { quiet_until } else { self.until };
                    timeout_at(until, async {
                        tokio::select! {
                            biased;
                            message = routed => Step::Routed(message),
                            event = events.next() => Step::Event(event),
                        }
                    })
                    .await
                }
            };
            self.quiet_since = if stepped.is_ok() || is_asking {
                Instant::now()
            } else {
                self.quiet_since
            };
            match stepped {
                Err(_) if is_asking && Instant::now() < self.until => {}
                Err(_) => return Err(fail(UpstreamFailureKind::Timeout)),
                Ok(Step::Routed(Some(message))) => return Ok(message),
                Ok(Step::Routed(None)) => {
                    let end = self.slot.as_ref().map(Slot::end);
                    return Err(fail(end.unwrap_or(UpstreamFailureKind::Closed)));
                }
                Ok(Step::Event(Some(Ok(event)))) => {
                    if let Some(message) = self.take(event)? {
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

    fn take(&mut self, event: crate::egress::Event) -> Result<Option<Message>, CallFailure> {
        if event.id.is_some() {
            self.resume.last_event_id = event.id;
        }
        if event.retry.is_some() {
            self.resume.after = event.retry;
        }
        if event.data.is_empty() || event.event.as_deref().is_some_and(|name| name != "message") {
            return Ok(None);
        }
        self.resume.tries = 0;
        Message::parse(event.data)
            .map(|message| Some(self.session.heard(message)))
            .map_err(|_| fail(UpstreamFailureKind::Protocol))
    }

    /// A stream of a session that ended early is taken up where it broke; any other end is a failure.
    async fn resume_after(
        &mut self,
        failure: Option<crate::egress::Failure>,
    ) -> Result<(), CallFailure> {
        let failure = failure.map_or_else(|| fail(UpstreamFailureKind::Closed), CallFailure::from);
        let resumable =
            !self.session.version().is_modern() && failure.kind == UpstreamFailureKind::Closed;
        let Some(last_event_id) = self.resume.last_event_id.clone().filter(|_| resumable) else {
            return Err(CallFailure {
                may_have_executed: true,
                ..failure
            });
        };
        self.resume.tries += 1;
        if self.resume.tries > RESUMES_MAX {
            return Err(CallFailure {
                may_have_executed: true,
                ..failure
            });
        }
        tokio::time::sleep(
            self.resume
                .after
                .unwrap_or(RESUME_AFTER)
                .min(RESUME_AFTER_MAX),
        )
        .await;
        match self.session.resume_stream(&last_event_id).await {
            Ok(events) => self.events = Some(events),
            Err(failure) if failure.is_outage() => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Puts the caller's token where ours stands.
    fn with_callers_token(&self, message: Message) -> Message {
        let is_progress = message.method.as_deref() == Some("notifications/progress");
        let Some(token) = self.token.as_ref().filter(|_| is_progress) else {
            return message;
        };
        let Ok(mut params) = RawObject::parse(message.params_or_empty()) else {
            return message;
        };
        params.set("progressToken", &token[..]);
        let whole = Bytes::from(notification("notifications/progress", &params.to_json()));
        Message::parse(whole).unwrap_or(message)
    }
}

enum Step {
    Routed(Option<Message>),
    Event(Option<Result<crate::egress::Event, crate::egress::Failure>>),
}

/// Waits for a routed message, for ever if nothing is routed to this call.
async fn recv(slot: Option<&mut Slot>) -> Option<Message> {
    match slot {
        Some(slot) => slot.recv().await,
        None => std::future::pending().await,
    }
}

fn fail(kind: UpstreamFailureKind) -> CallFailure {
    CallFailure::of(kind, true)
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Closing the POST's own stream is the cancellation of a stateless HTTP call.
        let is_told_by_closing = self.session.version().is_modern() && self.events.is_some();
        if !self.finished && !is_told_by_closing {
            self.session.cancel_call(&self.id);
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
