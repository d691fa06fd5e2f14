//! A listener that writes down what it receives and answers with given bytes.
#![expect(clippy::disallowed_types, reason = "the far end of a connection")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens after the bytes of an answer.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Then {
    Stay,
    Close,
}

pub(super) struct Listener {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Listener {
    /// Answers every request with `answer`.
    pub(super) async fn answering(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        let answer = answer.into();
        let (listener, socket) = Self::bind().await;
        let received = listener.received_by();
        tokio::spawn(async move {
            while let Some(stream) = socket.accept().await {
                tokio::spawn(converse(
                    stream,
                    answer.clone(),
                    then,
                    Arc::clone(&received),
                ));
            }
        });
        listener
    }

    /// Binds a free port; the caller accepts.
    pub(super) async fn bind() -> (Self, Socket) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = Self {
            address: socket.local_addr().unwrap(),
            accepted: Arc::default(),
            received: Arc::default(),
        };
        let accepted = Arc::clone(&listener.accepted);
        (listener, Socket { socket, accepted })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Returns how many connections were made.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn received_by(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.received)
    }

    /// Returns the bytes of all requests.
    pub(super) fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

/// The accepting end of a [`Listener`].
pub(super) struct Socket {
    socket: TcpListener,
    accepted: Arc<AtomicUsize>,
}

impl Socket {
    /// Returns the next connection, counted.
    pub(super) async fn accept(&self) -> Option<TcpStream> {
        let (stream, _) = self.socket.accept().await.ok()?;
        self.accepted.fetch_add(1, Ordering::SeqCst);
        Some(stream)
    }
}

/// Reads requests until the peer leaves, and answers each.
pub(super) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Vec<u8>,
    then: Then,
    received: Arc<Mutex<Vec<u8>>>,
) {
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer).await {
        received.lock().unwrap().extend_from_slice(&buffer[..read]);
        if read == 0 || stream.write_all(&answer).await.is_err() || then == Then::Close {
            break;
        }
    }
    let _ = stream.shutdown().await;
}
