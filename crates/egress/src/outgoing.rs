//! The body of a request, which notices when a connection begins to send it.
//! It must never stay quiet once the request could be on its way.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

/// Whether a connection has begun to send a request; one is made per call.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    /// Returns false only if no byte of the request was written.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A body in one piece.
///
/// The pool never looks at it. hyper's connection asks for its length before it writes the first byte of
/// the head (`poll_write` in hyper 1.12, `proto/h1/dispatch.rs`), so every question counts as a beginning.
pub(super) struct Outgoing {
    bytes: Full<Bytes>,
    begun: Begun,
}

impl Outgoing {
    pub(super) fn new(bytes: Bytes, begun: Begun) -> Self {
        Self {
            bytes: Full::new(bytes),
            begun,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.begun.set();
        Pin::new(&mut self.bytes).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.begun.set();
        self.bytes.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.begun.set();
        self.bytes.size_hint()
    }
}
