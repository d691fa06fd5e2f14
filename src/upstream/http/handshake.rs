//! How a session over streamable HTTP begins: which era the server speaks, and what it says of itself.
//! Asks again when what was remembered of a server no longer holds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;

use super::answer::{Came, read};
use super::own_stream::listen_on;
use super::{HttpWire, modern_headers, post};
use crate::credentials::Outbound;
use crate::egress::{EventStream, Limits};
use crate::error::UpstreamFailureKind;
use crate::mcp::raw::string;
use crate::mcp::{Message, RawObject, Version, headers, message};
use crate::upstream::Upstream;
use crate::upstream::era::{Era, is_modern_error};
use crate::upstream::failure::CallFailure;
use crate::upstream::lane::Lane;
use crate::upstream::outgoing::{Client, Outgoing};
use crate::upstream::session::{Session, Wire};

/// Longest wait for the answer to the question which era a server speaks.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
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
            Era::Legacy => initialize(upstream, lane, credential, client).await,
        };
        match opened {
            Ok(Some(session)) => {
                upstream.era.learn(era, true);
                return Ok(session);
            }
            Ok(None) if upstream.era.speaks(era) => upstream.era.forget(),
            Ok(None) => upstream.era.learn(era, false),
            Err(failure) if says_wrong_era(&failure) && !upstream.era.speaks(era) => {
                refused = failure
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
    let id = Bytes::from_static(b"\"discover\"");
    let out = Outgoing {
        method: "server/discover",
        id: &id,
        params: RawObject::default(),
        client,
        param_headers: Vec::new(),
        is_idempotent: true,
    };
    let body = message::request(&id, out.method, &out.modern_params());
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
        Ok(Came::Message(message, _)) => Some(message),
        Ok(Came::Events(mut events)) => first_message(&mut events).await,
        Ok(Came::Nothing) => None,
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

/// A server that does not know an era may refuse its requests, choke on them or stay silent.
fn says_wrong_era(failure: &CallFailure) -> bool {
    match failure.kind {
        UpstreamFailureKind::Timeout | UpstreamFailureKind::Protocol => true,
        UpstreamFailureKind::Http(status) => matches!(status, 400..=501) && status != 429,
        _ => false,
    }
}

async fn first_message(events: &mut EventStream) -> Option<Message> {
    while let Some(Ok(event)) = events.next().await {
        if let Ok(message) = Message::parse(event.data)
            && message.method.is_none()
        {
            return Some(message);
        }
    }
    None
}

/// Sends `initialize`. `None` if the server is of the stateless era only.
async fn initialize(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
    client: &Client,
) -> Result<Option<Arc<Session>>, CallFailure> {
    let body = message::request(b"0", "initialize", &initialize_params(client));
    let request = post(upstream, &credential.headers, HeaderMap::new(), body.into());
    let response = upstream.egress.send(request, &upstream.limits).await?;
    let session_id = response.headers().get(headers::SESSION_ID).cloned();
    let answer = match read(response, &upstream.limits).await? {
        Came::Message(message, _) => Some(message),
        Came::Events(mut events) => first_message(&mut events).await,
        Came::Nothing => None,
    };
    if answer.as_ref().is_some_and(|answer| answer.error.is_some()) {
        return Ok(None);
    }
    let (version, result) = negotiated(answer.as_ref())?;
    let wire = Wire::Http(HttpWire { session_id });
    let session = Session::new(upstream.clone(), lane, credential, wire);
    session.shaken(version, result);
    session.notify("notifications/initialized", b"{}").await?;
    let listener = session.clone();
    upstream
        .tasks
        .spawn(async move { listen_on(listener).await });
    Ok(Some(session))
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
    let broken = || CallFailure::of(UpstreamFailureKind::Protocol, false);
    let result = answer
        .and_then(|message| message.result.clone())
        .ok_or_else(broken)?;
    let version = RawObject::parse(&result)
        .ok()
        .and_then(|r| r.get_str("protocolVersion"))
        .ok_or_else(broken)?;
    let version: Version = version.parse().map_err(|()| broken())?;
    if version.is_modern() {
        Err(broken())
    } else {
        Ok((version, result))
    }
}
