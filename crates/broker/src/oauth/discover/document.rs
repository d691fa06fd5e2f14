//! Where metadata documents lie, and fetching one.
//! Reads JSON objects of bounded size from places that may be dialled, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, HeaderValue};
use serde_json::Value;
use url::Url;

use egress::{Egress, Failure, Limits};

/// Longest wait for a document.
pub const DOCUMENT_DEADLINE: Duration = Duration::from_secs(10);
/// Its largest size, in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 256 * 1024;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum NoDocument {
    /// No answer could be had or read.
    #[error("it cannot be fetched")]
    Failure(#[from] Failure),
    /// There is something else, or nothing.
    #[error("status {0}")]
    Status(u16),
    /// It is not a JSON object.
    #[error("it is not a JSON object")]
    NotJson,
    /// It is a JSON object that says nothing of what is sought.
    #[error("it is about something else")]
    Other,
}

/// A URL of ws or wss as the one of http or https.
pub(super) fn http_url(text: &str) -> Option<Url> {
    let is_websocket = text
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("ws"));
    match is_websocket {
        true => Url::parse(&format!("http{}", &text[2..])).ok(),
        false => Url::parse(text).ok(),
    }
}

/// Where documents about a URL may lie: the well-known name before its path, after it for OpenID, and for a resource
/// also without the path.
pub fn places(url: &str, names: &[&str]) -> Vec<String> {
    let Some(url) = http_url(url) else {
        return Vec::new();
    };
    let (origin, path) = (
        url.origin().ascii_serialization(),
        url.path().trim_end_matches('/'),
    );
    let mut places = Vec::new();
    for name in names {
        places.push(format!("{origin}/.well-known/{name}{path}"));
        if *name == "openid-configuration" {
            places.push(format!("{origin}{path}/.well-known/{name}"));
        }
        if *name == "oauth-protected-resource" {
            places.push(format!("{origin}/.well-known/{name}"));
        }
    }
    places.dedup();
    places
}

impl NoDocument {
    /// Whether nobody can say now whether there is a document: one that was there may be there again in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Failure(failure) => !matches!(
                failure,
                Failure::Refused(_) | Failure::Redirected { .. } | Failure::TooLarge { .. }
            ),
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
            Self::NotJson | Self::Other => false,
        }
    }
}

/// The first of these places that has a JSON object of the kind that is sought.
///
/// # Errors
/// The failure of a place that passes: what is in the next one counts only where nothing is in this one.
pub async fn first_document(
    egress: &Egress,
    places: &[String],
    is_sought: impl Fn(&Value) -> bool,
) -> Result<Option<(String, Value)>, NoDocument> {
    for place in places {
        let found = document(egress, place).await;
        let found = found.and_then(|found| match is_sought(&found) {
            true => Ok(found),
            false => Err(NoDocument::Other),
        });
        match found {
            Ok(found) => return Ok(Some((place.clone(), found))),
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => tracing::debug!(%place, %error, "no document"),
        }
    }
    Ok(None)
}

/// The JSON object at a place.
///
/// # Errors
/// If there is none, or it cannot be had.
pub async fn document(egress: &Egress, url: &str) -> Result<Value, NoDocument> {
    let destination = egress.check_url(url).map_err(Failure::Refused)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = destination.uri().clone();
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    let limits = Limits {
        headers: DOCUMENT_DEADLINE,
        idle: DOCUMENT_DEADLINE,
    };
    let response = egress.send(request, &limits).await?;
    if !response.status().is_success() {
        return Err(NoDocument::Status(response.status().as_u16()));
    }
    let body = response.into_body();
    let body = body
        .read_to_end(DOCUMENT_BYTES_MAX, DOCUMENT_DEADLINE)
        .await?;
    let found: Value = serde_json::from_slice(&body).map_err(|_| NoDocument::NotJson)?;
    found
        .is_object()
        .then_some(found)
        .ok_or(NoDocument::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_sought_where_the_standards_put_them() {
        let resource = ["oauth-protected-resource"];
        assert_eq!(
            places("https://a.example/mcp/", &resource),
            [
                "https://a.example/.well-known/oauth-protected-resource/mcp",
                "https://a.example/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(places("https://a.example", &resource).len(), 1);
        assert_eq!(
            places("wss://a.example/ws", &resource)[0],
            "https://a.example/.well-known/oauth-protected-resource/ws"
        );
        assert_eq!(
            places(
                "https://a.example/t1",
                &["oauth-authorization-server", "openid-configuration"]
            ),
            [
                "https://a.example/.well-known/oauth-authorization-server/t1",
                "https://a.example/.well-known/openid-configuration/t1",
                "https://a.example/t1/.well-known/openid-configuration"
            ]
        );
    }
}
