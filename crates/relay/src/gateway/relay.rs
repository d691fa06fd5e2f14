//! A call under way on its way back to the client: notifications, requests, the answer.
//! Dropping it cancels the call upstream; every end writes one audit row.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;

use super::Gateway;
use super::bond::Bond;
use super::capabilities::can_answer;
use super::catalog::Cell;
use super::mend;
use super::parked::Parked;
use super::request::Request;
use super::rounds::{Resend, Round, is_input_required};
use super::target::Target;
use super::tasks::{self, Owner};
use super::translate::Crossing;
use crate::upstream::uri::Namer;
use crate::upstream::{Answer, Ask, CallFailure, Event, Exchange, Reply, changed_list};
use base::clock::Stopwatch;
use base::error::{Ended, Error};
use base::trace::{self, Trace};
use broker::guard::Guard;
use mcp::error::{INVALID_REQUEST, RpcError};
use mcp::{Message, RawObject, message};
use tenancy::audit::Entry;

/// The `_meta` key under which a client of a session revision finds that a server has forgotten its session.
pub(crate) const SESSION_META: &str = "mentor-gateway/session";

/// The outcome of a call that nobody waits for any more.
const CANCELLED: &str = "cancelled";

/// What the audit row of a call needs; written once, when dropped.
#[derive(Debug)]
pub struct Record {
    gateway: Arc<Gateway>,
    entry: Option<Entry>,
    watch: Stopwatch,
    guard: Guard,
    /// What the log says of the request: its line comes when the call is over.
    trace: Option<Arc<Trace>>,
}

impl Record {
    /// A record of a call that begins.
    pub(super) fn new(
        gateway: &Arc<Gateway>,
        mut entry: Entry,
        watch: Stopwatch,
        request: &Request,
    ) -> Self {
        // A client that hangs up drops the call wherever it is; every other end says what it is.
        entry.outcome = CANCELLED;
        Self {
            gateway: gateway.clone(),
            entry: Some(entry),
            watch,
            guard: request.guard.clone(),
            trace: trace::current(),
        }
    }

    /// Says how the call ended.
    pub(super) fn ended(&mut self, outcome: &'static str) {
        if let Some(entry) = &mut self.entry {
            entry.outcome = outcome;
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            if entry.outcome == CANCELLED
                && let Some(why) = self.guard.why()
            {
                entry.outcome = why.as_str();
            }
            if let Some(trace) = &self.trace {
                trace.ended(entry.outcome);
            }
            entry.duration_us = i64::try_from(self.watch.elapsed().as_micros()).unwrap_or(i64::MAX);
            self.gateway.audit.push(entry);
        }
    }
}

/// How answers are handed back.
#[derive(Debug)]
pub struct Back {
    pub(super) gateway: Arc<Gateway>,
    /// The caller's id.
    pub(super) id: Bytes,
    pub(super) method: Box<str>,
    pub(super) crossing: Crossing,
    pub(super) server: String,
    pub(super) server_id: i64,
    /// What the server has for this caller.
    pub(super) cell: Arc<Cell>,
    /// Whether the server has forgotten what it kept for the client's session.
    pub(super) began_anew: bool,
    /// What names resources, for a client of a union.
    pub(super) namer: Option<Namer>,
    pub(super) record: Record,
    /// Whose tasks may be in the answer, if any may.
    pub(super) tasks: Option<Owner>,
}

