//! One WebSocket to the gateway, and how another one is made when it is lost.
//! Knows nothing of what the messages say.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use tokio::time::timeout;

use egress::{Destination, Egress, Failure, Limits, Message as Frame, WebSocket};

/// Longest wait for the gateway to accept the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A gateway pings every 30 s; one that is silent for longer than three times that is gone.
const SILENCE_MAX: Duration = Duration::from_secs(95);

/// Where the gateway is, and with which key.
pub(super) struct Gate {
    pub(super) egress: Egress,
    pub(super) destination: Destination,
    pub(super) headers: HeaderMap,
}

/// A connection.
pub(super) struct Link {
    sink: SplitSink<WebSocket, Frame>,
    stream: SplitStream<WebSocket>,
}

impl Gate {
    /// Connects.
    ///
    /// # Errors
    /// If the gateway cannot be reached, or does not take us.
    pub(super) async fn connect(&self) -> Result<Link, Failure> {
        let limits = Limits {
            headers: CONNECT_TIMEOUT,
            idle: CONNECT_TIMEOUT,
        };
        let headers = self.headers.clone();
        let socket = self.egress.websocket(&self.destination, headers, &limits);
        let (sink, stream) = socket.await?.split();
        Ok(Link { sink, stream })
    }
}

/// Whether a gateway that refuses so will go on to: the key or the place is wrong, not the moment.
pub(super) fn is_for_good(failure: &Failure) -> bool {
    match failure {
        Failure::Declined { status, .. } => matches!(status.as_u16(), 400..=407 | 421),
        Failure::Refused(_) => true,
        _ => false,
    }
}

impl Link {
    /// Sends one message; `None` if the connection is lost.
    pub(super) async fn send(&mut self, text: String) -> Option<()> {
        self.sink.send(Frame::text(text)).await.ok()
    }

    /// The next message; `None` if the connection is lost. Whoever stops waiting loses nothing.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            match timeout(SILENCE_MAX, self.stream.next()).await.ok()?? {
                Ok(Frame::Text(text)) => return Some(text.to_string()),
                Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_)) => {}
                Ok(Frame::Close(_)) | Err(_) => return None,
            }
        }
    }

    /// Says that nothing more comes.
    pub(super) async fn close(mut self) {
        // The gateway ends what was begun, whether it hears this or not.
        let _ = timeout(CONNECT_TIMEOUT, self.sink.send(Frame::Close(None))).await;
    }
}
