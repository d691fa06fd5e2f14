//! Connections of clients: accepted within bounds, served over HTTP/1.1, cut off when they stall, drained at the end.
//! Looks at no request; what answers is given.

mod leftover;
mod pace;
mod seats;
mod turned_away;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use base::descriptors::{self, Shares};
use leftover::lend;
use pace::{HEAD_TIMEOUT, HeadTimer, Pace, Paced};
pub use seats::CONNECTIONS_MAX;
use seats::Seats;
use turned_away::Porter;

/// Largest request line and headers, in bytes; more is answered with 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Wait before the next connection is accepted when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How often it is said that connections are refused.
const COMPLAINT_EVERY: Duration = Duration::from_secs(60);
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Serves every connection until it is told to stop, then drains: returns once what is under way has finished.
/// Dropped before, it cuts them off. Proxies that are trusted may open as many connections as there are in all.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    trusted: Vec<IpNet>,
    stop: CancellationToken,
) {
    let seats = Seats::new(trusted, shares().clients);
    let (porter, mut complaint) = (Porter::default(), Seldom::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client gave up before it was accepted.
            Err(error) if is_of_client(&error) => continue,
            Err(error) => {
                if complaint.is_due() {
                    tracing::error!(%error, "no connection can be accepted for now");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without TCP_NODELAY every answer of several writes waits 40 ms for Nagle
        // (docs/inside/decisions.md#tcp_nodelay).
        let _ = stream.set_nodelay(true);
        let (paced, pace) = Paced::new(stream);
        let Some(seat) = Seats::take(&seats, peer.ip(), &pace) else {
            if complaint.is_due() {
                tracing::warn!(%peer, "refused a client: the limit of connections is reached, and all are in use");
            }
            connections.spawn(porter.clone().turn_away(paced));
            continue;
        };
        let ends = (stop.clone(), seat.leave.clone());
        let connection = converse((paced, pace), peer, router.clone(), ends);
        connections.spawn(async move {
            connection.await;
            drop(seat);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Whose the file descriptors of this process are.
fn shares() -> Shares {
    let needed = Shares {
        clients: CONNECTIONS_MAX,
        upstreams: egress::CONNECTIONS_MAX,
    };
    Shares::of(descriptors::limit(), needed)
}

/// When something was last complained of that may happen many times a second.
#[derive(Debug, Default)]
struct Seldom(Option<Instant>);

impl Seldom {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|last| now - last >= COMPLAINT_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

fn is_of_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves one connection until either side ends it, the process stops or its place is needed.
async fn converse<S>(
    (stream, pace): (Paced<S>, Arc<Pace>),
    peer: SocketAddr,
    router: Router,
    (stop, leave): (CancellationToken, CancellationToken),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let timer = HeadTimer::new(pace.clone());
    let answer = service_fn(move |request: Request<Incoming>| {
        let answered = answer(router.clone(), request, peer, pace.clone());
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = Box::pin(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = either(&stop, &leave) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

async fn either(stop: &CancellationToken, leave: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = leave.cancelled() => {}
    }
}

/// Answers one request. What was not read of it is settled before the answer leaves.
async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    pace: Arc<Pace>,
) -> Response {
    // Who waits to be told to go on has sent nothing yet, and is told to go.
    let waits = request.headers().contains_key(EXPECT);
    let (mut request, lender) = match request.body().is_end_stream() {
        true => (request.map(Body::new), None),
        false => {
            let (head, body) = request.into_parts();
            let (lent, lender) = lend(body);
            (Request::from_parts(head, Body::new(lent)), Some(lender))
        }
    };
    request.extensions_mut().insert(ConnectInfo(peer));
    let answered: Result<Response, Infallible> = router.call(request).await;
    let mut response = answered.unwrap_or_else(|never| match never {});
    let goes_on = match lender {
        None => true,
        Some(lender) if waits => lender.is_settled(),
        Some(lender) => lender.settle().await,
    };
    if !goes_on {
        response.headers_mut().insert(CONNECTION, CLOSE);
        pace.leave_unread();
    }
    response
}

#[cfg(test)]
mod connections_tests;
