//! What the upstream and the floor have in common: a hyper server on a free port of loopback.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

pub type Body = BoxBody<Bytes, hyper::Error>;

/// Serves until the process ends, and prints where.
pub async fn serve<F, A>(answer: F) -> io::Result<()>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    say(listener.local_addr()?);
    let connections = TaskTracker::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        connections.spawn(async move {
            // How a client leaves is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say(addr: SocketAddr) {
    println!("listening on http://{addr}");
}

/// An answer of one piece.
pub fn whole(status: u16, content_type: &'static str, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(body.boxed())
        .expect("a status and a constant header are valid")
}
