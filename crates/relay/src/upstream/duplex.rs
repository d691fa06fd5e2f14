//! What WebSocket and HTTP+SSE have in common: messages both ways, matched by our numbers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::era::{Era, is_modern_error};
use super::exchange::{Event, Exchange, Reply};
use super::failure::CallFailure;
use super::health::{Health, Seat};
use super::http::{initialize_params, negotiated};
use super::ids;
use super::lane::Lane;
use super::outgoing::{Client, Outgoing};
use super::session::Session;
use super::slots::Slots;
use super::{Upstream, sse, websocket};
use base::error::UpstreamFailureKind;
use broker::credentials::Outbound;
use broker::registry::Transport;
use mcp::{Message, RawObject, Version, message};

/// Longest wait for the answer to the question which era a server speaks.
const PROBE_DEADLINE: Duration = Duration::from_secs(3);

/// The sending half.
#[derive(Debug)]
pub(super) enum Sender {
    /// A POST to the endpoint that the stream named.
    Sse(sse::Sender),
    /// A text frame.
    Websocket(websocket::Sender),
}

impl Sender {
    pub(super) async fn send(&self, session: &Session, text: Bytes) -> Result<(), CallFailure> {
        match self {
            Self::Sse(sender) => sender.send(session, text).await,
            Self::Websocket(sender) => sender.send(session, text).await,
        }
    }

    pub(super) async fn call(
        &self,
        session: &Arc<Session>,
        out: &Outgoing<'_>,
        seat: Seat,
    ) -> Result<Reply, CallFailure> {
        let slot = Slots::take(&session.slots);
        let (params, token) = if session.version().is_modern() {
            out.modern_params(slot.id)
        } else {
            out.legacy_params(slot.id)
        };
        let mut exchange = Exchange::in_session(session, slot, token, seat);
        let text = message::request(&exchange.id(), out.method, &params);
        if let Err(failure) = self.send(session, text.into()).await {
            exchange.finished = !failure.may_have_executed;
            return Err(failure);
        }
        let exchange = if out.is_subscription() {
            exchange.for_subscription()
        } else {
            exchange
        };
        Ok(Reply::Stream(Box::new(exchange)))
    }
}

/// Connects, and shakes hands in the client's era if the server speaks it, else in the other one.
pub(super) async fn open(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
    client: &Client,
) -> Result<Arc<Session>, CallFailure> {
    let mut session = connect(upstream, lane, credential).await?;
    let mut refused = CallFailure::of(UpstreamFailureKind::Protocol, false);
    // HTTP+SSE is of the era of sessions, and a bridge with one child may take the first question for the choice of one.
    let prefers_legacy = client.prefers_legacy || upstream.transport == Transport::Sse;
    for era in Era::in_order(prefers_legacy) {
        if !upstream.era.may_speak(era) {
            continue;
        }
        // A server that hung up on one question gets a new connection for the next.
        if !session.is_open() {
            session = connect(upstream, lane, credential).await?;
        }
        let shaken = match era {
            Era::Modern => discover(&session, client).await,
            Era::Legacy => initialize(&session, client).await,
        };
        match shaken {
            Ok(handshake) => {
                upstream.era.learn(era, true);
                let _ = session.handshake.set(handshake);
                if era == Era::Legacy {
                    session.say_initialized().await?;
                }
                return Ok(session);
            }
            Err(failure) => {
                if upstream.era.speaks(era) {
                    upstream.era.forget();
                } else if failure.kind == UpstreamFailureKind::Protocol {
                    upstream.era.learn(era, false);
                }
                refused = failure;
            }
        }
    }
    upstream.era.forget();
    session.lost();
    Err(refused)
}

async fn connect(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
) -> Result<Arc<Session>, CallFailure> {
    match upstream.transport {
        Transport::Websocket => websocket::connect(upstream, lane, credential).await,
        Transport::Sse | Transport::StreamableHttp => {
            sse::connect(upstream, lane, credential).await
        }
    }
}

/// Asks `server/discover`; a server of the session era may well stay silent.
async fn discover(
    session: &Arc<Session>,
    client: &Client,
) -> Result<(Version, Bytes), CallFailure> {
    let out = Outgoing {
        method: "server/discover",
        person: None,
        params: RawObject::default(),
        client,
        param_headers: Vec::new(),
        is_idempotent: true,
    };
    let asking = first_answer(session, out.method, out.modern_params(ids::next()).0);
    let answer = tokio::time::timeout(PROBE_DEADLINE, asking)
        .await
        .map_err(|_| CallFailure::of(UpstreamFailureKind::Protocol, false))??;
    match &answer.result {
        Some(result) if result.starts_with(b"{") => Ok((Version::V2026_07_28, result.clone())),
        _ if is_modern_error(&answer) => Ok((Version::V2026_07_28, Bytes::from_static(b"{}"))),
        _ => Err(CallFailure::of(UpstreamFailureKind::Protocol, false)),
    }
}

async fn initialize(
    session: &Arc<Session>,
    client: &Client,
) -> Result<(Version, Bytes), CallFailure> {
    let answer = first_answer(session, "initialize", initialize_params(client)).await?;
    negotiated(Some(&answer))
}

async fn first_answer(
    session: &Arc<Session>,
    method: &str,
    params: Vec<u8>,
) -> Result<Message, CallFailure> {
    let seat = Health::seat(&session.upstream.health, session.caller(None));
    let seat = seat.ok_or_else(|| CallFailure::of(UpstreamFailureKind::Busy, false))?;
    let mut exchange = Exchange::in_session(session, Slots::take(&session.slots), None, seat);
    let text = message::request(&exchange.id(), method, &params);
    let super::session::Wire::Duplex(sender) = &session.wire else {
        return Err(CallFailure::of(UpstreamFailureKind::Protocol, false));
    };
    sender.send(session, text.into()).await?;
    loop {
        match exchange.next().await {
            Ok(Event::Answer(answer)) => return Ok(answer.message),
            Ok(Event::Notification(_)) => {}
            Ok(Event::Ask(ask)) => ask.refuse(),
            Err(failure) => {
                // `notifications/cancelled` would be the first thing a server ever heard of us.
                exchange.finished = true;
                return Err(failure);
            }
        }
    }
}
