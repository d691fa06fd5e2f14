//! WebSocket towards clients: the subprotocol `mcp`, one JSON-RPC message in each text frame.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{
    CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use tokio::sync::mpsc::Receiver;
use tokio_tungstenite::tungstenite;

use super::body::BODY_BYTES_MAX;
use super::peer::Peer;
use crate::app::App;
use relay::gateway::Target;
use tenancy::auth::Caller;

/// How often an idle connection is pinged; two silent intervals end it.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Upgrades a request that has passed the checks.
pub(super) async fn upgrade(
    app: Arc<App>,
    caller: Arc<Caller>,
    target: Target,
    mut parts: Parts,
) -> Response {
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    upgrade
        .protocols(["mcp"])
        .max_message_size(BODY_BYTES_MAX)
        .max_frame_size(BODY_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let (peer, to_write) = Peer::new(app, caller, target, &parts.headers);
            tokio::select! {
                () = run(socket, peer.clone(), to_write) => {}
                // A client that does not read is not told.
                () = peer.is_overdue() => {}
            }
            peer.close().await;
        })
}

async fn run(socket: WebSocket, peer: Arc<Peer>, mut to_write: Receiver<Bytes>) {
    let (mut sink, mut stream) = socket.split();
    peer.bind().await;
    let mut silent_intervals = 0;
    loop {
        tokio::select! {
            () = peer.closed.cancelled() => {
                let going = CloseFrame { code: close_code::AWAY, reason: "the gateway is stopping".into() };
                let _ = sink.send(Frame::Close(Some(going))).await;
                return;
            }
            why = peer.guard.ended() => {
                for text in peer.last_words(&mut to_write).await {
                    if !write(&mut sink, text).await {
                        return;
                    }
                }
                let over = CloseFrame { code: close_code::POLICY, reason: why.reason().into() };
                let _ = sink.send(Frame::Close(Some(over))).await;
                return;
            }
            Some(text) = to_write.recv() => {
                if !write(&mut sink, text).await {
                    return;
                }
            }
            frame = stream.next() => {
                silent_intervals = 0;
                match frame {
                    Some(Ok(Frame::Text(text))) => peer.receive(Bytes::from(text)).await,
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                    Some(Ok(Frame::Binary(_))) => {
                        let unsupported = CloseFrame { code: close_code::UNSUPPORTED, reason: "text frames only".into() };
                        let _ = sink.send(Frame::Close(Some(unsupported))).await;
                        return;
                    }
                    Some(Err(error)) => {
                        if is_too_large(error) {
                            let large = CloseFrame { code: close_code::SIZE, reason: "the message is too large".into() };
                            let _ = sink.send(Frame::Close(Some(large))).await;
                        }
                        return;
                    }
                    Some(Ok(Frame::Close(_))) | None => return,
                }
            }
            () = tokio::time::sleep(PING_EVERY) => {
                silent_intervals += 1;
                if silent_intervals > 2 || sink.send(Frame::Ping(Bytes::new())).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn is_too_large(error: axum::Error) -> bool {
    let error = error.into_inner();
    let error = error.downcast_ref::<tungstenite::Error>();
    matches!(error, Some(tungstenite::Error::Capacity(_)))
}

/// Writes a message. `false` if the client does not take it.
async fn write(sink: &mut SplitSink<WebSocket, Frame>, text: Bytes) -> bool {
    match Utf8Bytes::try_from(text) {
        Ok(text) => sink.send(Frame::Text(text)).await.is_ok(),
        Err(_) => false,
    }
}