impl Back {
    /// The response to the client, and the HTTP status that goes with it.
    pub(super) fn answer(&mut self, answer: &Answer) -> (Bytes, u16) {
        let message = &answer.message;
        if let Some(result) = &message.result {
            self.record.ended(if is_tool_error(&self.method, result) {
                "tool_error"
            } else {
                "ok"
            });
            let shown = match self
                .tasks
                .as_ref()
                .and_then(|owner| tasks::leave(&self.gateway, owner, result))
            {
                Some(bound) => bound.into(),
                None => self.result(result),
            };
            let named = self.namer.as_ref().and_then(|namer| namer.name(&shown));
            let shown = named.map_or(shown, Cow::Owned);
            let shown = if self.began_anew {
                self.tell_of_loss(&shown).into()
            } else {
                shown
            };
            let untouched =
                matches!(shown, Cow::Borrowed(_)) && message.id.as_ref() == Some(&self.id);
            let text = if untouched {
                message.whole.clone()
            } else {
                message::result(&self.id, &shown).into()
            };
            return (text, 200);
        }
        self.record.ended("error");
        let error = message.error.as_deref().unwrap_or(b"null");
        let error = self.crossing.error(error);
        let named = self.namer.as_ref().and_then(|namer| namer.error(&error));
        let text = message::error(&self.id, named.as_deref().unwrap_or(&error)).into();
        let same_era = self.crossing.client.is_modern() && self.crossing.upstream.is_modern();
        (text, if same_era { answer.status } else { 200 })
    }

    /// The result as the client's revision has it, and as every client can parse it.
    fn result<'a>(&self, result: &'a [u8]) -> Cow<'a, [u8]> {
        let origin = mend::Origin {
            id: self.server_id,
            name: &self.server,
        };
        match mend::answer(&self.method, self.crossing.client, origin, result) {
            None => self.crossing.result(&self.method, result),
            Some(mended) => {
                let crossed = self.crossing.result(&self.method, &mended).into_owned();
                Cow::Owned(crossed)
            }
        }
    }

    /// A result that says that the server's session is a new one.
    fn tell_of_loss(&self, result: &[u8]) -> Vec<u8> {
        let Ok(mut object) = RawObject::parse(result) else {
            return result.to_vec();
        };
        let own = object.get("_meta").unwrap_or(b"{}").to_vec();
        let mut metadata = RawObject::parse(&own).unwrap_or_default();
        let told = serde_json::json!({
            "server": self.server, "state": "new",
            "message": format!("{} has begun a new session; what it kept from earlier calls is gone.", self.server),
        });
        metadata.set(SESSION_META, told.to_string().into_bytes());
        object.set("_meta", metadata.to_json());
        object.to_json()
    }

    /// The error response for a call whose permission has ended.
    pub(super) fn ended(&mut self, why: Ended) -> (Bytes, u16) {
        self.record.ended(why.as_str());
        let error = RpcError::from(&Error::Ended(why));
        (
            message::error(&self.id, &error.to_json()).into(),
            error.status,
        )
    }

    /// What a server says on the way, with its resources as the client knows them.
    fn named(&self, message: Message) -> Message {
        match &self.namer {
            Some(namer) => namer.message(message),
            None => message,
        }
    }

    /// The error response for a call that brought no answer.
    pub(super) fn failure(&mut self, mut failure: CallFailure) -> (Bytes, u16) {
        self.record.ended(failure.kind.as_str());
        // A list that was asked for does nothing.
        failure.may_have_executed &= !self.method.ends_with("/list");
        let error = RpcError::from(&failure.into_error(&self.server));
        (
            message::error(&self.id, &error.to_json()).into(),
            error.status,
        )
    }
}

/// Whether a tool's answer says that the tool failed. Only short answers are worth a look.
fn is_tool_error(method: &str, result: &[u8]) -> bool {
    const LOOKED_AT: usize = 4096;
    const MARK: &[u8] = br#""isError":true"#;
    method == "tools/call"
        && result.len() <= LOOKED_AT
        && memchr::memmem::find(result, MARK).is_some()
}

/// A stream of messages to the client that ends with the response.
#[derive(Debug)]
pub struct Relay {
    back: Back,
    leg: Leg,
    /// Read already, while it was decided whether there is a stream at all.
    first: Option<Result<Event, CallFailure>>,
    /// To be sent before anything else.
    texts: VecDeque<Bytes>,
    resend: Option<Box<Resend>>,
    request: Request,
    params: Vec<u8>,
    wants_log: bool,
}

