//! The least that a relay can do: check a key, put the upstream's credential in its place, pass bytes on.
//! What the gateway costs beyond it is the price of what the gateway does; it is a yardstick and no product.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::server::{Body, serve, whole};
use crate::upstream;

/// The key that it lets in.
pub const KEY: &str = "Bearer client-key";

/// What a relay has to read of a request to know where it goes.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    method: &'a str,
}

struct Floor {
    client: Client<HttpConnector, http_body_util::Full<hyper::body::Bytes>>,
    upstream: Authority,
    /// Whose key becomes which credential.
    credentials: HashMap<&'static [u8], HeaderValue>,
}

/// Relays to that address until the process ends.
pub async fn run(upstream: SocketAddr) -> io::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let floor = Arc::new(Floor {
        client: Client::builder(TokioExecutor::new()).build(connector),
        upstream: upstream.to_string().parse().map_err(io::Error::other)?,
        credentials: HashMap::from([(
            KEY.as_bytes(),
            HeaderValue::from_static(upstream::AUTHORIZATION),
        )]),
    });
    serve(move |request| relay(floor.clone(), request)).await
}

async fn relay(floor: Arc<Floor>, request: Request<Incoming>) -> Response<Body> {
    let refuse = |status| whole(status, "application/json", String::new());
    let (mut head, body) = request.into_parts();
    let key = head.headers.get(AUTHORIZATION);
    let Some(credential) = key.and_then(|key| floor.credentials.get(key.as_bytes())) else {
        return refuse(401);
    };
    let Ok(body) = body.collect().await else {
        return refuse(400);
    };
    let body = body.to_bytes();
    if serde_json::from_slice::<Envelope<'_>>(&body).is_ok_and(|message| message.method.is_empty())
    {
        return refuse(400);
    }
    head.headers.insert(AUTHORIZATION, credential.clone());
    head.headers.remove(HOST);
    let mut uri = head.uri.into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(floor.upstream.clone());
    head.uri = Uri::from_parts(uri).expect("scheme, authority and a path are a URI");
    match floor
        .client
        .request(Request::from_parts(head, body.into()))
        .await
    {
        Ok(response) => response.map(BodyExt::boxed),
        Err(_) => refuse(502),
    }
}
