//! Connections of clients: accepted within bounds, served over HTTP/1.1, cut off when they stall, drained at the end.
//! Looks at no request; what answers is given.

mod pace;
mod seats;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use pace::{HEAD_TIMEOUT, HeadTimer, Paced};
use seats::Seats;

/// Largest request line and headers, in bytes; more is answered with 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Wait before the next connection is accepted when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves every connection until it is told to stop, then drains: returns once what is under way has finished.
/// Dropped before, it cuts them off. Proxies that are trusted may open as many connections as there are in all.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    trusted: Vec<IpNet>,
    stop: CancellationToken,
) {
    let seats = Seats::new(trusted);
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
                tracing::error!(%error, "no connection can be accepted for now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = Seats::take(&seats, peer.ip()) else {
            tracing::debug!(%peer, "refused a connection: there are too many");
            continue;
        };
        // Without TCP_NODELAY every answer of several writes waits 40 ms for Nagle (design.md D3).
        let _ = stream.set_nodelay(true);
        let connection = converse(stream, peer, router.clone(), stop.clone());
        connections.spawn(async move {
            connection.await;
            drop(seat);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn is_of_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves one connection until either side ends it.
async fn converse<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answered: Result<Response, Infallible> = router.call(request).await;
            answered
        }
    });
    let (paced, pace) = Paced::new(stream);
    let connection = http1::Builder::new()
        .timer(HeadTimer::new(pace))
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(paced), answer)
        .with_upgrades();
    let mut connection = Box::pin(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

#[cfg(test)]
mod connections_tests;
