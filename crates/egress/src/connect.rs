//! A connection to an address that was checked: resolve, check every answer, dial those very addresses.
//! It must never dial a name, read a proxy variable, or keep an answer of the resolver for later.
#![expect(clippy::disallowed_types, reason = "this is the module that dials")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::failure::Failure;
use super::policy::{ADDRESSES_MAX, Place, Policy};
use super::refused::Reason;
use super::resolver::Resolver;
use super::wire::Wire;
use base::descriptors::{self, Shares};

/// Longest wait for the resolver.
pub const RESOLVE_DEADLINE: Duration = Duration::from_secs(5);

/// Longest wait for a connection: resolving, dialling every address and TLS together.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Most outgoing connections, idle ones included, if the descriptors suffice.
pub const CONNECTIONS_MAX: usize = 4096;

/// A connection, with or without TLS.
pub(super) type Stream = MaybeHttpsStream<TokioIo<Wire>>;

/// Makes connections for the pool, for WebSockets and to the mail server.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dial>,
    guard: Arc<Guard>,
    tls: Arc<ClientConfig>,
}

/// How many of the process's file descriptors go out.
fn share() -> usize {
    let needed = Shares {
        clients: 0,
        upstreams: CONNECTIONS_MAX,
    };
    Shares::of(descriptors::limit(), needed).upstreams
}

impl Connector {
    pub(super) fn new(policy: Arc<Policy>, resolver: Arc<dyn Resolver>, tls: ClientConfig) -> Self {
        let guard = Arc::new(Guard {
            policy,
            resolver,
            free: Arc::new(Semaphore::new(share())),
        });
        let dial = Dial {
            guard: Arc::clone(&guard),
        };
        let mut bare = tls.clone();
        bare.alpn_protocols.clear();
        Self {
            https: HttpsConnector::from((dial, tls)),
            guard,
            tls: Arc::new(bare),
        }
    }

    /// A connection to a place on which the other side speaks first. `is_secure`: TLS begins before any secret is said.
    pub(super) async fn dial_greeter(
        &self,
        place: Place,
        port: u16,
        is_secure: bool,
    ) -> Result<Wire, Failure> {
        let (tcp, permit) = self.guard.dial(place, port, is_secure).await?;
        Ok(Wire::greeted(tcp, permit))
    }

    /// TLS as in every outgoing connection, without a word about HTTP.
    pub(super) fn tls(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.tls))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Stream, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(CONNECT_DEADLINE, self.https.call(uri));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Failure::from_connector),
                Err(_) => Err(Failure::ConnectTimeout {
                    after: CONNECT_DEADLINE,
                }),
            }
        })
    }
}

/// The TCP half of [`Connector`].
#[derive(Clone)]
struct Dial {
    guard: Arc<Guard>,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Wire>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<TokioIo<Wire>, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        Box::pin(async move { guard.connect(&uri).await })
    }
}

/// What stands between a URI and a socket.
struct Guard {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolver>,
    free: Arc<Semaphore>,
}

impl Guard {
    async fn connect(&self, uri: &Uri) -> Result<TokioIo<Wire>, Failure> {
        let (place, port) = self.policy.check_uri(uri)?;
        let is_secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let (tcp, permit) = self.dial(place, port, is_secure).await?;
        Ok(TokioIo::new(Wire::new(tcp, permit)))
    }

    async fn dial(
        &self,
        place: Place,
        port: u16,
        is_secure: bool,
    ) -> Result<(TcpStream, OwnedSemaphorePermit), Failure> {
        let addresses = self.addresses(place).await?;
        for address in &addresses {
            self.policy.check_address(*address, is_secure)?;
        }
        let free = Arc::clone(&self.free);
        let permit = free
            .acquire_owned()
            .await
            .map_err(|error| Failure::Connect(Arc::new(error)))?;
        Ok((dial(&addresses, port).await?, permit))
    }

    async fn addresses(&self, place: Place) -> Result<Vec<IpAddr>, Failure> {
        let addresses = match place {
            Place::Address(address) => return Ok(vec![address]),
            Place::Localhost => return Ok(self.policy.localhost()),
            Place::Name(name) => timeout(RESOLVE_DEADLINE, self.resolver.resolve(&name)).await,
        };
        let addresses = addresses
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| Failure::Resolve(Arc::new(error)))?;
        match addresses.len() {
            0 => Err(Failure::Resolve(Arc::new(io::Error::from(
                io::ErrorKind::NotFound,
            )))),
            1..=ADDRESSES_MAX => Ok(addresses),
            _ => Err(Reason::TooManyAddresses { max: ADDRESSES_MAX }.into()),
        }
    }
}

/// Dials the addresses in order, each within its share of the deadline.
async fn dial(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Failure> {
    let share = CONNECT_DEADLINE / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let to = SocketAddr::new(address.to_canonical(), port);
        match timeout(share, TcpStream::connect(to)).await {
            Ok(Ok(tcp)) => {
                tcp.set_nodelay(true)
                    .map_err(|error| Failure::Connect(Arc::new(error)))?;
                return Ok(tcp);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Failure::Connect(Arc::new(last)))
}
