//! The body of an answer: read whole under a cap, or piece by piece.
//! It must never hold more bytes than it was allowed, nor wait for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::failure::Failure;
use super::unpack::{Coding, Unpacker};

/// First allocation for a body of several pieces, in bytes, whatever length the server announces.
const FIRST_BYTES_MAX: u64 = 256 * 1024;

/// The body of an answer, not yet read.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    idle: Idle,
    unpacker: Option<Box<Unpacker>>,
    unknown_encoding: Option<Box<str>>,
}

impl Body {
    pub(super) fn new(incoming: Incoming, coding: Coding, idle: Duration) -> Self {
        Self {
            incoming,
            idle: Idle {
                after: idle,
                timer: None,
                is_waiting: false,
            },
            unpacker: coding.unpacker,
            unknown_encoding: coding.unknown,
        }
    }

    /// An encoding that the answer names and nobody knows; the body is given as it comes.
    pub fn unknown_encoding(&self) -> Option<&str> {
        self.unknown_encoding.as_deref()
    }

    /// Reads the whole body; one that came in one piece is not copied.
    ///
    /// # Errors
    /// `TooLarge` beyond `max_bytes`, at once if the server announces more; `BodyTimeout` after
    /// `deadline`; `IdleTimeout`; `Closed`.
    pub async fn read_to_end(self, max_bytes: u64, deadline: Duration) -> Result<Bytes, Failure> {
        timeout(deadline, self.collect(max_bytes))
            .await
            .unwrap_or(Err(Failure::BodyTimeout { after: deadline }))
    }

    /// Returns the pieces as they come, at most `max_bytes` in total.
    pub(crate) fn capped(self, max_bytes: u64) -> CappedBody {
        CappedBody {
            body: self,
            left: Some(max_bytes),
            max_bytes,
        }
    }

    pub(super) fn set_idle(&mut self, after: Duration) {
        self.idle.after = after;
        self.idle.is_waiting = false;
    }

    async fn collect(self, max_bytes: u64) -> Result<Bytes, Failure> {
        let announced = self.incoming.size_hint().lower();
        if announced > max_bytes {
            return Err(Failure::TooLarge { max_bytes });
        }
        let is_packed = self.unpacker.is_some();
        let mut pieces = self.capped(max_bytes);
        let first = pieces.next().await.transpose()?.unwrap_or_default();
        if pieces.body.incoming.is_end_stream() && !is_packed {
            return Ok(first);
        }
        let Some(second) = pieces.next().await.transpose()? else {
            return Ok(first);
        };
        let capacity = usize::try_from(announced.min(FIRST_BYTES_MAX)).unwrap_or(0);
        let mut whole = BytesMut::with_capacity(capacity.max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(piece) = pieces.next().await.transpose()? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Returns the next piece, unpacked; trailers are dropped.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        let Some(mut unpacker) = self.unpacker.take() else {
            return self.poll_as_it_comes(cx);
        };
        let polled = self.poll_unpacked(&mut unpacker, cx);
        self.unpacker = Some(unpacker);
        polled
    }

    fn poll_unpacked(
        &mut self,
        unpacker: &mut Unpacker,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            if let Some(unpacked) = unpacker.next().transpose() {
                return Poll::Ready(Some(unpacked));
            }
            match ready!(self.poll_as_it_comes(cx)) {
                Some(Ok(piece)) => unpacker.push(piece),
                None => return Poll::Ready(unpacker.finish().transpose()),
                failed => return Poll::Ready(failed),
            }
        }
    }

    fn poll_as_it_comes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                ready!(self.idle.poll_elapsed(cx));
                return Poll::Ready(Some(Err(Failure::IdleTimeout {
                    after: self.idle.after,
                })));
            };
            self.idle.is_waiting = false;
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(Failure::Closed(Arc::new(error)))));
                }
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
            }
        }
    }
}

/// A timer that is armed only while nothing comes, so that a quick answer never makes one.
#[derive(Debug)]
struct Idle {
    after: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Idle {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep(self.after)));
        if !self.is_waiting {
            self.is_waiting = true;
            timer.as_mut().reset(Instant::now() + self.after);
        }
        timer.as_mut().poll(cx)
    }
}

/// The pieces of a body under a total cap; ends after the first failure.
#[derive(Debug)]
pub struct CappedBody {
    body: Body,
    left: Option<u64>,
    max_bytes: u64,
}

impl Stream for CappedBody {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(left) = self.left else {
            return Poll::Ready(None);
        };
        let piece = match ready!(self.body.poll_piece(cx)) {
            Some(Ok(piece)) => piece,
            end => {
                self.left = None;
                return Poll::Ready(end);
            }
        };
        self.left = left.checked_sub(piece.len() as u64);
        if self.left.is_none() {
            return Poll::Ready(Some(Err(Failure::TooLarge {
                max_bytes: self.max_bytes,
            })));
        }
        Poll::Ready(Some(Ok(piece)))
    }
}
