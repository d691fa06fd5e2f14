//! Host and Origin: what a browser on another site must not get past (threats.md I01, DNS rebinding).

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode, Uri};

use crate::config::Config;

/// Hosts that mean this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses a request whose `Host` is not ours (421) or whose `Origin` may not call us (403).
/// Runs before authentication and routing.
pub(in crate::http) fn host_and_origin(
    config: &Config,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), StatusCode> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), uri.authority()) {
        (Some(host), _) => host
            .to_str()
            .map_err(|_| StatusCode::MISDIRECTED_REQUEST)?
            .to_ascii_lowercase(),
        (None, Some(authority)) => authority.as_str().to_ascii_lowercase(),
        (None, None) => return Err(StatusCode::MISDIRECTED_REQUEST),
    };
    if hosts.next().is_some() || !is_ours(config, without_port(&host)) {
        return Err(StatusCode::MISDIRECTED_REQUEST);
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Ok(());
    };
    let origin = origin.to_str().map_err(|_| StatusCode::FORBIDDEN)?;
    let may_call = config
        .allow_origin
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin))
        || is_same_origin(config, origin, &host);
    if origins.next().is_some() || !may_call {
        Err(StatusCode::FORBIDDEN)
    } else {
        Ok(())
    }
}

fn is_ours(config: &Config, host: &str) -> bool {
    let is_public = || {
        let public = config
            .public_url
            .as_deref()
            .and_then(|url| url::Url::parse(url).ok());
        public.is_some_and(|url| url.host_str() == Some(host))
    };
    LOOPBACK.contains(&host)
        || config
            .allow_host
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
        || is_public()
        || !config.addr.ip().is_unspecified()
            && config.addr.ip().to_string() == host.trim_matches(['[', ']'])
}

/// Our own pages: the scheme of the public URL, else plain HTTP as we serve it.
fn is_same_origin(config: &Config, origin: &str, host: &str) -> bool {
    let scheme = match &config.public_url {
        Some(url) if url.starts_with("https://") && !LOOPBACK.contains(&without_port(host)) => {
            "https"
        }
        _ => "http",
    };
    origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)]) -> Result<(), StatusCode> {
        let settings = crate::config::Settings {
            public_url: Some("https://gateway.example".into()),
            allow_origin: vec!["https://app.example".into()],
            ..Default::default()
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                http::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            );
        }
        host_and_origin(
            &settings.resolve().unwrap(),
            &Uri::from_static("/mcp"),
            &map,
        )
    }

    #[test]
    fn our_own_hosts_and_origins_pass() {
        for headers in [
            &[("host", "localhost:8600")][..],
            &[("host", "[::1]:8600")],
            &[
                ("host", "127.0.0.1:8600"),
                ("origin", "http://127.0.0.1:8600"),
            ],
            &[
                ("host", "gateway.example"),
                ("origin", "https://gateway.example"),
            ],
            &[
                ("host", "gateway.example"),
                ("origin", "https://app.example"),
            ],
        ] {
            assert_eq!(check(headers), Ok(()), "{headers:?}");
        }
    }

    #[test]
    fn foreign_hosts_and_origins_do_not() {
        for headers in [
            &[("host", "evil.example")][..],
            &[("host", "gateway.example.evil.example")],
            &[],
        ] {
            assert_eq!(
                check(headers),
                Err(StatusCode::MISDIRECTED_REQUEST),
                "{headers:?}"
            );
        }
        let host = ("host", "gateway.example");
        for origin in [
            "https://evil.example",
            "null",
            "http://gateway.example",
            "https://gateway.example.evil.example",
        ] {
            assert_eq!(
                check(&[host, ("origin", origin)]),
                Err(StatusCode::FORBIDDEN),
                "{origin}"
            );
        }
        let two = [
            host,
            ("origin", "https://app.example"),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(check(&two), Err(StatusCode::FORBIDDEN));
    }
}
