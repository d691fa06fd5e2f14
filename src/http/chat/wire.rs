//! One WebSocket of a chat client: text frames both ways, pings, and the end of it.
//! Knows nothing of what the frames say.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use base::error::Ended;

/// How often a silent client is pinged.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Pings without any sign of life after which a client is gone.
const UNANSWERED_MAX: u32 = 2;
/// Pings to a client that has not said who it is.
const UNKNOWN_PINGS_MAX: u32 = 1;
/// Longest wait for a client that does not read.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// The socket.
pub(super) struct Wire {
    socket: WebSocket,
    stop: CancellationToken,
    unanswered: u32,
    has_spoken: bool,
    ping_at: Instant,
}

impl Wire {
    /// A socket that closes when `stop` is cancelled.
    pub(super) fn new(socket: WebSocket, stop: CancellationToken) -> Self {
        Self {
            socket,
            stop,
            unanswered: 0,
            has_spoken: false,
            ping_at: Instant::now() + PING_EVERY,
        }
    }

    /// The next text frame; `None` when the client is gone or to be let go. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Utf8Bytes> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.close(close_code::AWAY, "the gateway is stopping").await;
                    return None;
                }
                message = self.socket.recv() => {
                    self.unanswered = 0;
                    self.ping_at = Instant::now() + PING_EVERY;
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            self.has_spoken = true;
                            return Some(text);
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Binary(_))) => {
                            self.close(close_code::UNSUPPORTED, "text frames only").await;
                            return None;
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    }
                }
                () = sleep_until(self.ping_at) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> Option<()> {
        let allowed = match self.has_spoken {
            true => UNANSWERED_MAX,
            false => UNKNOWN_PINGS_MAX,
        };
        if self.unanswered >= allowed {
            return None;
        }
        // Whoever does not speak does not stay by answering pings alone.
        self.unanswered += 1;
        self.ping_at = Instant::now() + PING_EVERY;
        self.send(Message::Ping(Bytes::new())).await.then_some(())
    }

    /// Writes a frame. `false` if the client does not take it.
    pub(super) async fn write(&mut self, frame: &Value) -> bool {
        self.send(Message::Text(frame.to_string().into())).await
    }

    /// Writes the last frame and closes.
    pub(super) async fn end(&mut self, frame: &Value) {
        if self.write(frame).await {
            self.close(close_code::NORMAL, "").await;
        }
    }

    /// Writes the last frame and closes, because what the connection was allowed by has ended.
    pub(super) async fn cut(&mut self, frame: &Value, why: Ended) {
        if self.write(frame).await {
            self.close(close_code::POLICY, why.reason()).await;
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let reason = reason.into();
        // Whoever does not read the last word is gone anyway.
        self.send(Message::Close(Some(CloseFrame { code, reason })))
            .await;
    }

    async fn send(&mut self, message: Message) -> bool {
        let sent = timeout(WRITE_STALL, self.socket.send(message)).await;
        matches!(sent, Ok(Ok(())))
    }
}
