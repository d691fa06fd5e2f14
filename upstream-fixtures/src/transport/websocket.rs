//! WebSocket: one text message for each JSON-RPC message, subprotocol `mcp`.
//! Must never send but through the session's frames, so that order is kept.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message as Packet, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use http::request::Parts;

use crate::call::{Frame, Frames, Outlet};
use crate::rpc::{self, Message, RpcError};
use crate::seen::Seen;
use crate::session::Session;
use crate::state::App;

use super::channel::{self, Ending, Incoming};
use super::{Arrival, BODY_MAX, headers_of};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/ws", get(open))
}

async fn open(State(app): State<Arc<App>>, parts: Parts, upgrade: WebSocketUpgrade) -> Response {
    let arrival = Arrival {
        app: &app,
        parts: &parts,
        message: None,
    };
    if let Err(response) = arrival.admit().await {
        arrival.record();
        return response;
    }
    let upgrade = upgrade.protocols(["mcp"]).max_message_size(BODY_MAX);
    if upgrade.selected_protocol().is_none() {
        arrival.record();
        return (StatusCode::BAD_REQUEST, "the subprotocol is mcp").into_response();
    }
    let session = Arc::new(Session::new(headers_of(&parts), &app.stopped));
    let (outlet, frames) = Outlet::open();
    session.open_stream(outlet);
    app.open_session(&session);
    arrival.record();
    let path = parts.uri.path().to_owned();
    let tasks = app.tasks.clone();
    upgrade.on_upgrade(move |socket| {
        tasks.track_future(converse(Ending { app, session }, socket, frames, path))
    })
}

/// Reads and writes until either side ends.
async fn converse(ending: Ending, socket: WebSocket, frames: Frames, path: String) {
    let (sink, stream) = socket.split();
    let ended = ending.session.ended.clone();
    tokio::select! {
        () = ended.cancelled() => {}
        () = write(sink, frames) => {}
        () = read(&ending, stream, &path) => {}
    }
}

async fn write(mut sink: SplitSink<WebSocket, Packet>, mut frames: Frames) {
    while let Some(frame) = frames.recv().await {
        let packet = match frame {
            Frame::Message(text) | Frame::Answer(_, text) => Packet::Text(text.into()),
            Frame::Raw(bytes) => Packet::Binary(bytes),
            Frame::Close => Packet::Close(None),
            Frame::Whole(_) => continue,
            Frame::Die => return,
        };
        let is_last = matches!(packet, Packet::Close(_));
        if sink.send(packet).await.is_err() || is_last {
            return;
        }
    }
}

async fn read(ending: &Ending, mut stream: SplitStream<WebSocket>, path: &str) {
    let Ending { app, session } = ending;
    while let Some(Ok(packet)) = stream.next().await {
        let Packet::Text(text) = packet else { continue };
        let Ok(message) = Message::parse(&text) else {
            if let Some(outlet) = session.stream() {
                let error = RpcError::new(-32700, "Parse error");
                let text = rpc::error_text(&serde_json::Value::Null, &error);
                outlet.push(Frame::Answer(200, text));
            }
            continue;
        };
        let seen = Seen {
            verb: "WS".to_owned(),
            path: path.to_owned(),
            headers: session.headers.clone(),
            method: message.value["method"].as_str().map(str::to_owned),
            id: message.id().cloned(),
            params: message.params().clone(),
            message: message.value.clone(),
        };
        let ill = app.strike(message.method());
        let incoming = Incoming {
            app: app.clone(),
            session: session.clone(),
            message,
            headers: session.headers.clone(),
            ill,
        };
        // A subscription is written down once it is open.
        if seen.is("subscriptions/listen") {
            channel::receive(incoming);
            app.log.push(seen);
        } else {
            app.log.push(seen);
            channel::receive(incoming);
        }
    }
}