/// Where the call is.
#[derive(Debug)]
enum Leg {
    /// At the upstream.
    Upstream(Box<Exchange>),
    /// At the client, which was asked something.
    Client(Round),
    /// Over.
    Ended,
}

/// What a [`Relay`] begins with.
pub(super) struct Start {
    pub(super) back: Back,
    pub(super) exchange: Option<Box<Exchange>>,
    pub(super) first: Option<Result<Event, CallFailure>>,
    pub(super) resend: Option<Box<Resend>>,
    pub(super) params: Vec<u8>,
}

impl Relay {
    pub(super) fn new(start: Start, request: &Request) -> Self {
        Self {
            back: start.back,
            leg: start.exchange.map_or(Leg::Ended, Leg::Upstream),
            first: start.first,
            texts: VecDeque::new(),
            resend: start.resend,
            wants_log: !request.version.is_modern() || request.client.log_level.is_some(),
            request: request.clone(),
            params: start.params,
        }
    }

    /// The next message; `None` after the response, or when the client cancelled the call.
    pub async fn next(&mut self) -> Option<Bytes> {
        let trace = self.back.record.trace.clone();
        let next = pin!(self.next_of_call());
        match trace {
            Some(trace) => trace::within(trace, next).await,
            None => next.await,
        }
    }

    async fn next_of_call(&mut self) -> Option<Bytes> {
        let (cancelled, guard) = (self.request.cancelled.clone(), self.request.guard.clone());
        loop {
            if let Some(text) = self.texts.pop_front() {
                return Some(text);
            }
            if self.first.is_none() && matches!(self.leg, Leg::Ended) {
                return None;
            }
            let event = match self.first.take() {
                Some(event) => event,
                None => tokio::select! {
                    biased;
                    why = guard.ended() => return Some(self.revoked(why)),
                    () = cancelled.cancelled() => {
                        if let Some(why) = self.request.why() {
                            return Some(self.revoked(why));
                        }
                        self.back.record.ended(CANCELLED);
                        self.end();
                        return None;
                    }
                    event = step(&mut self.leg, self.resend.as_deref_mut()) => event?,
                },
            };
            if let Some(text) = self.take(event).await {
                return Some(text);
            }
        }
    }

    async fn take(&mut self, event: Result<Event, CallFailure>) -> Option<Bytes> {
        match event {
            Ok(Event::Notification(message)) => {
                let message = self.back.named(message);
                let method = message.method.as_deref().unwrap_or_default();
                if let Some(list) = changed_list(method)
                    && self.announces_itself(list)
                {
                    return None;
                }
                let owner = self.back.tasks.as_ref();
                let bound = owner.and_then(|owner| {
                    tasks::leave_notification(
                        &self.back.gateway,
                        owner,
                        method,
                        message.params_or_empty(),
                    )
                });
                let is_unwanted = method == "notifications/message" && !self.wants_log;
                (!is_unwanted).then(|| bound.unwrap_or(message.whole))
            }
            Ok(Event::Ask(ask)) => self.asked(ask).await,
            Ok(Event::Answer(answer)) => self.answered(&answer),
            Err(failure) => {
                if let Some(why) = self.request.why_closed(&failure).await {
                    return Some(self.revoked(why));
                }
                self.end();
                Some(self.back.failure(failure).0)
            }
        }
    }

    /// A server says within a call that one of its lists changed: it is read again, and whoever asks for it waits for
    /// that. A union announces its own change where its clients listen, if this one does.
    fn announces_itself(&self, list: &str) -> bool {
        let gateway = &self.back.gateway;
        gateway.catalogs.changed_by_call(&self.back.cell, list);
        let session = self.request.session.as_ref();
        let is_heard = session.is_none_or(|session| session.inbox.is_read());
        matches!(self.request.target, Target::Mentor(_)) && is_heard
    }

