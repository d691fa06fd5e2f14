//! A URL that passed the policy, parsed once for the life of an upstream.
//! It must never print its query, where some servers want their key.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use url::{Position, Url};

use super::refused::{Reason, Refused};

/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// Where requests may go; only `Policy::check_url` makes one. Cheap to clone.
#[derive(Clone)]
pub struct Destination {
    uri: Uri,
    url: Arc<Url>,
    origin: Arc<str>,
    pool: Option<u64>,
}

impl Destination {
    /// Wraps a URL that the policy has accepted.
    pub(super) fn new(url: Url) -> Result<Self, Reason> {
        let uri = url.as_str().parse().map_err(|_| Reason::Malformed)?;
        let origin = url.origin().ascii_serialization().into();
        Ok(Self {
            uri,
            url: Arc::new(url),
            origin,
            pool: None,
        })
    }

    /// Returns the URI to put into a request; a clone of it copies no text.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the canonical URL with its query, which may be a secret.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Returns `scheme://host[:port]` in canonical form (RFC 6454 section 6.2); credentials are bound to it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns whether the connection is protected by TLS.
    pub fn is_secure(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }

    /// Returns whether the URL asks for a WebSocket.
    pub fn is_websocket(&self) -> bool {
        matches!(self.url.scheme(), "wss" | "ws")
    }

    /// Returns `host[:port]` for a `Host` header.
    pub(super) fn host_port(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// Returns the http or https URI to dial for a WebSocket.
    pub(super) fn http_uri(&self) -> Result<Uri, Reason> {
        let scheme = if self.is_secure() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        let built = Uri::builder()
            .scheme(scheme)
            .authority(self.host_port())
            .path_and_query("/")
            .build();
        built.map_err(|_| Reason::Malformed)
    }

    /// Returns the destination of a reference found at this one, such as the `endpoint` of legacy SSE.
    ///
    /// # Errors
    /// [`Reason::OtherOrigin`] unless scheme, host and port are the same; otherwise as `check_text`.
    pub fn join(&self, reference: &str) -> Result<Self, Refused> {
        check_text(reference)?;
        let mut url = self.url.join(reference).map_err(|_| Reason::Malformed)?;
        if url.origin() != self.url.origin()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(Reason::OtherOrigin.into());
        }
        url.set_fragment(None);
        let joined = Self::new(url)?;
        Ok(self
            .pool
            .map_or_else(|| joined.clone(), |pool| joined.in_pool(pool)))
    }

    /// Returns the same destination with connections of its own, never shared with another pool.
    ///
    /// The pool's key is the URI's authority, so the number stands there as a user name; it stays
    /// inside the process, because neither `Host` nor the request line carries a user name.
    #[must_use]
    pub(crate) fn in_pool(&self, pool: u64) -> Self {
        let authority = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        let host_port = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host_port)| host_port);
        let mut parts = self.uri.clone().into_parts();
        parts.authority = format!("{pool:x}@{host_port}").parse().ok();
        let uri = Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone());
        Self {
            uri,
            pool: Some(pool),
            ..self.clone()
        }
    }
}

/// Refuses text that is too long, or that a parser would silently change: the `url` crate drops tabs and
/// newlines and reads a backslash as a slash.
pub(super) fn check_text(text: &str) -> Result<(), Reason> {
    if text.len() > URL_BYTES_MAX {
        return Err(Reason::TooLong {
            max_bytes: URL_BYTES_MAX,
        });
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(Reason::Character);
    }
    Ok(())
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Destination").field(&self.origin).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::Policy;

    #[test]
    fn an_origin_is_canonical() {
        let origin = |url| {
            Policy::default()
                .check_url(url)
                .unwrap()
                .origin()
                .to_owned()
        };
        assert_eq!(
            origin("HTTPS://EXAMPLE.com:443/a?b=c"),
            "https://example.com"
        );
        assert_eq!(
            origin("https://example.com:8443/"),
            "https://example.com:8443"
        );
        assert_eq!(
            origin("wss://bücher.example/x"),
            "wss://xn--bcher-kva.example"
        );
        assert_eq!(
            origin("https://[2606:4700:0::1111]/"),
            "https://[2606:4700::1111]"
        );
        assert_eq!(origin("https://134744072/"), "https://8.8.8.8");
    }

    #[test]
    fn a_destination_never_prints_its_query() {
        let destination = Policy::default()
            .check_url("https://example.com/?api_key=s3cret")
            .unwrap();
        assert_eq!(
            format!("{destination:?}"),
            r#"Destination("https://example.com")"#
        );
        assert_eq!(destination.uri(), "https://example.com/?api_key=s3cret");
    }

    #[test]
    fn a_reference_stays_at_its_origin() {
        let base = Policy::default()
            .check_url("https://example.com/sse?x=1")
            .unwrap();
        let join = |reference| base.join(reference).map(|to| to.as_str().to_owned()).ok();
        assert_eq!(
            join("/messages?id=1").as_deref(),
            Some("https://example.com/messages?id=1")
        );
        assert_eq!(
            join("https://example.com:443/m").as_deref(),
            Some("https://example.com/m")
        );
        for away in [
            "http://10.1.1.1/x",
            "//evil/x",
            "https://example.com:8443/",
            "http://example.com/x",
            "https://u@example.com/",
            "/\\evil/x",
            "/a\nb",
            "javascript:x",
        ] {
            assert_eq!(join(away), None, "{away}");
        }
    }

    #[test]
    fn a_pool_of_its_own_shows_only_in_the_authority() {
        let base = Policy::default()
            .check_url("https://example.com:8443/sse?x=1")
            .unwrap();
        let pooled = base.in_pool(1).in_pool(255);
        assert_eq!(pooled.uri(), "https://ff@example.com:8443/sse?x=1");
        assert_eq!(pooled.uri().host(), Some("example.com"));
        assert_eq!(pooled.origin(), base.origin());
    }
}
