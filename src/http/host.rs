//! `Host` and `Origin`, before anything else is looked at: what a browser on another site must not get past
//! (docs/inside/threats.md#endpoints, DNS rebinding), and what RFC 9112 says of the host of a request (3.2).
//! Knows nothing of who calls.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version};
use tokio::time::Instant;

use super::surface::Surface;
use crate::config::Config;

/// Hosts that mean this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// Where a browser's cookie or its place in a network may do something by a mere GET or handshake: here `Origin` counts
/// for every method, elsewhere for those that change something.
const GUARDED: [&str; 6] = [
    "/mcp/",
    "/ws/",
    "/sign-in",
    "/sign-out",
    "/connect/",
    "/connections",
];
/// Whoever restarts us, or sends us requests, knows our address and perhaps not our name.
const HEALTH: &str = "/health/";
/// How often it is said that a host was refused.
const COMPLAINT_EVERY: Duration = Duration::from_secs(60);
/// Characters of a refused host in the log.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// Who is let in.
#[derive(Debug, Clone)]
pub(super) struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hosts: Vec<String>,
    origins: Vec<String>,
    /// The scheme under which clients reach us at a name that is not loopback.
    scheme: &'static str,
    complained: Mutex<Option<Instant>>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    /// It names no host, or two, or what is none.
    NoHost,
    /// It is for somebody else.
    OtherHost(String),
    /// A page of another site sent it.
    Origin,
}

impl Refused {
    fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoHost => (
                StatusCode::BAD_REQUEST,
                "A request names its host once, as a name or an address.",
            ),
            Self::OtherHost(_) => (
                StatusCode::MISDIRECTED_REQUEST,
                "This is not a host that the gateway answers for. Its operator names them with --public-url and --allow-host.",
            ),
            Self::Origin => (
                StatusCode::FORBIDDEN,
                "Pages of this origin may not call. The operator names those that may with --allow-origin.",
            ),
        }
    }
}

/// Middleware: lets in what is for us, from where it may come.
pub(super) async fn check(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    match door.admit(&mut request) {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            door.complain(&refused);
            let (status, text) = refused.answer();
            Surface::of(&request).refusal(status, text)
        }
    }
}

impl Door {
    /// The door of a gateway with these settings.
    pub(super) fn new(config: &Config) -> Self {
        let public = config.public_url.as_deref();
        let public = public.and_then(|url| url::Url::parse(url).ok());
        let public_host = public.as_ref().and_then(|url| url.host_str());
        let address = config.addr.ip();
        let own = (!address.is_unspecified()).then(|| match address {
            IpAddr::V4(_) => address.to_string(),
            IpAddr::V6(_) => format!("[{address}]"),
        });
        let named = config.allow_host.iter().map(String::as_str);
        let hosts = LOOPBACK.into_iter().chain(named).chain(public_host);
        let origins = config.allow_origin.iter();
        Self(Arc::new(Inner {
            hosts: hosts.map(str::to_ascii_lowercase).chain(own).collect(),
            origins: origins
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
            scheme: match public.as_ref().map(url::Url::scheme) {
                Some("https") => "https",
                _ => "http",
            },
            complained: Mutex::default(),
        }))
    }

    fn admit(&self, request: &mut Request) -> Result<(), Refused> {
        let path = request.uri().path();
        let is_health = path.starts_with(HEALTH);
        let host = host_of(request.version(), request.uri(), request.headers())?;
        let Some(host) = host else {
            // HTTP/1.0 needs none, and some balancers ask so whether we are well.
            return if is_health {
                Ok(())
            } else {
                Err(Refused::NoHost)
            };
        };
        let is_address = is_health && {
            host.host()
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok()
        };
        if !is_address && !self.is_ours(host.host()) {
            return Err(Refused::OtherHost(host.as_str().to_owned()));
        }
        let is_guarded = GUARDED.iter().any(|guarded| path.starts_with(guarded));
        if is_guarded || !request.method().is_safe() {
            self.check_origin(request.headers(), &host)?;
        }
        if request.uri().authority().is_some()
            && let Ok(value) = HeaderValue::try_from(host.as_str())
        {
            // What a request is for stands in its target; the header is not looked at (RFC 9112, 3.2.2).
            request.headers_mut().insert(HOST, value);
        }
        Ok(())
    }

