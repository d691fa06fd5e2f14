//! WebSocket with the subprotocol `mcp`: one JSON-RPC message in each text frame (`docs/integrators/websocket.md`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::Mutex;

use super::failure::CallFailure;
use super::lane::Lane;
use super::session::{Session, Wire};
use super::{Upstream, duplex};
use base::error::UpstreamFailureKind;
use broker::credentials::Outbound;
use egress::{Message as Frame, WebSocket};

/// How often an idle connection is pinged; two silent intervals end it.
const PING_EVERY: Duration = Duration::from_secs(30);

/// The writing half.
#[derive(Debug)]
pub(super) struct Sender(Mutex<SplitSink<WebSocket, Frame>>);

/// Opens the connection; the credential travels in the handshake.
pub(super) async fn connect(
    upstream: &Arc<Upstream>,
    lane: &Lane,
    credential: &Outbound,
) -> Result<Arc<Session>, CallFailure> {
    let socket = upstream
        .egress
        .websocket(
            &upstream.destination,
            credential.headers.clone(),
            &upstream.limits,
        )
        .await;
    let socket = socket.map_err(|failure| CallFailure {
        may_have_executed: false,
        ..failure.into()
    })?;
    let (sink, stream) = socket.split();
    let sender = duplex::Sender::Websocket(Sender(Mutex::new(sink)));
    let session = Session::new(upstream.clone(), lane, credential, Wire::Duplex(sender));
    let reader = session.clone();
    upstream
        .tasks
        .spawn(async move { read(reader, stream).await });
    Ok(session)
}

/// Routes what comes until the connection or the session ends.
async fn read(session: Arc<Session>, mut stream: SplitStream<WebSocket>) {
    let mut silent_intervals = 0;
    loop {
        let frame = tokio::select! {
            () = session.closed.cancelled() => return say_goodbye(&session).await,
            frame = stream.next() => frame,
            () = tokio::time::sleep(PING_EVERY) => {
                silent_intervals += 1;
                if silent_intervals > 2 || write(&session, Frame::Ping(Bytes::new())).await.is_err() {
                    return session.lost();
                }
                continue;
            }
        };
        silent_intervals = 0;
        match frame {
            Some(Ok(Frame::Text(text))) => session.hear(Bytes::from(text)).await,
            // Python's client reads a message in either kind of frame.
            Some(Ok(Frame::Binary(bytes))) if std::str::from_utf8(&bytes).is_ok() => {
                session.hear(bytes).await;
            }
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
            Some(Ok(Frame::Binary(_) | Frame::Frame(_) | Frame::Close(_)) | Err(_)) | None => {
                return session.lost();
            }
        }
    }
}

async fn say_goodbye(session: &Session) {
    let _ = write(session, Frame::Close(None)).await;
}

async fn write(session: &Session, frame: Frame) -> Result<(), CallFailure> {
    let Wire::Duplex(duplex::Sender::Websocket(Sender(sink))) = &session.wire else {
        return Err(CallFailure::of(UpstreamFailureKind::Closed, false));
    };
    let mut sink = sink.lock().await;
    let written = tokio::time::timeout(session.limits().headers, sink.send(frame)).await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => {
            session.lost();
            Err(CallFailure::of(UpstreamFailureKind::Closed, true))
        }
        Err(_) => {
            session.lost();
            Err(CallFailure::of(UpstreamFailureKind::Timeout, true))
        }
    }
}

impl Sender {
    pub(super) async fn send(&self, session: &Session, text: Bytes) -> Result<(), CallFailure> {
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| CallFailure::of(UpstreamFailureKind::Protocol, false))?;
        write(session, Frame::text(text)).await
    }
}
