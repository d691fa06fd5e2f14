//! HTTP requests over pooled, checked connections.
//! It must never follow a redirect, keep a cookie, or ask for a compressed answer.
#![expect(clippy::disallowed_types, reason = "this is the module that dials")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::body::Body;
use super::connect::Connector;
use super::destination::Destination;
use super::failure::Failure;
use super::outgoing::{Begun, Outgoing};
use super::policy::Policy;
use super::refused::Refused;
use super::resolver::{Resolver, SystemResolver};
use super::tls::{SetupError, client_config};
use super::unpack::Coding;

/// Most idle connections kept to one origin (and pool).
pub const IDLE_CONNECTIONS_MAX: usize = 128;

/// How long an idle connection is kept; common load balancers drop theirs after 60 s.
pub const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(55);

/// Longest head of an answer, in bytes; hyper also refuses more than 100 headers.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Headers that belong to the connection; whoever set them, they are taken out.
const CONNECTION_HEADERS: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
];

/// How long one answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest wait from the call to the headers of the answer, connecting included.
    pub headers: Duration,
    /// Longest silence in the middle of the answer.
    pub idle: Duration,
}

/// The way out: a pool of checked connections. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolver>,
    connector: Connector,
    client: Client<Connector, Outgoing>,
}

impl Egress {
    /// Returns a way out that asks the system's resolver.
    ///
    /// # Errors
    /// If the operator's root certificates cannot be used.
    pub fn new(policy: Policy) -> Result<Self, SetupError> {
        Self::with_resolver(policy, Arc::new(SystemResolver::default()))
    }

    /// Returns a way out that asks `resolver` for names; its answers are checked like any other.
    ///
    /// # Errors
    /// If the operator's root certificates cannot be used.
    pub(crate) fn with_resolver(
        policy: Policy,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, SetupError> {
        let tls = client_config(&policy)?;
        let policy = Arc::new(policy);
        let connector = Connector::new(Arc::clone(&policy), Arc::clone(&resolver), tls);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                policy,
                resolver,
                connector,
                client,
            }),
        })
    }

    /// Returns what may be dialled.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Checks the text of a URL; see [`Policy::check_url`].
    ///
    /// # Errors
    /// If the policy closes it.
    pub fn check_url(&self, text: &str) -> Result<Destination, Refused> {
        self.inner.policy.check_url(text)
    }

    /// Sends a request whose URI comes from [`Destination::uri`] and returns the answer's head.
    ///
    /// The policy is applied when a connection is made, not per call. Host and the headers of the
    /// connection are ours. Statuses from 400 are answers, not failures.
    ///
    /// # Errors
    /// Any [`Failure`]; a redirect is among them.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        limits: &Limits,
    ) -> Result<Response<Body>, Failure> {
        let begun = Begun::default();
        let mut request = request.map(|bytes| Outgoing::new(bytes, begun.clone()));
        own_headers(request.headers_mut());
        let answer = match timeout(limits.headers, self.inner.client.request(request)).await {
            Ok(answer) => answer.map_err(|error| Failure::from_client(error, begun.get()))?,
            Err(_) if begun.get() => {
                return Err(Failure::HeadersTimeout {
                    after: limits.headers,
                });
            }
            Err(_) => {
                return Err(Failure::ConnectTimeout {
                    after: limits.headers,
                });
            }
        };
        if answer.status().is_redirection() {
            return Err(Failure::Redirected {
                status: answer.status(),
            });
        }
        let coding = Coding::of(answer.headers())?;
        Ok(answer.map(|incoming| Body::new(incoming, coding, limits.idle)))
    }

    pub(super) fn resolver(&self) -> &dyn Resolver {
        &*self.inner.resolver
    }

    pub(super) fn connector(&self) -> Connector {
        self.inner.connector.clone()
    }
}

/// Takes out what the connection decides and asks for a plain answer.
pub(super) fn own_headers(headers: &mut HeaderMap) {
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
}
