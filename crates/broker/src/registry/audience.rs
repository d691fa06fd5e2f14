//! For whom and for what an OAuth grant may be used (docs/inside/decisions.md#grants): its person, and the resource or
//! the service that it was asked for. Asked when a connection is written and again when a call looks for its
//! credential, so that it does not matter by which way a row came to be as it is.

use url::Url;

use super::Scope;
use super::server::Server;
use tenancy::tenant::user::{Role, UserId};

/// What a grant was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience<'a> {
    /// The resource (RFC 8707); empty for a service of the catalog, which is asked for none.
    pub resource: &'a str,
    /// The service, if it is still known.
    pub service: Option<i64>,
}

/// Why a grant may not be sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It was asked for a resource that does not contain the server's address.
    Resource,
    /// The server's record names another service.
    Service,
}

impl Misfit {
    /// The complaint about a connection that names such a grant.
    pub fn complaint(self) -> &'static str {
        match self {
            Self::Resource => {
                "Selected connected service was granted for another address than the server's."
            }
            Self::Service => {
                "Selected connected service is for another service than the server names."
            }
        }
    }
}

impl Audience<'_> {
    /// Why the grant may not be sent to a server, if it may not. One that was asked for a resource goes there alone. One
    /// of a catalog service goes to the servers whose record names that service; a record that names none takes the one
    /// that it was connected to at its origin, as the example of its description does
    /// (docs/inside/contract.md#connections).
    pub fn misfit(&self, server: &Server) -> Option<Misfit> {
        if !self.resource.is_empty() {
            return (!contains(self.resource, &server.url)).then_some(Misfit::Resource);
        }
        let named = server.oauth_service_id;
        (named.is_some() && named != self.service).then_some(Misfit::Service)
    }
}

/// Whether a person's grant may stand in a connection of this scope: their own, or a shared one if they administer the
/// tenant. A learner's grant is nobody else's identity.
pub(crate) fn may_hold(
    scope: Scope,
    person: Option<UserId>,
    (owner, role): (UserId, Role),
) -> bool {
    match scope {
        Scope::User => person == Some(owner),
        Scope::Platform | Scope::Mentor => role == Role::Admin,
    }
}

/// Whether a resource identifier is of the URL that is called, or of what contains it (RFC 9728 section 3.3).
pub fn contains(resource: &str, url: &str) -> bool {
    let (Some(resource), Some(url)) = (http_url(resource), http_url(url)) else {
        return false;
    };
    let path = resource.path().trim_end_matches('/');
    let below = url.path().strip_prefix(path);
    resource.origin() == url.origin()
        && resource
            .query()
            .is_none_or(|query| url.query() == Some(query))
        && below.is_some_and(|rest| (rest.is_empty() || rest.starts_with('/')) && stays(rest))
}

/// The URL with the scheme of HTTP: a WebSocket is opened by a request to the same place.
fn http_url(text: &str) -> Option<Url> {
    let text = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http:{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https:{rest}"),
        _ => text.to_owned(),
    };
    let url = Url::parse(&text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Whether a path leads nowhere above its beginning, for a server too that decodes it once or twice more than we do or
/// cuts parameters off its segments.
fn stays(path: &str) -> bool {
    const DECODED_TIMES_MAX: usize = 3;
    let mut path = path.to_owned();
    for _ in 0..DECODED_TIMES_MAX {
        let is_up = |segment: &str| segment.split(';').next() == Some("..");
        if path.split(['/', '\\']).any(is_up) {
            return false;
        }
        let decoded = percent_decoded(&path);
        if decoded == path {
            return true;
        }
        path = decoded;
    }
    // Nobody writes an address like that for a good reason.
    false
}

/// The text with the escapes that spell a dot, a separator or another escape replaced by them.
fn percent_decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let spelled = match rest.get(at + 1..at + 3) {
            Some(hex) if hex.eq_ignore_ascii_case("2e") => Some('.'),
            Some(hex) if hex.eq_ignore_ascii_case("2f") => Some('/'),
            Some(hex) if hex.eq_ignore_ascii_case("5c") => Some('\\'),
            Some(hex) if hex.eq_ignore_ascii_case("3b") => Some(';'),
            Some("25") => Some('%'),
            _ => None,
        };
        match spelled {
            Some(character) => {
                out.push(character);
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_contains_itself_and_what_lies_below_it() {
        for (resource, url) in [
            ("https://a.example/mcp/one", "https://a.example/mcp/one"),
            ("https://A.example:443/mcp/", "https://a.example/mcp/one"),
            ("https://a.example", "https://a.example/mcp/one?x=1"),
            ("https://a.example/ws", "wss://a.example/ws"),
            ("https://a.example/mcp", "https://a.example/mcp/a%20b..c/d"),
            ("https://a.example/mcp?t=1", "https://a.example/mcp?t=1"),
        ] {
            assert!(contains(resource, url), "{resource} {url}");
        }
    }

    #[test]
    fn a_resource_does_not_contain_another_place_however_it_is_spelled() {
        for (resource, url) in [
            ("", "https://a.example/mcp"),
            ("https://a.example/mcp", "https://a.example/"),
            ("https://a.example/mcp", "https://a.example/mcp2"),
            ("https://a.example/mcp/one", "https://a.example/mcp/two"),
            ("https://a.example/mcp", "https://b.example/mcp"),
            ("https://a.example/mcp", "https://a.example.evil/mcp"),
            ("https://a.example/mcp", "https://evil@b.example/mcp"),
            ("https://a.example/mcp", "http://a.example/mcp"),
            ("https://a.example/mcp", "ws://a.example/mcp"),
            ("https://a.example/mcp", "https://a.example:8443/mcp"),
            ("https://a.example/mcp?t=1", "https://a.example/mcp?t=2"),
            ("https://a.example/mcp?t=1", "https://a.example/mcp"),
            ("https://a.example/mcp", "https://a.example/mcp/../two"),
            ("https://a.example/mcp", "https://a.example/mcp/%2e%2e/two"),
            ("https://a.example/mcp", "https://a.example/mcp/..%2ftwo"),
            (
                "https://a.example/mcp",
                "https://a.example/mcp/%2E%2E%5Ctwo",
            ),
            (
                "https://a.example/mcp",
                "https://a.example/mcp/%252e%252e%252ftwo",
            ),
            ("https://a.example/mcp", "https://a.example/mcp/..;/two"),
            ("https://a.example/mcp", "https://a.example/mcp\\..\\two"),
            ("https://a.example/mcp", "not a url"),
        ] {
            assert!(!contains(resource, url), "{resource} {url}");
        }
    }
}
