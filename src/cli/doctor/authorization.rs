//! What a server that wants a credential says about where to get one: RFC 9728, then RFC 8414 or OpenID Connect
//! (2025-11-25 and later, authorization). Only looks; asks for no token.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use serde_json::Value;
use url::Url;

use super::{Findings, chain};
use crate::egress::{Destination, Egress, Limits};

/// Longest wait for a document, and its largest size.
const DOCUMENT_DEADLINE: Duration = Duration::from_secs(10);
const DOCUMENT_BYTES_MAX: u64 = 256 * 1024;
/// Authorization servers that are looked at.
const SERVERS_MAX: usize = 4;

pub(super) async fn examine(
    egress: &Egress,
    destination: &Destination,
    challenge: Option<&str>,
    findings: &mut Findings,
) {
    let named = challenge.and_then(|text| parameter(text, "resource_metadata"));
    let places = match &named {
        Some(url) => vec![url.clone()],
        None => well_known(destination.as_str(), &["oauth-protected-resource"]),
    };
    let Some((place, resource)) = first_document(egress, &places).await else {
        if named.is_some() {
            findings.failed(
                "resource",
                format_args!("no metadata at {}", places[0]),
                "correct `resource_metadata` in the server's WWW-Authenticate",
            );
        } else {
            findings.note("resource", "no protected-resource metadata: no OAuth sign-in; register it with auth_type token and store a connection");
        }
        return;
    };
    check_resource(destination, &place, &resource, findings);
    let servers = resource["authorization_servers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let servers: Vec<&str> = servers.take(SERVERS_MAX).collect();
    if servers.is_empty() {
        findings.failed(
            "resource",
            "it names no authorization server",
            "add `authorization_servers` to its metadata",
        );
    }
    for issuer in servers {
        let kinds = ["oauth-authorization-server", "openid-configuration"];
        match first_document(egress, &well_known(issuer, &kinds)).await {
            Some((_, metadata)) => check_issuer(issuer, &metadata, findings),
            None => findings.failed(
                "issuer",
                format_args!("{issuer} has no metadata that can be read"),
                "serve RFC 8414 or OpenID Connect metadata there",
            ),
        }
    }
}

/// RFC 9728, section 3.3: the document must be about the URL that is called, or what contains it.
fn check_resource(
    destination: &Destination,
    place: &str,
    resource: &Value,
    findings: &mut Findings,
) {
    let asked = destination.as_str().trim_end_matches('/');
    match resource["resource"].as_str() {
        Some(named) if asked.starts_with(named.trim_end_matches('/')) => {
            findings.ok("resource", format_args!("metadata at {place}"));
        }
        Some(named) => findings.failed(
            "resource",
            format_args!("its metadata is about {named}"),
            "let `resource` be the URL that is registered",
        ),
        None => findings.failed(
            "resource",
            format_args!("{place} names no `resource`"),
            "add `resource` to the metadata",
        ),
    }
}

fn check_issuer(issuer: &str, metadata: &Value, findings: &mut Findings) {
    if metadata["issuer"].as_str() != Some(issuer) {
        let text = format!("{issuer} calls itself {}", metadata["issuer"]);
        return findings.failed(
            "issuer",
            text,
            "let `issuer` be exactly the URL that the server names",
        );
    }
    let has = |name: &str| metadata[name].as_str().is_some();
    if !(has("authorization_endpoint") && has("token_endpoint")) {
        return findings.failed(
            "issuer",
            format_args!("{issuer} lacks an endpoint"),
            "add authorization_endpoint and token_endpoint",
        );
    }
    let methods = metadata["code_challenge_methods_supported"].as_array();
    if !methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        return findings.failed(
            "issuer",
            format_args!("{issuer} does not say that it supports PKCE"),
            "add S256 to code_challenge_methods_supported",
        );
    }
    let registration = if metadata["client_id_metadata_document_supported"] == true {
        "clients name themselves by a document"
    } else if has("registration_endpoint") {
        "clients register themselves"
    } else {
        "a client must be registered by hand"
    };
    findings.ok("issuer", format_args!("{issuer}, PKCE, {registration}"));
}

/// Where documents about a URL may lie: the well-known name before its path, after it, and without it.
fn well_known(url: &str, names: &[&str]) -> Vec<String> {
    let Ok(url) = Url::parse(&url.replacen("ws", "http", usize::from(url.starts_with("ws"))))
    else {
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
    }
    if names.len() == 1 {
        places.push(format!("{origin}/.well-known/{}", names[0]));
    }
    places.dedup();
    places
}

/// The first of these places that has a JSON object.
async fn first_document(egress: &Egress, places: &[String]) -> Option<(String, Value)> {
    for place in places {
        match document(egress, place).await {
            Ok(found) => return Some((place.clone(), found)),
            Err(why) => tracing::debug!(%place, %why, "no document"),
        }
    }
    None
}

async fn document(egress: &Egress, url: &str) -> Result<Value, String> {
    let destination = egress
        .check_url(url)
        .map_err(|refused| refused.reason().to_string())?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = destination.uri().clone();
    request
        .headers_mut()
        .insert(ACCEPT, http::HeaderValue::from_static("application/json"));
    let limits = Limits {
        headers: DOCUMENT_DEADLINE,
        idle: DOCUMENT_DEADLINE,
    };
    let response = egress
        .send(request, &limits)
        .await
        .map_err(|failure| chain(&failure))?;
    if !response.status().is_success() {
        return Err(response.status().to_string());
    }
    let body = response
        .into_body()
        .read_to_end(DOCUMENT_BYTES_MAX, DOCUMENT_DEADLINE);
    let body = body.await.map_err(|failure| chain(&failure))?;
    let found: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    found
        .is_object()
        .then_some(found)
        .ok_or_else(|| "not a JSON object".to_owned())
}

/// A quoted or plain parameter of a challenge (RFC 9110 section 11.2).
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let at = challenge.to_ascii_lowercase().find(&format!("{name}="))?;
    let rest = &challenge[at + name.len() + 1..];
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?.to_owned(),
        None => rest.split([',', ' ']).next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_sought_where_the_standards_put_them() {
        assert_eq!(
            well_known("https://a.example/mcp/", &["oauth-protected-resource"]),
            [
                "https://a.example/.well-known/oauth-protected-resource/mcp",
                "https://a.example/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(
            well_known(
                "https://a.example/t1",
                &["oauth-authorization-server", "openid-configuration"]
            ),
            [
                "https://a.example/.well-known/oauth-authorization-server/t1",
                "https://a.example/.well-known/openid-configuration/t1",
                "https://a.example/t1/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            well_known("https://a.example", &["oauth-protected-resource"]).len(),
            1
        );
        assert_eq!(
            well_known("wss://a.example/ws", &["oauth-protected-resource"])[0],
            "https://a.example/.well-known/oauth-protected-resource/ws"
        );
    }

    #[test]
    fn a_challenge_names_the_metadata_in_any_spelling() {
        let url = Some("https://a.example/m".to_owned());
        for challenge in [
            "Bearer resource_metadata=\"https://a.example/m\"",
            "Bearer error=\"invalid_token\", Resource_Metadata=\"https://a.example/m\", scope=\"a b\"",
            "Bearer resource_metadata=https://a.example/m, scope=x",
        ] {
            assert_eq!(
                parameter(challenge, "resource_metadata"),
                url,
                "{challenge}"
            );
        }
        assert_eq!(parameter("Bearer scope=\"a\"", "resource_metadata"), None);
    }
}
