//! What a client hears for whom there is no place: a whole answer, and when to come again.
//! Reads nothing of what it wants.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Clients that are told at once; further ones are hung up on.
pub(super) const TURNED_AWAY_MAX: usize = 32;
/// Longest time that is spent on one.
const TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes that are read of what a client sends, so that it gets to read the answer.
const HEARD_BYTES_MAX: usize = 64 * 1024;
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\
content-type: application/json\r\ncontent-length: 37\r\n\r\n{\"detail\":\"Temporarily unavailable.\"}";

/// Who tells them.
#[derive(Debug, Clone)]
pub(super) struct Porter(Arc<Semaphore>);

impl Default for Porter {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TURNED_AWAY_MAX)))
    }
}

impl Porter {
    /// Tells a client that there is no place, if there are not too many to be told.
    pub(super) async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        let Ok(_place) = self.0.try_acquire() else {
            return;
        };
        let telling = async {
            stream.write_all(ANSWER).await.ok()?;
            stream.shutdown().await.ok()?;
            let mut heard = [0; 1024];
            let mut left = HEARD_BYTES_MAX;
            while left > 0 {
                match stream.read(&mut heard).await.ok()? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            Some(())
        };
        // Whether it was heard is the client's affair.
        let _ = timeout(TIME_MAX, telling).await;
    }
}
