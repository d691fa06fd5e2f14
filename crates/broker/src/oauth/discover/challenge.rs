//! The challenge of an MCP server to who comes without a credential (RFC 9110 section 11, RFC 9728 section 5.1).
//! Sends one request that does nothing, and reads no body.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};

use super::document::{DOCUMENT_DEADLINE, NoDocument, http_url};
use egress::{Destination, Egress, Limits};

/// A request that changes nothing at a server that answers it.
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Scopes that are taken from a challenge, in bytes.
const SCOPE_BYTES_MAX: usize = 4096;

/// What a server said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Whether it wants a credential at all.
    pub is_made: bool,
    /// Where its protected-resource metadata lies.
    pub resource_metadata: Option<String>,
    /// The scopes that the request would need.
    pub scope: Option<String>,
}

/// Why nobody can say what the server wants.
pub(super) struct Silent;

impl Challenge {
    /// What the `WWW-Authenticate` headers of an answer say.
    pub fn read<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut challenge = Self {
            is_made: true,
            ..Self::default()
        };
        for header in headers {
            let of = |name| parameter(header, name);
            challenge.resource_metadata = challenge.resource_metadata.or(of("resource_metadata"));
            let is_usable =
                |scope: &String| !scope.trim().is_empty() && scope.len() <= SCOPE_BYTES_MAX;
            let scope = of("scope").filter(is_usable);
            challenge.scope = challenge.scope.or(scope);
        }
        challenge
    }
}

/// Asks a server for something without a credential. Any other answer is no challenge.
///
/// # Errors
/// If it does not answer, or has a fault of its own.
pub(super) async fn ask(egress: &Egress, destination: &Destination) -> Result<Challenge, Silent> {
    for method in [Method::POST, Method::GET] {
        match answer(egress, destination, method).await.ok_or(Silent)? {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, headers) => {
                return Ok(Challenge::read(headers.iter().map(String::as_str)));
            }
            // An endpoint of HTTP+SSE is opened with GET.
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => {}
            (status, _) if NoDocument::Status(status.as_u16()).is_passing() => return Err(Silent),
            _ => break,
        }
    }
    Ok(Challenge::default())
}

async fn answer(
    egress: &Egress,
    destination: &Destination,
    method: Method,
) -> Option<(StatusCode, Vec<String>)> {
    let url = http_url(destination.as_str())?;
    let destination = egress.check_url(url.as_str()).ok()?;
    let body = match method {
        Method::POST => Bytes::from_static(PING.as_bytes()),
        _ => Bytes::new(),
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = destination.uri().clone();
    let headers = request.headers_mut();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let limits = Limits {
        headers: DOCUMENT_DEADLINE,
        idle: DOCUMENT_DEADLINE,
    };
    let response = egress.send(request, &limits).await.ok()?;
    let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenges = challenges.filter_map(|value| value.to_str().ok().map(str::to_owned));
    Some((response.status(), challenges.collect()))
}

/// A quoted or plain parameter of a challenge (RFC 9110 section 11.2).
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    loop {
        let (before, after) = rest.split_once('=')?;
        let key = before.rsplit([' ', ',', '\t']).next().unwrap_or_default();
        let (value, next) = value(after);
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
}

/// The value at the beginning of a text, and what follows it.
fn value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut is_escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if is_escaped => {
                value.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_the_metadata_in_any_spelling() {
        let url = Some("https://a.example/m".to_owned());
        for challenge in [
            "Bearer resource_metadata=\"https://a.example/m\"",
            "Bearer error=\"invalid_token\", Resource_Metadata=\"https://a.example/m\", scope=\"a b\"",
            "Bearer resource_metadata=https://a.example/m, scope=x",
            "Basic realm=\"x=y, resource_metadata=z\", Bearer resource_metadata=\"https:\\/\\/a.example/m\"",
        ] {
            assert_eq!(
                parameter(challenge, "resource_metadata"),
                url,
                "{challenge}"
            );
        }
        for challenge in [
            "Bearer scope=\"a\"",
            "Bearer",
            "",
            "Bearer x_resource_metadata=y",
            "Bearer a=\"open",
        ] {
            assert_eq!(
                parameter(challenge, "resource_metadata"),
                None,
                "{challenge}"
            );
        }
    }

    #[test]
    fn a_scope_of_nothing_is_none() {
        for challenge in ["Bearer scope=\"\"", "Bearer scope=\"  \"", "Bearer scope="] {
            assert_eq!(Challenge::read([challenge]).scope, None, "{challenge}");
        }
        let later = Challenge::read(["Bearer scope=\"\"", "Bearer scope=\"a\""]);
        assert_eq!(later.scope.as_deref(), Some("a"));
    }

    #[test]
    fn several_challenges_are_read_together() {
        let challenge = Challenge::read([
            "Basic realm=x",
            "Bearer scope=\"a b\", resource_metadata=\"u\"",
        ]);
        assert_eq!(
            challenge,
            Challenge {
                is_made: true,
                resource_metadata: Some("u".into()),
                scope: Some("a b".into()),
            }
        );
    }
}
