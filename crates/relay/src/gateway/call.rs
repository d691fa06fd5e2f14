//! One call to one server: credential, session, headers, at-most-once, and the way back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::Gateway;
use super::bond::Bond;
use super::item::Item;
use super::outcome::Outcome;
use super::parked;
use super::refusal::{self, Refusal, SignIn};
use super::relay::{Back, Record, Relay, Start};
use super::renew::{self, Renewed};
use super::request::Request;
use super::rounds::{Resend, is_input_required};
use super::tasks::{self, Owner};
use super::translate::Crossing;
use super::view::{Access, Closed, Member, Open, View};
use crate::upstream::uri::{Namer, without_marks};
use crate::upstream::{CallFailure, Event, Exchange, Outgoing, Reply};
use base::clock::Stopwatch;
use base::error::{Error, UpstreamFailureKind};
use base::trace;
use broker::credentials::resolve::Step;
use mcp::error::RpcError;
use mcp::{Message, RawObject, Version, meta, method};
use tenancy::audit::Entry;

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

/// What a request brought at once.
struct Sent {
    reply: Reply,
    /// The upstream's revision.
    version: Version,
    /// The first event of a stream, if it was awaited.
    first: Option<Result<Event, CallFailure>>,
    /// Whether the client's session had another one there before.
    began_anew: bool,
}