    /// A session client is asked on its stream; for a stateless one the call is parked.
    async fn asked(&mut self, mut ask: Ask) -> Option<Bytes> {
        ask.message = self.back.named(ask.message);
        if let Some(session) = &self.request.session {
            return session.forward(ask, &self.back.gateway.tasks);
        }
        if !can_answer(&self.request.client.capabilities, &ask.message) {
            ask.refuse();
            return None;
        }
        let Leg::Upstream(exchange) = std::mem::replace(&mut self.leg, Leg::Ended) else {
            return None;
        };
        let gateway = self.back.gateway.clone();
        let params = RawObject::parse(&self.params).unwrap_or_default();
        let bond = Bond {
            request: &self.request,
            method: &self.back.method,
            params: &params,
            server: self.back.server_id,
        };
        let result = gateway
            .parked
            .park(
                Parked {
                    exchange,
                    ask,
                    guard: self.request.guard.another(),
                },
                &bond,
                (&gateway.vault, &gateway.clock),
            )
            .await;
        self.back.record.ended("input_required");
        self.end();
        Some(message::result(&self.back.id, &result).into())
    }

    /// The answer ends the stream, unless it asks a session client for more.
    fn answered(&mut self, answer: &Answer) -> Option<Bytes> {
        let session = self.request.session.clone();
        if let (Some(resend), Some(session), Some(result)) =
            (&mut self.resend, session, &answer.message.result)
            && is_input_required(result)
        {
            let named = self.back.namer.as_ref().and_then(|it| it.name(result));
            match resend.ask(&session, named.as_deref().unwrap_or(result)) {
                Ok((round, texts)) => {
                    self.texts.extend(texts);
                    self.leg = Leg::Client(round);
                    return None;
                }
                Err(failure) => {
                    self.end();
                    return Some(self.back.failure(failure).0);
                }
            }
        }
        self.end();
        Some(self.back.answer(answer).0)
    }

    /// What the call was allowed by has ended: so has the call.
    fn revoked(&mut self, why: Ended) -> Bytes {
        self.end();
        self.back.ended(why).0
    }

    fn end(&mut self) {
        self.leg = Leg::Ended;
        if let Some(session) = &self.request.session {
            session.end_call(&self.back.id);
        }
    }
}

/// What happens next on a leg; `None` when nothing more will.
async fn step(leg: &mut Leg, resend: Option<&mut Resend>) -> Option<Result<Event, CallFailure>> {
    match leg {
        Leg::Upstream(exchange) => Some(exchange.next().await),
        Leg::Client(round) => {
            let refused = round.collect().await.err();
            if let Some(refused) = refused {
                return Some(Ok(Event::Answer(refusal(refused))));
            }
            let Leg::Client(round) = std::mem::replace(leg, Leg::Ended) else {
                return None;
            };
            match resend?.send(round).await {
                Ok(Reply::Answer(answer)) => Some(Ok(Event::Answer(answer))),
                Ok(Reply::Stream(exchange)) => {
                    *leg = Leg::Upstream(exchange);
                    Box::pin(step(leg, None)).await
                }
                Err(failure) => Some(Err(failure)),
            }
        }
        Leg::Ended => None,
    }
}

/// The client's own words when it refuses a question; else that it did not answer.
fn refusal(response: Option<Message>) -> Answer {
    let message = response
        .filter(|response| response.error.is_some())
        .unwrap_or_else(|| {
            let error = RpcError::new(
                INVALID_REQUEST,
                "the client did not answer the server's question",
            )
            .to_json();
            Message::parse(message::error(b"0", &error).into())
                .expect("an error response is a message")
        });
    Answer {
        message,
        status: 200,
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if !matches!(self.leg, Leg::Ended) {
            self.back.record.ended(CANCELLED);
            self.end();
        }
    }
}
