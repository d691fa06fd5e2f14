//! Chats on their wires: sessions over REST, turns over WebSocket and SSE (docs/inside/contract.md#chat-sessions and
//! docs/inside/contract.md#chat).
//! Holds no rule of a turn; a frame is answered in the order in which it came.

mod asked;
mod conversation;
pub mod error;
pub(crate) mod model;
pub(crate) mod sessions;
mod socket;
pub(crate) mod sse;
pub(crate) mod stop;
mod who;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::sync::Semaphore;

use crate::app::App;
use socket::{SOCKETS_MAX, Sockets};

/// The WebSockets, with and without the slash at the end. Everything else stands in the route table.
pub(super) fn router(app: Arc<App>) -> Router {
    let places = Arc::new(Semaphore::new(SOCKETS_MAX));
    let mut router = Router::new();
    for path in ["/ws/langflow", "/ws/langflow/", "/ws/chat", "/ws/chat/"] {
        router = router.route(path, get(socket::talk));
    }
    for path in [
        "/ws/langflow-stop-generation",
        "/ws/langflow-stop-generation/",
    ] {
        router = router.route(path, get(socket::stop));
    }
    router.with_state(Sockets { app, places })
}