impl Call<'_> {
    fn id(&self) -> Bytes {
        self.message.id.clone().unwrap_or_default()
    }

    fn method(&self) -> &str {
        self.message.method.as_deref().unwrap_or_default()
    }

    fn entry(&self, gateway: &Gateway) -> Entry {
        let action = method::of(self.message);
        let mut entry = Entry::by(&self.request.caller, action, gateway.clock.now());
        entry.mentor = self
            .view
            .mentor
            .as_ref()
            .map(|mentor| mentor.unique_id.clone())
            .unwrap_or_default();
        entry.server_id = Some(self.member.server.id.0);
        let server = trace::Server::Registered(self.member.server.id.0);
        trace::note(|trace| trace.calls(action, &entry.mentor, Some(server)));
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

    /// What names resources in the answer, at a mentor's endpoint.
    fn namer(&self) -> Option<Namer> {
        self.view.mentor.as_ref()?;
        let namer = self.member.prefix.namer();
        if !self.method().starts_with("resources/") {
            return Some(namer);
        }
        let own = self.params.get_str("uri").unwrap_or_default();
        Some(namer.asked(own, self.name))
    }

    /// The way to the server, whose grant is used from here on.
    fn enter(&self, gateway: &Gateway, record: &mut Record) -> Result<&Open, Refusal> {
        let open = self.member.enter().inspect_err(|_| {
            record.ended(match &self.member.access {
                Access::Closed(closed) => closed.as_str(),
                Access::Open(_) | Access::Own(_) => "no_connection",
            });
        })?;
        if let Some(grant) = open.credential.grant {
            gateway.refresher.used(grant.id);
        }
        Ok(open)
    }

    /// Carries the request to the server and brings back what comes.
    pub(super) async fn relay(self, gateway: &Arc<Gateway>) -> Result<Outcome, Refusal> {
        let mut record = Record::new(gateway, self.entry(gateway), self.watch, self.request);
        let open = self.enter(gateway, &mut record)?;
        open.bind(&self.request.guard, self.member.server.id);
        if let Err(error) = gateway.audit.admit() {
            record.ended("audit_unavailable");
            return Err(error.into());
        }
        if let Err(error) = self.check_param_headers() {
            record.ended("header_mismatch");
            return Err(error.into());
        }
        let mut back = Back {
            gateway: gateway.clone(),
            id: self.id(),
            method: self.method().into(),
            crossing: Crossing {
                client: self.request.version,
                upstream: self.request.version,
                is_personal: open.credential.is_personal,
            },
            server: self.member.server.name.clone(),
            server_id: self.member.server.id.0,
            cell: open.cell.clone(),
            began_anew: false,
            namer: self.namer(),
            record,
            tasks: tasks::may_come(self.request)
                .then(|| Owner::new(self.request, self.member.server.id.0)),
        };
        let mut request = self.request.clone();
        if let Some(session) = &request.session {
            request.cancelled = session.begin_call(&back.id);
        }
        if request.version.is_modern() && parked::is_ours(&self.params) {
            return Box::pin(self.resume(gateway, back)).await;
        }
        let (sent, renewed) = self.send_renewing(gateway, open, &request).await;
        let open = renewed.ready().unwrap_or(open);
        let Some(sent) = sent else {
            return self.given_up(back);
        };
        open.last.heard(gateway, sent.as_ref().err());
        let sent = match sent {
            Ok(sent) => sent,
            Err(failure) => return Box::pin(self.failed(back, (open, &renewed), failure)).await,
        };
        back.crossing.upstream = sent.version;
        back.began_anew = sent.began_anew;
        let resend = self.resend(open, &back);
        Ok(match sent.reply {
            Reply::Answer(answer) => match (&answer.message.result, &resend) {
                (Some(result), Some(_)) if is_input_required(result) => {
                    let start = self.start(back, None, Some(Ok(Event::Answer(answer))));
                    Outcome::Stream(Box::new(Relay::new(Start { resend, ..start }, &request)))
                }
                _ => self.finish(back.answer(&answer)),
            },
            Reply::Stream(exchange) => {
                let start = self.start(back, Some(exchange), sent.first);
                self.stream(Start { resend, ..start }, &request).await
            }
        })
    }

    /// What becomes of a call that was cancelled: by its client, or with its session.
    fn given_up(&self, mut back: Back) -> Result<Outcome, Refusal> {
        if let Some(why) = self.request.why() {
            back.record.ended(why.as_str());
            return Err(Error::Ended(why).into());
        }
        back.record.ended("cancelled");
        // The response is never read: the client has forgotten the call.
        Ok(Outcome::Answer(Bytes::new(), 202))
    }

    fn start(
        &self,
        back: Back,
        exchange: Option<Box<Exchange>>,
        first: Option<Result<Event, CallFailure>>,
    ) -> Start {
        Start {
            back,
            exchange,
            first,
            resend: None,
            params: self.params.to_json(),
        }
    }

    /// What is needed to answer a stateless upstream's questions for a session client.
    fn resend(&self, open: &Open, back: &Back) -> Option<Box<Resend>> {
        let crosses = !back.crossing.client.is_modern() && back.crossing.upstream.is_modern();
        crosses.then(|| {
            Box::new(Resend {
                upstream: open.upstream.clone(),
                credential: open.credential.clone(),
                lane: self.request.lane(self.view),
                client: self.request.client.clone(),
                method: self.method().into(),
                params: self.params.to_json(),
                param_headers: self.param_headers(back.crossing.upstream),
                rounds: 0,
            })
        })
    }

    /// Takes up a call that was parked for this client's answer.
    async fn resume(&self, gateway: &Arc<Gateway>, mut back: Back) -> Result<Outcome, Refusal> {
        let bond = Bond {
            request: self.request,
            method: self.method(),
            params: &self.params,
            server: back.server_id,
        };
        let tools = (&*gateway.vault, &gateway.clock);
        let (mut parked, response) = match gateway.parked.resume(&bond, tools).await {
            Ok(resumed) => resumed,
            Err(error) => {
                back.record.ended("invalid_state");
                return Err(error.into());
            }
        };
        back.crossing.upstream = parked.exchange.session().version();
        // It travels with what it was begun with.
        let begun_through = parked.guard.through();
        self.request
            .guard
            .depend(|through| *through = begun_through);
        let Some(response) = response else {
            let result = gateway.parked.park(parked, &bond, tools).await;
            back.record.ended("input_required");
            return Ok(Outcome::Answer(
                mcp::message::result(&back.id, &result).into(),
                200,
            ));
        };
        if let Err(failure) = parked.ask.answer(&response).await {
            return Ok(self.fail(back, failure).await);
        }
        let metadata = self
            .params
            .get("_meta")
            .and_then(|m| RawObject::parse(m).ok());
        let token = metadata.and_then(|m| m.get(meta::PROGRESS_TOKEN).map(Bytes::copy_from_slice));
        parked.exchange.take_up(token);
        Ok(self
            .stream(self.start(back, Some(parked.exchange), None), self.request)
            .await)
    }

    /// The answer to a call that failed. If its connection was closed because of its permission, it says so.
    async fn fail(&self, mut back: Back, failure: CallFailure) -> Outcome {
        let answer = match self.request.why_closed(&failure).await {
            Some(why) => back.ended(why),
            None => back.failure(failure),
        };
        self.finish(answer)
    }

    fn end_call(&self) {
        if let Some(session) = &self.request.session {
            session.end_call(&self.id());
        }
    }

    fn finish(&self, (text, status): (Bytes, u16)) -> Outcome {
        self.end_call();
        Outcome::Answer(text, status)
    }

    /// What an upstream streams over HTTP is streamed to the client, and a client with a session, which can take
    /// a broken stream up again, always gets a stream. For the others, a call whose first event is the answer,
    /// and comes soon, is no stream.
    async fn stream(&self, mut start: Start, request: &Request) -> Outcome {
        let mirrors = self.request.session.is_some()
            || start.exchange.as_ref().is_some_and(|e| e.is_event_stream());
        if let Some(exchange) = start.exchange.as_mut()
            && start.first.is_none()
            && !mirrors
        {
            start.first = tokio::time::timeout(WHOLE_ANSWER_WAIT, exchange.next())
                .await
                .ok();
        }
        match start.first.take() {
            Some(Ok(Event::Answer(answer))) if start.resend.is_none() && !mirrors => {
                start.exchange = None;
                self.finish(start.back.answer(&answer))
            }
            Some(Err(failure)) => self.fail(start.back, failure).await,
            first => Outcome::Stream(Box::new(Relay::new(Start { first, ..start }, request))),
        }
    }

    /// The answer to a call that brought none, or the way to one: a sign-in, with the scopes that the server asks for
    /// or because it takes no token of the last one any more.
    async fn failed(
        &self,
        mut back: Back,
        (open, renewed): (&Open, &Renewed),
        failure: CallFailure,
    ) -> Result<Outcome, Refusal> {
        let server = &self.member.server;
        let is_own = open.credential.step == Some(Step::User) && open.credential.grant.is_some();
        let (scope, word) = match (failure.missing_scope(), renewed) {
            (Some(scope), _) if is_own => (scope, "scope_needed"),
            (None, Renewed::Never) if is_own => (String::new(), "sign_in_needed"),
            (None, Renewed::With(_)) if is_own && failure.is_refused_token() => {
                (String::new(), "sign_in_needed")
            }
            (None, Renewed::NeedsAdministrator) => {
                let closed = Closed::ClientRefused;
                back.record.ended(closed.as_str());
                self.end_call();
                return Err(refusal::closed(&closed, &server.name).into());
            }
            _ => return Ok(self.fail(back, failure).await),
        };
        back.record.ended(word);
        self.end_call();
        Err(Refusal::SignIn(SignIn {
            server: server.id,
            server_name: server.name.clone(),
            scope,
            refused: open.credential.grant,
        }))
    }

    /// Sends, and once more with another token if the upstream takes this one no more. Says what became of the token.
    async fn send_renewing(
        &self,
        gateway: &Gateway,
        open: &Open,
        request: &Request,
    ) -> (Option<Result<Sent, CallFailure>>, Renewed) {
        let sent = self.send_unless_cancelled(gateway, open, request).await;
        if !matches!(&sent, Some(Err(failure)) if failure.is_refused_token()) {
            return (sent, Renewed::No);
        }
        let renewing = renew::refused(gateway, self.request, self.view, self.member);
        let renewed = Box::pin(renewing).await;
        let Some(open) = renewed.ready() else {
            return (sent, renewed);
        };
        open.bind(&self.request.guard, self.member.server.id);
        let sent = Box::pin(self.send_unless_cancelled(gateway, open, request)).await;
        if matches!(&sent, Some(Err(failure)) if failure.is_refused_token())
            && let Some(grant) = open.credential.grant
        {
            gateway.refresher.note_in_vain(grant.id, grant.version);
        }
        (sent, renewed)
    }

    /// Sends; `None` if the client cancels the call before there is an answer.
    async fn send_unless_cancelled(
        &self,
        gateway: &Gateway,
        open: &Open,
        request: &Request,
    ) -> Option<Result<Sent, CallFailure>> {
        tokio::select! {
            biased;
            sent = self.send(gateway, open) => Some(sent),
            () = request.cancelled.cancelled() => None,
        }
    }

    /// Sends, and sends once more where the first attempt provably never arrived or may be repeated.
    async fn send(&self, gateway: &Gateway, open: &Open) -> Result<Sent, CallFailure> {
        let mut attempt = self.attempt(gateway, open).await;
        if let Err((failure, session_is_gone)) = &attempt {
            let is_harmless = self.is_idempotent() && failure.kind == UpstreamFailureKind::Closed;
            if is_harmless || (*session_is_gone && !failure.may_have_executed) {
                attempt = Box::pin(self.attempt(gateway, open)).await;
            }
        }
        attempt.map_err(|(failure, _)| failure)
    }

    /// One attempt. A connection that many calls share takes any request, and whether it is lost shows in the
    /// first event: where that may lead to another attempt, it is awaited.
    async fn attempt(&self, gateway: &Gateway, open: &Open) -> Result<Sent, (CallFailure, bool)> {
        let mut sent = self.send_once(gateway, open).await?;
        if let Reply::Stream(exchange) = &mut sent.reply
            && self.is_idempotent()
            && !exchange.is_event_stream()
        {
            let first = tokio::time::timeout(WHOLE_ANSWER_WAIT, exchange.next()).await;
            sent.first = match first {
                Ok(Err(failure)) => return Err((failure, !exchange.session().is_open())),
                first => first.ok(),
            };
        }
        Ok(sent)
    }

    fn is_idempotent(&self) -> bool {
        self.method() != "tools/call" || self.item.is_some_and(|item| item.is_idempotent)
    }

    async fn send_once(&self, gateway: &Gateway, open: &Open) -> Result<Sent, (CallFailure, bool)> {
        let lane = self.request.lane(self.view);
        let session = open
            .upstream
            .session(&lane, &open.credential, &self.request.client)
            .await;
        let session = session.map_err(|failure| (failure, false))?;
        let at = (&open.upstream, &open.credential);
        let until = (&self.request.guard, &gateway.tasks);
        let client_session = self.request.session.as_ref();
        let began_anew =
            client_session.is_some_and(|client| client.uses(at, &lane, &session, until));
        let out = Outgoing {
            method: self.method(),
            person: lane.person,
            params: self.params.clone(),
            client: &self.request.client,
            param_headers: self.param_headers(session.version()),
            is_idempotent: self.is_idempotent(),
        };
        let sent = session.request(&out).await;
        let version = session.version();
        sent.map(|reply| Sent {
            reply,
            version,
            first: None,
            began_anew,
        })
        .map_err(|failure| (failure, !session.is_open()))
    }

    fn param_headers(&self, upstream: Version) -> Vec<(HeaderName, HeaderValue)> {
        let Some(item) = self
            .item
            .filter(|item| !item.param_headers.is_empty() && upstream.is_modern())
        else {
            return Vec::new();
        };
        let arguments = self.arguments();
        item.param_headers
            .iter()
            .filter_map(|parameter| parameter.of(arguments))
            .collect()
    }

    fn arguments(&self) -> &[u8] {
        self.params.get("arguments").unwrap_or(b"{}")
    }

    /// A stateless client over HTTP mirrors the declared parameters, and each must agree with the body
    /// (2026-07-28, server behaviour for custom headers).
    fn check_param_headers(&self) -> Result<(), RpcError> {
        let (Some(shown), Some(item)) = (&self.request.param_headers, self.item) else {
            return Ok(());
        };
        if item.param_headers.is_empty() || !self.request.version.is_modern() {
            return Ok(());
        }
        let arguments = self.arguments();
        for parameter in &*item.param_headers {
            let name = parameter.header.as_str();
            let expected = parameter.value_in(arguments);
            let mut lines = shown.iter().filter(|(known, _)| known == name).peekable();
            let agrees = match &expected {
                None => lines.peek().is_none(),
                Some(expected) => {
                    lines.peek().is_some() && lines.all(|(_, line)| is_mirrored(expected, line))
                }
            };
            if !agrees {
                return Err(RpcError::header_mismatch(format!(
                    "Header mismatch: {name} does not match the value in the arguments"
                )));
            }
        }
        Ok(())
    }
}

/// Whether a header has the value of a parameter. A URI in it may still have its mark, which the arguments lost.
fn is_mirrored(expected: &str, line: &str) -> bool {
    same_value(expected, line)
        || without_marks(line.as_bytes()).as_deref() == Some(expected.as_bytes())
}

/// Numbers are compared as numbers, so that `42.0` agrees with 42.
fn same_value(expected: &str, shown: &str) -> bool {
    expected == shown
        || matches!((expected.parse::<f64>(), shown.parse::<f64>()), (Ok(a), Ok(b)) if a.to_bits() == b.to_bits())
}
