//! What an answer leaves unread of its request's body: a little of it is read after all, so that the connection can go
//! on; of more the connection is closed, and says so (RFC 9112, 9.3 and 9.6).
//! Looks at no byte of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// Bytes of a body that are read for nobody but the next request.
pub(super) const LEFTOVER_BYTES_MAX: u64 = 64 * 1024;
/// Longest wait for them.
pub(super) const LEFTOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// A body that comes back if whoever has it does not read it to its end.
pub(super) struct Lent {
    body: Option<Incoming>,
    back: Arc<Mutex<Option<Incoming>>>,
}

/// Where it comes back.
pub(super) struct Lender(Arc<Mutex<Option<Incoming>>>);

/// Lends a body.
pub(super) fn lend(body: Incoming) -> (Lent, Lender) {
    let back = Arc::default();
    let lent = Lent {
        body: Some(body),
        back: Arc::clone(&back),
    };
    (lent, Lender(back))
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl Lender {
    /// Whether nothing was left.
    pub(super) fn is_settled(&self) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.is_none()
    }

    /// Reads what was left, if that is little and comes soon. `false` if the connection cannot go on.
    pub(super) async fn settle(self) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else {
            // Read to its end, or still being read while the answer is written.
            return true;
        };
        if body.size_hint().lower() > LEFTOVER_BYTES_MAX {
            return false;
        }
        let reading = async {
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if bytes > LEFTOVER_BYTES_MAX {
                    return false;
                }
            }
            true
        };
        timeout(LEFTOVER_TIMEOUT, reading).await.unwrap_or(false)
    }
}
