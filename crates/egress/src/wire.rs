//! One TCP connection that counts against the limit of open ones.
//! It must never be made anywhere but in `connect`, after the address was checked.
#![expect(clippy::disallowed_types, reason = "this is the module that dials")]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// Longest wait for the first byte that is sent. The pool keeps a connection that came too late for its request, and
/// a server that nobody spoke to on it can neither answer nor, if it is being stopped, end.
const UNUSED_TIME: Duration = Duration::from_secs(5);

/// A connection to an address that the policy allows.
#[derive(Debug)]
pub struct Wire {
    tcp: TcpStream,
    /// Runs until something is sent.
    unused: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Wire {
    pub(super) fn new(tcp: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            tcp,
            unused: Some(Box::pin(sleep(UNUSED_TIME))),
            _place: place,
        }
    }

    /// One on which the server speaks first, so that a late word of ours says nothing.
    pub(super) fn greeted(tcp: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self {
            tcp,
            unused: None,
            _place: place,
        }
    }

    fn is_given_up(&mut self, cx: &mut Context<'_>) -> bool {
        self.unused
            .as_mut()
            .is_some_and(|unused| unused.as_mut().poll(cx).is_ready())
    }
}

impl Connection for Wire {
    // Without the addresses that hyper-util's own connector copies into every response.
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        // As if the server had hung up: nothing that was sent is lost.
        if read.is_pending() && self.is_given_up(cx) {
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unused = None;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unused = None;
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    /// A connection, and the end that says nothing.
    async fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (far, _) = listener.accept().await.unwrap();
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        tokio::time::pause();
        (Wire::new(near.unwrap(), place), far)
    }

    #[tokio::test]
    async fn a_connection_that_nothing_was_sent_on_is_given_up() {
        let (mut wire, _far) = pair().await;
        let read = timeout(2 * UNUSED_TIME, wire.read(&mut [0; 8])).await;
        assert_eq!(read.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_something_was_sent_on_is_not() {
        let (mut wire, _far) = pair().await;
        wire.write_all(b"GET").await.unwrap();
        let read = timeout(2 * UNUSED_TIME, wire.read(&mut [0; 8])).await;
        assert!(read.is_err(), "{read:?}");
    }
}
