//! Takes TCP connections and serves HTTP/1.1 on each until it ends or is ended.
//! Must never let a connection outlive the upstream.

use std::convert::Infallible;
use std::sync::Arc;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ill::Ill;
use crate::state::App;

/// Ends the TCP connection that a request came on, at once.
#[derive(Clone)]
pub(super) struct Plug(CancellationToken);

impl Plug {
    /// Pulls the plug; no response will ever be sent.
    pub(super) async fn pull(&self) -> Infallible {
        self.0.cancel();
        std::future::pending().await
    }
}

/// Accepts connections until the upstream is stopped.
pub(crate) async fn accept(app: Arc<App>, listener: TcpListener) {
    let router = super::router(&app);
    loop {
        let accepted = tokio::select! {
            () = app.stopped.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // A connection that was gone before it was accepted is nobody's trouble.
        let Ok((stream, _)) = accepted else { continue };
        // Else every answer in two pieces waits 40 ms for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        app.tasks.spawn(serve(app.clone(), router.clone(), stream));
    }
}

async fn serve<S>(app: Arc<App>, router: Router, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _counted = app.count_connection();
    if app.ill() == Some(Ill::HangOnConnect) && app.strike("connect").is_some() {
        app.stopped.cancelled().await;
        drop(stream);
        return;
    }
    let unplugged = app.stopped.child_token();
    let service = TowerToHyperService::new(router.layer(Extension(Plug(unplugged.clone()))));
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        () = unplugged.cancelled() => {}
        // Ends in an error when the client breaks off or an illness breaks the body.
        _ = connection => {}
    }
}