    fn is_ours(&self, host: &str) -> bool {
        let mut hosts = self.0.hosts.iter();
        hosts.any(|ours| ours.eq_ignore_ascii_case(host))
    }

    fn check_origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Refused> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(());
        };
        let origin = origin.to_str().map_err(|_| Refused::Origin)?;
        let mut named = self.0.origins.iter();
        let may_call = named.any(|named| named.eq_ignore_ascii_case(origin))
            || self.is_same_origin(origin, host);
        match origins.next() {
            None if may_call => Ok(()),
            _ => Err(Refused::Origin),
        }
    }

    /// Our own pages: the scheme of the public URL, else plain HTTP as we serve it.
    fn is_same_origin(&self, origin: &str, host: &Authority) -> bool {
        let is_loopback = LOOPBACK
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host.host()));
        let scheme = if is_loopback { "http" } else { self.0.scheme };
        origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"))
    }

    /// Says now and then what was refused, and which setting lets it in: to a proxy that passes another host on, all of
    /// its clients are strangers.
    fn complain(&self, refused: &Refused) {
        let Refused::OtherHost(host) = refused else {
            return;
        };
        let now = Instant::now();
        let mut complained = self
            .0
            .complained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complained.is_some_and(|last| now - last < COMPLAINT_EVERY) {
            return;
        }
        *complained = Some(now);
        let host: String = host.chars().take(SHOWN_CHARACTERS_MAX).collect();
        tracing::warn!(
            host,
            "a request was refused because of its Host; if clients reach the gateway by that name, say so with --public-url \
             or --allow-host, or have the proxy pass on the Host that they sent"
        );
    }
}

