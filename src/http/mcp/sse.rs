//! HTTP+SSE of 2024-11-05 towards clients: a stream that names an endpoint, and POSTs to that endpoint.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use moka::future::Cache;
use tokio::sync::mpsc::Receiver;

use super::peer::Peer;
use super::{body, events};
use crate::app::App;
use mcp::error::{INVALID_REQUEST, RpcError};
use relay::gateway::Target;
use tenancy::auth::Caller;

/// Open streams at once.
const PEERS_MAX: u64 = 50_000;
/// Longest life of a stream that nobody closes.
const PEER_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The open streams, by the id in their endpoint.
#[derive(Debug, Clone)]
pub(super) struct Peers(Cache<String, Arc<Peer>>);

impl Default for Peers {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(PEERS_MAX)
                .time_to_live(PEER_LIFE)
                .build(),
        )
    }
}

/// Opens the stream. Its first event names where to POST, relative to the URL that was asked for: what stands before
/// our paths is known to the proxy alone that puts it there.
pub(super) async fn open(
    app: Arc<App>,
    peers: &Peers,
    (caller, target): (Arc<Caller>, Target),
    parts: &Parts,
) -> Response {
    let (peer, to_write) = Peer::new(app, caller, target, &parts.headers);
    let is_below = parts.uri.path().ends_with('/');
    let above = if is_below { "../" } else { "" };
    let endpoint = format!("{above}messages?sessionId={}", peer.id);
    peer.bind().await;
    peers.0.insert(peer.id.clone(), peer.clone()).await;
    events::with_endpoint(
        &endpoint,
        Writing {
            peer,
            peers: peers.clone(),
            to_write,
            last: None,
        },
    )
}

/// Takes a message that was POSTed to a stream's endpoint.
pub(super) async fn post(
    peers: &Peers,
    (caller, target): (&Caller, &Target),
    query: Option<&str>,
    (headers, content): (&HeaderMap, Body),
) -> Result<Response, RpcError> {
    let query = query.unwrap_or_default();
    let id = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "sessionId");
    let peer = match id {
        Some((_, id)) => peers
            .0
            .get(&*id)
            .await
            .filter(|peer| peer.belongs_to(caller, target)),
        None => None,
    };
    let peer =
        peer.ok_or_else(|| RpcError::new(INVALID_REQUEST, "Session not found").with_status(404))?;
    let text = body::read(headers, content, body::bytes_max(target)).await?;
    peer.receive(text).await;
    Ok(body::empty(StatusCode::ACCEPTED))
}

/// What is written to one client; when it is dropped, the connection is over.
struct Writing {
    peer: Arc<Peer>,
    peers: Peers,
    to_write: Receiver<Bytes>,
    /// What is left to be written, once the permission has ended.
    last: Option<VecDeque<Bytes>>,
}

impl events::Messages for Writing {
    async fn next(&mut self) -> Option<Bytes> {
        if self.last.is_none() {
            tokio::select! {
                () = self.peer.closed.cancelled() => return None,
                text = self.to_write.recv() => return text,
                _ = self.peer.guard.ended() => {}
            }
        }
        if self.last.is_none() {
            self.last = Some(self.peer.last_words(&mut self.to_write).await);
        }
        self.last.as_mut()?.pop_front()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (peer, peers) = (self.peer.clone(), self.peers.clone());
        self.peer.tasks().spawn(async move {
            peers.0.invalidate(&peer.id).await;
            peer.close().await;
        });
    }
}
