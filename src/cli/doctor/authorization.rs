//! What a server that wants a credential says about where to get one: RFC 9728, then RFC 8414 or OpenID Connect
//! (2025-11-25 and later, authorization). Only looks; asks for no token.

use serde_json::Value;

use super::Findings;
use broker::oauth::discover::{first_document, is_about, parameter, places};
use egress::{Destination, Egress};

/// Authorization servers that are looked at.
const SERVERS_MAX: usize = 4;

pub(super) async fn examine(
    egress: &Egress,
    destination: &Destination,
    challenge: Option<&str>,
    findings: &mut Findings,
) {
    let named = challenge.and_then(|text| parameter(text, "resource_metadata"));
    let sought = match &named {
        Some(url) => vec![url.clone()],
        None => places(destination.as_str(), &["oauth-protected-resource"]),
    };
    let found = first_document(egress, &sought, |_| true).await;
    let Ok(Some((place, resource))) = found else {
        if named.is_some() {
            findings.failed(
                "resource",
                format_args!("no metadata at {}", sought[0]),
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
        match first_document(egress, &places(issuer, &kinds), |_| true).await {
            Ok(Some((_, metadata))) => check_issuer(issuer, &metadata, findings),
            Ok(None) | Err(_) => findings.failed(
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
    match resource["resource"].as_str() {
        Some(named) if is_about(named, destination.as_str()) => {
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
