//! How a session over streamable HTTP begins: which era the server speaks, and what it says of itself.
//! Asks again when what was remembered of a server no longer holds.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue};

use super::answer::{Came, code_of, read};
use super::own_stream::listen_on;
use super::{HttpWire, ids, modern_headers, post};
use crate::upstream::Upstream;
use crate::upstream::era::{Era, PROBE_DEADLINE, is_modern_error};
use crate::upstream::failure::{CallFailure, shown};
use crate::upstream::lane::Lane;
use crate::upstream::outgoing::{Client, Outgoing};
use crate::upstream::session::{Session, Wire};
use base::error::{BrokenRule, UpstreamFailureKind};
use broker::credentials::Outbound;
use egress::{EventStream, Limits};
use mcp::heard::{self, Heard};
use mcp::raw::string;
use mcp::{Message, RawObject, Version, headers, message};

/// Longest session id that is kept and sent back, in bytes.
pub(in crate::upstream) const SESSION_ID_BYTES_MAX: usize = 4096;

/// The rule of a server that answers `initialize` with an error.
const REFUSED_HANDSHAKE: &str = "initialize";

/// Shakes hands in the client's era if the server speaks it, else in the other one.
pub(in crate::upstream) async fn open(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
    client: &Client,
) -> Result<Arc<Session>, CallFailure> {
    let mut refused = CallFailure::of(UpstreamFailureKind::Protocol, false);
    for era in Era::in_order(client.prefers_legacy) {
        if !upstream.era.may_speak(era) {
            continue;
        }
        let opened = match era {
            Era::Modern => discover(upstream, credential, client).await,
            Era::Legacy => initialize(upstream, lane, credential, client)
                .await
                .map(Some),
        };
        // A server that refuses `initialize` as such does not speak the era.
        let opened = match opened {
            Err(failure) if is_refused_handshake(&failure) => {
                refused = failure;
                Ok(None)
            }
            opened => opened,
        };
        match opened {
            Ok(Some(session)) => {
                upstream.era.learn(era, true);
                return Ok(session);
            }
            Ok(None) if upstream.era.speaks(era) => upstream.era.forget(),
            Ok(None) => upstream.era.learn(era, false),
            Err(failure) if says_wrong_era(&failure) && !upstream.era.speaks(era) => {
                refused = failure;
            }
            Err(failure) => return Err(failure),
        }
    }
    // Neither era: what was remembered may be of a server that is there no more.
    upstream.era.forget();
    Err(refused)
}

/// Asks `server/discover`. `None` if the server is of the session era.
async fn discover(
    upstream: &Arc<Upstream>,
    credential: &Outbound,
    client: &Client,
) -> Result<Option<Arc<Session>>, CallFailure> {
    let out = Outgoing {
        method: "server/discover",
        person: None,
        params: RawObject::default(),
        client,
        param_headers: Vec::new(),
        is_idempotent: true,
    };
    let number = ids::next();
    let (params, _) = out.modern_params(number);
    let body = message::request(number.to_string().as_bytes(), out.method, &params);
    let request = post(
        upstream,
        &credential.headers,
        modern_headers(&out),
        body.into(),
    );
    let limits = Limits {
        headers: PROBE_DEADLINE.min(upstream.limits.headers),
        idle: PROBE_DEADLINE,
    };
    let came = match upstream
        .egress
        .send(request, &limits)
        .await
        .map_err(CallFailure::from)
    {
        Ok(response) => read(response, &limits).await,
        Err(failure) => Err(failure),
    };
    let answer = match came {
        Ok(came) => response_in(came).await,
        Err(failure) if says_wrong_era(&failure) => None,
        Err(failure) => return Err(failure),
    };
    let Some(answer) = answer else {
        return Ok(None);
    };
    let result = match answer.result.clone() {
        Some(result) if result.starts_with(b"{") => result,
        None if is_modern_error(&answer) => Bytes::from_static(b"{}"),
        _ => return Ok(None),
    };
    let session = Session::new(
        upstream.clone(),
        &Lane::default(),
        credential,
        Wire::Http(HttpWire { session_id: None }),
    );
    session.shaken(Version::V2026_07_28, result);
    Ok(Some(session))
}

fn is_refused_handshake(failure: &CallFailure) -> bool {
    let broken = failure.broken.as_ref();
    broken.is_some_and(|broken| broken.rule == REFUSED_HANDSHAKE)
}

/// A server that does not know an era may refuse its requests, choke on them or stay silent.
fn says_wrong_era(failure: &CallFailure) -> bool {
    match failure.kind {
        UpstreamFailureKind::Timeout | UpstreamFailureKind::Protocol => true,
        UpstreamFailureKind::Http(status) => matches!(status, 400..=501) && status != 429,
        _ => false,
    }
}

