//! A call under way on its way back to the client: notifications, requests, the answer.
//! Dropping it cancels the call upstream; every end writes one audit row.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::client::ClientSession;
use super::translate::Crossing;
use super::{Gateway, Request};
use crate::audit::Entry;
use crate::clock::Stopwatch;
use crate::mcp::error::RpcError;
use crate::mcp::message;
use crate::upstream::{Answer, CallFailure, Event, Exchange};

/// What the audit row of a call needs; written once, when dropped.
#[derive(Debug)]
pub struct Record {
    gateway: Arc<Gateway>,
    entry: Option<Entry>,
    watch: Stopwatch,
}

impl Record {
    /// A record of a call that begins.
    pub(super) fn new(gateway: &Arc<Gateway>, entry: Entry, watch: Stopwatch) -> Self {
        Self {
            gateway: gateway.clone(),
            entry: Some(entry),
            watch,
        }
    }

    /// Says how the call ended.
    pub(super) fn ended(&mut self, outcome: &str) {
        if let Some(entry) = &mut self.entry {
            outcome.clone_into(&mut entry.outcome);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
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
    pub(super) record: Record,
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
            let shown = self.crossing.result(&self.method, result);
            let untouched = matches!(shown, std::borrow::Cow::Borrowed(_))
                && message.id.as_ref() == Some(&self.id);
            let text = if untouched {
                message.whole.clone()
            } else {
                message::result(&self.id, &shown).into()
            };
            return (text, 200);
        }
        self.record.ended("error");
        let error = message.error.as_deref().unwrap_or(b"null");
        let text = message::error(&self.id, &self.crossing.error(error)).into();
        let same_era = self.crossing.client.is_modern() && self.crossing.upstream.is_modern();
        (text, if same_era { answer.status } else { 200 })
    }

    /// The error response for a call that brought no answer.
    pub(super) fn failure(&mut self, failure: CallFailure) -> (Bytes, u16) {
        self.record.ended(failure.kind.as_str());
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
        && result.windows(MARK.len()).any(|part| part == MARK)
}

/// A stream of messages to the client that ends with the response.
#[derive(Debug)]
pub struct Relay {
    back: Back,
    exchange: Option<Box<Exchange>>,
    /// Read already, while it was decided whether there is a stream at all.
    first: Option<Result<Event, CallFailure>>,
    session: Option<Arc<ClientSession>>,
    cancelled: CancellationToken,
    wants_log: bool,
}

impl Relay {
    pub(super) fn new(
        back: Back,
        exchange: Box<Exchange>,
        first: Option<Result<Event, CallFailure>>,
        request: &Request,
        cancelled: CancellationToken,
    ) -> Self {
        let wants_log = !request.version.is_modern() || request.client.log_level.is_some();
        Self {
            back,
            exchange: Some(exchange),
            first,
            session: request.session.clone(),
            cancelled,
            wants_log,
        }
    }

    /// The next message; `None` after the response, or when the client cancelled the call.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let event = match self.first.take() {
                Some(event) => event,
                None => {
                    let exchange = self.exchange.as_mut()?;
                    tokio::select! {
                        biased;
                        () = self.cancelled.cancelled() => {
                            self.back.record.ended("cancelled");
                            self.end();
                            return None;
                        }
                        event = exchange.next() => event,
                    }
                }
            };
            if let Some(text) = self.take(event) {
                return Some(text);
            }
        }
    }

    fn take(&mut self, event: Result<Event, CallFailure>) -> Option<Bytes> {
        match event {
            Ok(Event::Notification(message)) => {
                let is_log = message.method.as_deref() == Some("notifications/message");
                (self.wants_log || !is_log).then_some(message.whole)
            }
            Ok(Event::Ask(ask)) => match &self.session {
                Some(session) => Some(session.forward(ask, &self.back.gateway.tasks)),
                None => {
                    ask.refuse();
                    None
                }
            },
            Ok(Event::Answer(answer)) => {
                self.end();
                Some(self.back.answer(&answer).0)
            }
            Err(failure) => {
                self.end();
                Some(self.back.failure(failure).0)
            }
        }
    }

    fn end(&mut self) {
        self.exchange = None;
        if let Some(session) = &self.session {
            session.end_call(&self.back.id);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if self.exchange.is_some() {
            self.back.record.ended("cancelled");
            self.end();
        }
    }
}
