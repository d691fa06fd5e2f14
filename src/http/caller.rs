//! From a request's headers and socket to a [`Caller`]: the one way in for REST and MCP handlers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::header::HeaderName;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::app::App;
use base::error::{Error, Result};
use base::trace;
use tenancy::auth::{Caller, credential_of};

/// On whose behalf a platform key calls (docs/inside/decisions.md#who-calls).
pub(crate) const X_ACT_AS_USER: HeaderName = HeaderName::from_static("x-act-as-user");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Hops of `X-Forwarded-For` that are looked at, from the right.
const FORWARDED_HOPS_MAX: usize = 16;

/// Who calls, from the credential, the act-as header and the peer's address.
///
/// # Errors
/// `NoCredentials`, `InvalidCredentials`, `Malformed` for a doubled header, and what
/// [`tenancy::auth::Authenticator::caller`] refuses.
pub async fn authenticate(app: &App, headers: &HeaderMap, peer: IpAddr) -> Result<Arc<Caller>> {
    let key = credential_of(headers)?;
    let caller = app.auth.caller(&key, act_as(headers)?, peer).await?;
    trace::note(|trace| trace.called_by(&caller.tenant.key));
    Ok(caller)
}

fn act_as(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(X_ACT_AS_USER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::Malformed("two X-Act-As-User headers".into()));
    }
    // The header is UTF-8: usernames are not confined to ASCII.
    let name = std::str::from_utf8(value.as_bytes()).map_err(|_| Error::NotFound("user"))?;
    Ok(Some(name))
}

/// The address of the client: the socket's peer, or behind trusted proxies the right-most
/// address of `X-Forwarded-For` that is not one of theirs.
pub(crate) fn peer_address(
    extensions: &Extensions,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| {
            info.0.ip().to_canonical()
        });
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut nearest = peer;
    let hops = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let hops = hops.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(FORWARDED_HOPS_MAX) {
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => nearest = address.to_canonical(),
            Err(_) => return nearest,
        }
        if !is_trusted(&nearest) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 9)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        peer_address(&extensions, &headers, &["10.0.0.0/8".parse().unwrap()]).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_whom_it_speaks_for() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            seen("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("10.0.0.1", &["1.1.1.1", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, nonsense"]), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    }
}