/// The first response in what came for a request.
async fn response_in(came: Came) -> Option<Message> {
    let is_response = |message: &Message| message.method.is_none();
    match came {
        Came::Message(message, _) => Some(message),
        Came::Batch(messages) => messages.into_iter().find(is_response),
        Came::Events(mut events) => first_response(&mut events).await,
        Came::Nothing => None,
    }
}

async fn first_response(events: &mut EventStream) -> Option<Message> {
    while let Some(Ok(event)) = events.next().await {
        let messages = match heard::hear(event.data) {
            Ok(Heard::One(message)) => vec![message],
            Ok(Heard::Batch(messages)) => messages,
            Err(_) => continue,
        };
        let response = messages
            .into_iter()
            .find(|message| message.method.is_none());
        if response.is_some() {
            return response;
        }
    }
    None
}

/// Sends `initialize`.
async fn initialize(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
    client: &Client,
) -> Result<Arc<Session>, CallFailure> {
    let id = ids::next().to_string();
    let body = message::request(id.as_bytes(), "initialize", &initialize_params(client));
    let request = post(upstream, &credential.headers, HeaderMap::new(), body.into());
    let response = upstream.egress.send(request, &upstream.limits).await?;
    let session_id = response.headers().get(headers::SESSION_ID).cloned();
    let answer = response_in(read(response, &upstream.limits).await?).await;
    if let Some(answer) = answer.as_ref().filter(|answer| answer.error.is_some()) {
        let code = code_of(answer).unwrap_or_default();
        let text = format!("it answers `initialize` with an error ({code})");
        return Err(CallFailure::broke(
            BrokenRule::new(REFUSED_HANDSHAKE, text),
            false,
        ));
    }
    let session_id = session_id.filter(|id| !id.is_empty());
    check_session_id(session_id.as_ref())?;
    let (version, result) = negotiated(answer.as_ref())?;
    let wire = Wire::Http(HttpWire { session_id });
    let session = Session::new(upstream.clone(), lane, credential, wire);
    session.shaken(version, result);
    session.say_initialized().await?;
    let listener = session.clone();
    upstream
        .tasks
        .spawn(async move { listen_on(listener).await });
    Ok(session)
}

/// The parameters of `initialize` on behalf of a client.
pub(in crate::upstream) fn initialize_params(client: &Client) -> Vec<u8> {
    let mut params = RawObject::default();
    params.set("protocolVersion", string(client.legacy_version.as_str()));
    params.set("capabilities", &client.capabilities[..]);
    params.set("clientInfo", &client.info[..]);
    params.to_json()
}

/// The revision and result in the answer to `initialize`.
pub(in crate::upstream) fn negotiated(
    answer: Option<&Message>,
) -> Result<(Version, Bytes), CallFailure> {
    let broken = |rule, text: String| CallFailure::broke(BrokenRule::new(rule, text), false);
    let nothing = || broken("empty", "it does not answer `initialize`".to_owned());
    let result = answer
        .and_then(|message| message.result.clone())
        .ok_or_else(nothing)?;
    let members = RawObject::parse(&result).map_err(|_| nothing())?;
    let Some(named) = members.get_str("protocolVersion") else {
        let text = "its answer to `initialize` names no protocolVersion".to_owned();
        return Err(broken("protocolVersion", text));
    };
    match version_of(&named).filter(|version| !version.is_modern()) {
        Some(version) => Ok((version, result)),
        None => {
            let text = format!(
                "its protocolVersion {:?} is none with sessions that the gateway speaks",
                shown(&named)
            );
            Err(broken("protocolVersion", text))
        }
    }
}

/// The revision under a name that a server gives; the first one of all had another date, and the TypeScript SDKs take it.
fn version_of(named: &str) -> Option<Version> {
    const BEFORE_THE_FIRST: &str = "2024-10-07";
    if named == BEFORE_THE_FIRST {
        return Some(Version::V2024_11_05);
    }
    named.parse().ok()
}

/// A session id is visible ASCII (2025-11-25, session management), and of a length that fits into a head.
fn check_session_id(id: Option<&HeaderValue>) -> Result<(), CallFailure> {
    let bytes = id.map(HeaderValue::as_bytes).unwrap_or_default();
    let text = if bytes.len() > SESSION_ID_BYTES_MAX {
        format!("its Mcp-Session-Id has more than {SESSION_ID_BYTES_MAX} bytes")
    } else if !bytes.iter().all(u8::is_ascii_graphic) {
        "its Mcp-Session-Id has other characters than visible ASCII".to_owned()
    } else {
        return Ok(());
    };
    Err(CallFailure::broke(
        BrokenRule::new("session id", text),
        false,
    ))
}