/// The host that a request is for. HTTP/1.0 may name none.
fn host_of(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Refused> {
    let mut hosts = headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host: Authority = host
                .to_str()
                .ok()
                .and_then(|host| host.parse().ok())
                .ok_or(Refused::NoHost)?;
            Some(host)
        }
        (None, _) if version < Version::HTTP_11 => None,
        _ => return Err(Refused::NoHost),
    };
    let host = uri.authority().cloned().or(named);
    let is_host = |host: &Authority| {
        let (text, name) = (host.as_str(), host.host());
        let port = text.strip_prefix(name).and_then(|rest| match rest {
            "" | ":" => Some(0),
            rest => rest.strip_prefix(':')?.parse::<u16>().ok(),
        });
        port.is_some() && !name.is_empty() && !text.contains(['@', '+'])
    };
    match host {
        Some(host) if !is_host(&host) => Err(Refused::NoHost),
        host => Ok(host),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Method;

    use super::*;

    fn door() -> Door {
        let settings = crate::config::Settings {
            public_url: Some("https://gateway.example".into()),
            allow_origin: vec!["https://app.example".into()],
            allow_host: vec!["Inner.example".into()],
            ..Default::default()
        };
        Door::new(&settings.resolve().unwrap())
    }

    fn admit(
        (version, method, target): (Version, Method, &str),
        headers: &[(&str, &str)],
    ) -> (u16, Option<String>) {
        let mut request = http::Request::builder()
            .version(version)
            .method(method)
            .uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let status = match door().admit(&mut request) {
            Ok(()) => 200,
            Err(refused) => refused.answer().0.as_u16(),
        };
        let host = request.headers().get(HOST);
        (status, host.map(|host| host.to_str().unwrap().to_owned()))
    }

    /// Every surface has its path here.
    const PATHS: [&str; 6] = [
        "/api/ai-mentor/orgs/acme/users/bob/mcp-servers/",
        "/mcp/v1/",
        "/verify/cert_1",
        "/connections/",
        "/ws/langflow/",
        "/nowhere",
    ];

    #[test]
    fn a_request_is_for_one_host_and_that_is_ours() {
        for path in PATHS.into_iter().chain(["/health/live"]) {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                for (hosts, status) in [
                    (&["localhost:8600"][..], 200),
                    (&["LOCALHOST"], 200),
                    (&["[::1]:8600"], 200),
                    (&["127.0.0.1"], 200),
                    (&["gateway.example:443"], 200),
                    (&["inner.example"], 200),
                    (&["evil.example"], 421),
                    (&["gateway.example.evil.example"], 421),
                    (&["gateway.example."], 421),
                    (&[], 400),
                    (&[""], 400),
                    (&["gateway.example", "gateway.example"], 400),
                    (&["gateway.example", "evil.example"], 400),
                    (&["evil.example@gateway.example"], 400),
                    (&["gateway.example@evil.example"], 400),
                    (&["gateway.example evil.example"], 400),
                    (&["gateway.example/evil"], 400),
                    (&["gateway.example:port"], 400),
                    (&["gateway.example:99999"], 400),
                    (&["http://gateway.example"], 400),
                    (&[":8600"], 400),
                ] {
                    let headers: Vec<(&str, &str)> =
                        hosts.iter().map(|host| ("host", *host)).collect();
                    let asked = (Version::HTTP_11, method.clone(), path);
                    assert_eq!(
                        admit(asked, &headers).0,
                        status,
                        "{method} {path} {hosts:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_the_target_says_counts_and_the_header_is_put_right() {
        let get = |target| (Version::HTTP_11, Method::GET, target);
        let evil = ("host", "evil.example");
        let ours = Some("gateway.example".to_owned());
        assert_eq!(
            admit(get("http://gateway.example/api/"), &[evil]),
            (200, ours)
        );
        assert_eq!(
            admit(get("http://evil.example/api/"), &[("host", "localhost")]).0,
            421
        );
        assert_eq!(admit(get("http://gateway.example/api/"), &[]).0, 400);
        assert_eq!(
            admit(get("http://gateway.example/api/"), &[evil, evil]).0,
            400
        );
        assert_eq!(admit(get("http://a@gateway.example/api/"), &[evil]).0, 400);
    }

    #[test]
    fn whoever_asks_for_our_health_may_know_an_address_only() {
        for (path, addressed, unnamed) in [("/health/ready", 200, 200), ("/api/", 421, 400)] {
            for host in ["10.1.2.3:8600", "[fd00::1]"] {
                let asked = (Version::HTTP_11, Method::GET, path);
                assert_eq!(
                    admit(asked, &[("host", host)]).0,
                    addressed,
                    "{path} {host}"
                );
            }
            let asked = (Version::HTTP_10, Method::GET, path);
            assert_eq!(admit(asked, &[]).0, unnamed, "{path}");
        }
    }

    #[test]
    fn a_page_of_another_site_changes_nothing_and_opens_nothing() {
        for (path, method, is_looked_at) in [
            ("/api/", Method::GET, false),
            ("/api/", Method::OPTIONS, false),
            ("/api/", Method::POST, true),
            ("/api/", Method::DELETE, true),
            ("/verify/cert_1", Method::GET, false),
            ("/mcp/v1/", Method::GET, true),
            ("/mcp/v1/", Method::OPTIONS, true),
            ("/ws/langflow/", Method::GET, true),
            ("/connections/", Method::GET, true),
            ("/connect/1", Method::POST, true),
        ] {
            for (host, origins, may_call) in [
                ("gateway.example", &["https://gateway.example"][..], true),
                ("gateway.example", &["https://app.example"], true),
                ("127.0.0.1:8600", &["http://127.0.0.1:8600"], true),
                ("gateway.example", &[], true),
                ("gateway.example", &["https://evil.example"], false),
                ("gateway.example", &["null"], false),
                ("gateway.example", &["http://gateway.example"], false),
                (
                    "gateway.example",
                    &["https://gateway.example.evil.example"],
                    false,
                ),
                (
                    "gateway.example",
                    &["https://app.example", "https://evil.example"],
                    false,
                ),
            ] {
                let mut headers = vec![("host", host)];
                headers.extend(origins.iter().map(|origin| ("origin", *origin)));
                let status = if may_call || !is_looked_at { 200 } else { 403 };
                let asked = (Version::HTTP_11, method.clone(), path);
                assert_eq!(
                    admit(asked, &headers).0,
                    status,
                    "{method} {path} {origins:?}"
                );
            }
        }
    }
}
