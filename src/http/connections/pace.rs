//! How slowly a client may send a request's head and read its answers.
//! A connection that waits between two requests is not slow.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Longest time from the first byte of a request to the end of its headers.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the next request on a connection that is kept open; longer than the minute for which usual
/// proxies keep theirs, so that none sends a request into a connection that is being closed.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest wait for a client that does not read.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(30);
/// How long a client of whose request not everything was read is still listened to, so that it gets to read the answer:
/// a socket that is closed with bytes unread takes its last words back (RFC 9112, 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// Bytes that are read meanwhile, for nobody.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of these at once.
const LINGER_PIECE_BYTES: usize = 8 * 1024;

/// Nothing of the next request has come.
const NOTHING_YET: u64 = u64::MAX;

/// When the head came that is being waited for: what the connection's timer and its stream share.
#[derive(Debug)]
pub(super) struct Pace {
    opened: Instant,
    /// Milliseconds from the opening to the first byte, or the mark.
    head_began: AtomicU64,
    /// Milliseconds from the opening to when the next request was first waited for.
    awaited_since: AtomicU64,
    /// Whether something of a request is left unread for good.
    leaves_unread: AtomicBool,
}

impl Pace {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(0)
    }

    pub(super) fn read_something(&self) {
        if self.head_began.load(Ordering::Relaxed) == NOTHING_YET {
            self.head_began.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    pub(super) fn await_head(&self) {
        self.awaited_since.store(self.now_ms(), Ordering::Relaxed);
        self.head_began.store(NOTHING_YET, Ordering::Relaxed);
    }

    /// Since when nothing of a next request has come; `None` while there is one.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let after = self.awaited_since.load(Ordering::Relaxed);
        let waits = self.head_began.load(Ordering::Relaxed) == NOTHING_YET;
        waits.then(|| self.opened + Duration::from_millis(after))
    }

    /// What the client sends from here on is read by nobody.
    pub(super) fn leave_unread(&self) {
        self.leaves_unread.store(true, Ordering::Relaxed);
    }

    fn head_began(&self) -> Option<Instant> {
        match self.head_began.load(Ordering::Relaxed) {
            NOTHING_YET => None,
            after => Some(self.opened + Duration::from_millis(after)),
        }
    }
}

/// A client's byte stream, whose reads are noted and whose writes may not stall.
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    stalled: Option<Pin<Box<tokio::time::Sleep>>>,
    lingering: Option<Pin<Box<tokio::time::Sleep>>>,
    lingered_bytes: usize,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<Pace>) {
        let pace = Arc::new(Pace {
            opened: Instant::now(),
            // Who has just come waits too, until there is something of a request.
            head_began: AtomicU64::new(NOTHING_YET),
            awaited_since: AtomicU64::new(0),
            leaves_unread: AtomicBool::new(false),
        });
        let paced = Self {
            stream,
            pace: pace.clone(),
            stalled: None,
            lingering: None,
            lingered_bytes: 0,
        };
        (paced, pace)
    }

    fn bounded<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_STALL)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        )))
    }
}

impl<S: AsyncRead + Unpin> Paced<S> {
    /// Reads what still comes until the client has closed its side, or it was long enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let over = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut piece = [0; LINGER_PIECE_BYTES];
        while self.lingered_bytes < LINGER_BYTES_MAX {
            let mut into = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into)) {
                Ok(()) if !into.filled().is_empty() => self.lingered_bytes += into.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.pace.read_something();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.bounded(cx, shut))?;
        }
        if self.pace.leaves_unread.load(Ordering::Relaxed) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// The timer of a connection. hyper asks it for one thing: how long to wait for the head of the next request, and
/// begins to wait when the one before is answered; the time runs from the first byte only.
#[derive(Debug, Clone)]
pub(super) struct HeadTimer {
    pace: Arc<Pace>,
}

impl HeadTimer {
    pub(super) fn new(pace: Arc<Pace>) -> Self {
        Self { pace }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.pace.await_head();
        Box::pin(HeadWait {
            pace: self.pace.clone(),
            sleep: Box::pin(tokio::time::sleep(IDLE_TIMEOUT)),
            has_begun: false,
        })
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(HEAD_TIMEOUT)
    }
}

/// Ends when the head did not come in time.
struct HeadWait {
    pace: Arc<Pace>,
    sleep: Pin<Box<tokio::time::Sleep>>,
    has_begun: bool,
}

impl Sleep for HeadWait {}

impl Future for HeadWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun
            && let Some(began) = self.pace.head_began()
        {
            self.has_begun = true;
            self.sleep.as_mut().reset(began + HEAD_TIMEOUT);
        }
        self.sleep.as_mut().poll(cx)
    }
}
