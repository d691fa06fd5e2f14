//! One call to one server: credential, session, headers, at-most-once, and the way back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::catalog::Item;
use super::relay::{Back, Record, Relay};
use super::translate::Crossing;
use super::view::{Member, Open, View};
use super::{Gateway, Outcome, Refusal, Request};
use crate::audit::Entry;
use crate::clock::Stopwatch;
use crate::mcp::raw::RawObject;
use crate::mcp::{Message, Version};
use crate::upstream::{CallFailure, Event, Exchange, Outgoing, Reply, Session};

/// How long the first event is awaited before the client gets a stream instead of a whole answer.
const WHOLE_ANSWER_WAIT: Duration = Duration::from_millis(500);

/// A request and the server that it goes to.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    pub(super) message: &'a Message,
    pub(super) view: &'a View,
    pub(super) member: &'a Member,
    /// The parameters in the server's names.
    pub(super) params: RawObject<'a>,
    /// The tool, prompt or resource, if the catalog has it.
    pub(super) item: Option<&'a Item>,
    /// Its name for the audit row.
    pub(super) name: &'a str,
    pub(super) watch: Stopwatch,
}

impl Call<'_> {
    fn id(&self) -> Bytes {
        self.message.id.clone().unwrap_or_default()
    }

    fn method(&self) -> &str {
        self.message.method.as_deref().unwrap_or_default()
    }

    fn entry(&self, gateway: &Gateway) -> Entry {
        let mut entry = Entry::by(&self.request.caller, self.method(), gateway.clock.now());
        entry.mentor = self
            .view
            .mentor
            .as_ref()
            .map(|mentor| mentor.unique_id.clone())
            .unwrap_or_default();
        entry.server_id = Some(self.member.server.id.0);
        self.name.clone_into(&mut entry.tool);
        self.request
            .request_id
            .as_ref()
            .clone_into(&mut entry.request_id);
        if let Some(open) = self.member.ready() {
            open.credential
                .step
                .map_or("none", |step| step.as_str())
                .clone_into(&mut entry.step);
        }
        entry
    }

    /// Carries the request to the server and brings back what comes.
    pub(super) async fn relay(self, gateway: &Arc<Gateway>) -> Result<Outcome, Refusal> {
        let mut record = Record::new(gateway, self.entry(gateway), self.watch);
        let open = match self.member.open() {
            Ok(open) => open,
            Err(error) => {
                record.ended("no_connection");
                return Err(error.into());
            }
        };
        if let Err(error) = gateway.audit.admit() {
            record.ended("audit_unavailable");
            return Err(error.into());
        }
        let id = self.id();
        let cancelled = match &self.request.session {
            Some(session) => session.begin_call(&id),
            None => CancellationToken::new(),
        };
        let sent = tokio::select! {
            biased;
            sent = self.send(open, &id) => sent,
            () = cancelled.cancelled() => {
                record.ended("cancelled");
                // The response is never read: the client has forgotten the call.
                return Ok(Outcome::Answer(Bytes::new(), 202));
            }
        };
        let crossing = Crossing {
            client: self.request.version,
            upstream: sent
                .as_ref()
                .map_or(self.request.version, |(_, version)| *version),
            is_personal: open.credential.is_personal,
        };
        let mut back = Back {
            gateway: gateway.clone(),
            id,
            method: self.method().into(),
            crossing,
            server: self.member.server.name.clone(),
            record,
        };
        Ok(match sent {
            Err(failure) => self.finish(back.failure(failure)),
            Ok((Reply::Answer(answer), _)) => self.finish(back.answer(&answer)),
            Ok((Reply::Stream(exchange), _)) => self.stream(back, exchange, cancelled).await,
        })
    }

    fn finish(&self, (text, status): (Bytes, u16)) -> Outcome {
        if let Some(session) = &self.request.session {
            session.end_call(&self.id());
        }
        Outcome::Answer(text, status)
    }

    /// A stream whose first event is the answer, and comes soon, is no stream for the client.
    async fn stream(
        &self,
        mut back: Back,
        mut exchange: Box<Exchange>,
        cancelled: CancellationToken,
    ) -> Outcome {
        let first = tokio::time::timeout(WHOLE_ANSWER_WAIT, exchange.next())
            .await
            .ok();
        match first {
            Some(Ok(Event::Answer(answer))) => {
                drop(exchange);
                self.finish(back.answer(&answer))
            }
            Some(Err(failure)) => self.finish(back.failure(failure)),
            first => Outcome::Stream(Box::new(Relay::new(
                back,
                exchange,
                first,
                self.request,
                cancelled,
            ))),
        }
    }

    /// Sends, and sends once more where the first attempt provably never arrived or may be repeated.
    async fn send(&self, open: &Open, id: &Bytes) -> Result<(Reply, Version), CallFailure> {
        match self.send_once(open, id).await {
            Err((failure, session_is_gone)) => {
                let may_repeat = !failure.may_have_executed || self.is_idempotent();
                if session_is_gone && may_repeat {
                    self.send_once(open, id)
                        .await
                        .map_err(|(failure, _)| failure)
                } else {
                    Err(failure)
                }
            }
            Ok(sent) => Ok(sent),
        }
    }

    fn is_idempotent(&self) -> bool {
        self.method() != "tools/call" || self.item.is_some_and(|item| item.is_idempotent)
    }

    async fn send_once(
        &self,
        open: &Open,
        id: &Bytes,
    ) -> Result<(Reply, Version), (CallFailure, bool)> {
        let lane = self.view.lane(self.request);
        let session = open
            .upstream
            .session(&lane, &open.credential, &self.request.client)
            .await;
        let session = session.map_err(|failure| (failure, false))?;
        if let Some(client_session) = &self.request.session {
            client_session.uses(&open.upstream, &open.credential);
        }
        let out = Outgoing {
            method: self.method(),
            id,
            params: self.params.clone(),
            client: &self.request.client,
            param_headers: self.param_headers(&session),
            is_idempotent: self.is_idempotent(),
        };
        let sent = session.request(&out).await;
        sent.map(|reply| (reply, session.version()))
            .map_err(|failure| (failure, !session.is_open()))
    }

    fn param_headers(&self, session: &Session) -> Vec<(http::HeaderName, http::HeaderValue)> {
        let Some(item) = self
            .item
            .filter(|item| !item.param_headers.is_empty() && session.version().is_modern())
        else {
            return Vec::new();
        };
        let arguments = self.params.get("arguments").unwrap_or(b"{}");
        let arguments: serde_json::Value = serde_json::from_slice(arguments).unwrap_or_default();
        item.param_headers
            .iter()
            .filter_map(|parameter| parameter.of(&arguments))
            .collect()
    }
}
