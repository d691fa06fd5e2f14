//! The WebSockets of a chat: one for turns, one to stop them. The key is in every frame; nothing is in the headers.
//! Never answers before the client has spoken, and closes after an error frame.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::caller::peer_address;
use super::asked::{FRAME_BYTES_MAX, Stop};
use super::conversation::{Conversation, Told};
use super::error;
use super::wire::Wire;
use crate::app::App;
use base::error::{Error, Result};
use broker::guard::{self, Guard};

/// Sockets open at once.
pub(super) const SOCKETS_MAX: usize = 20_000;

/// What every socket needs.
#[derive(Debug, Clone)]
pub(super) struct Sockets {
    pub(super) app: Arc<App>,
    pub(super) places: Arc<Semaphore>,
}

/// `/ws/langflow/`: turns.
pub(super) async fn talk(State(sockets): State<Sockets>, request: Request) -> Response {
    upgrade(sockets, request, talking).await
}

/// `/ws/langflow-stop-generation/`: stops turns.
pub(super) async fn stop(State(sockets): State<Sockets>, request: Request) -> Response {
    upgrade(sockets, request, stopping).await
}

async fn upgrade<F>(
    sockets: Sockets,
    request: Request,
    run: fn(WebSocket, Arc<App>, IpAddr) -> F,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut parts, _) = request.into_parts();
    let config = &sockets.app.config;
    let peer = peer_address(&parts.extensions, &parts.headers, &config.trust_proxy);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &sockets).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    let Ok(place) = sockets.places.try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let _place: OwnedSemaphorePermit = place;
            run(socket, sockets.app, peer).await;
        })
}

async fn talking(socket: WebSocket, app: Arc<App>, peer: IpAddr) {
    let mut wire = Wire::new(socket, app.tasks.stop.clone());
    let mut chat = Conversation::new(app, peer);
    loop {
        tokio::select! {
            told = chat.next() => match told {
                Told::Frame(frame) => {
                    if !wire.write(&frame).await {
                        return;
                    }
                }
                Told::Last(frame) => return wire.end(&frame).await,
                Told::Ended(frame, why) => return wire.cut(&frame, why).await,
            },
            text = wire.next() => match text {
                Some(text) => chat.receive(text.as_bytes()).await,
                None => return,
            },
        }
    }
}

async fn stopping(socket: WebSocket, app: Arc<App>, peer: IpAddr) {
    let mut wire = Wire::new(socket, app.tasks.stop.clone());
    let mut last: Option<Guard> = None;
    loop {
        let text = tokio::select! {
            why = guard::ended(last.as_ref()) => {
                return wire.cut(&error::frame(&Error::Ended(why)), why).await;
            }
            text = wire.next() => text,
        };
        let Some(text) = text else { return };
        match stop_turn(&app, peer, text.as_bytes()).await {
            Ok(guard) => {
                last = Some(guard);
                if !wire.write(&json!({ "detail": "Stopped" })).await {
                    return;
                }
            }
            Err(refused) => return wire.end(&error::frame(&refused)).await,
        }
    }
}

/// Stops the turn that a frame names, if it is the sender's. The connection goes on as long as they may.
async fn stop_turn(app: &App, peer: IpAddr, text: &[u8]) -> Result<Guard> {
    let asked = Stop::parse(text)?;
    let caller = asked.who.caller(app, peer).await?;
    app.chat.stop(&caller, &asked.generation).await?;
    Ok(app.guards.guard(&caller))
}
