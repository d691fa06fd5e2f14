//! `initialize` and `server/discover`: what an endpoint of ours says about itself.

use std::sync::Arc;

use serde_json::json;

use super::item::SERVERS_META;
use super::mend::{self, Notes};
use super::refusal::Refusal;
use super::request::Request;
use super::view::{Access, View};
use super::{Gateway, lists};
use crate::upstream::Session;
use broker::registry::server::Server;
use mcp::raw::string;
use mcp::{RawObject, Version, meta};

/// How long a client may keep what `server/discover` said, in ms.
const DISCOVER_TTL_MS: u64 = 10_000;

/// The result of `initialize` for the revision that was agreed.
pub(super) async fn initialize(
    gateway: &Arc<Gateway>,
    request: &Request,
    view: &View,
) -> Result<Vec<u8>, Refusal> {
    let described = describe(gateway, request, view).await?;
    let mut result = RawObject::default();
    result.set("protocolVersion", string(request.version.as_str()));
    result.set("capabilities", described.capabilities);
    result.set("serverInfo", described.server_info);
    if let Some(instructions) = described.instructions {
        result.set("instructions", instructions);
    }
    for (name, value) in described.rest {
        result.0.push((name.into(), value.into()));
    }
    Ok(result.to_json())
}

/// The result of `server/discover`.
pub(super) async fn discover(
    gateway: &Arc<Gateway>,
    request: &Request,
    view: &View,
) -> Result<Vec<u8>, Refusal> {
    let described = describe(gateway, request, view).await?;
    let versions: Vec<&str> = Version::ALL
        .iter()
        .map(|version| version.as_str())
        .collect();
    let mut metadata = described
        .metadata
        .as_deref()
        .and_then(|m| RawObject::parse(m).ok())
        .unwrap_or_default();
    metadata.set(meta::SERVER_INFO, &described.server_info[..]);
    let mut result = RawObject::default();
    result.set("resultType", &b"\"complete\""[..]);
    result.set(
        "supportedVersions",
        json!(versions).to_string().into_bytes(),
    );
    result.set("capabilities", &described.capabilities[..]);
    if let Some(instructions) = &described.instructions {
        result.set("instructions", &instructions[..]);
    }
    result.set("ttlMs", DISCOVER_TTL_MS.to_string().into_bytes());
    result.set("cacheScope", &b"\"private\""[..]);
    result.set("_meta", metadata.to_json());
    for (name, value) in &described.rest {
        result.0.push((name.clone().into(), value.clone().into()));
    }
    Ok(result.to_json())
}

struct Description {
    capabilities: Vec<u8>,
    server_info: Vec<u8>,
    instructions: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
    /// Members that we know nothing of.
    rest: Vec<(String, Vec<u8>)>,
}

async fn describe(
    gateway: &Arc<Gateway>,
    request: &Request,
    view: &View,
) -> Result<Description, Refusal> {
    if view.mentor.is_some() {
        return Ok(of_mentor(view));
    }
    let member = view.only()?;
    let open = member.open()?;
    gateway.audit.admit()?;
    let (at, lane) = ((&open.upstream, &open.credential), request.lane(view));
    let session = at.0.session(&lane, at.1, &request.client).await;
    let session = session.map_err(|failure| failure.into_error(&member.server.name))?;
    if let Some(client_session) = &request.session {
        open.bind(&request.guard, member.server.id);
        client_session.uses(at, &lane, &session, (&request.guard, &gateway.tasks));
    }
    Ok(of_server(&session, &member.server, request.version))
}

/// A single server speaks for itself; only what its era alone knows is left out.
fn of_server(session: &Session, server: &Server, client: Version) -> Description {
    let handshake = session.handshake();
    let object = RawObject::parse(&handshake).unwrap_or_default();
    let mut notes = Notes::default();
    let said = mend::introduction(&handshake, &mut notes);
    let has_notes = !notes.is_empty();
    let metadata = if has_notes {
        let origin = mend::Origin {
            id: server.id.0,
            name: &server.name,
        };
        Some(mend::noted(said.metadata.as_deref(), origin, notes))
    } else {
        said.metadata
    };
    let info_in_meta = metadata
        .as_deref()
        .and_then(|m| RawObject::parse(m).ok())
        .and_then(|m| mend::implementation(m.get(meta::SERVER_INFO)?));
    let known = [
        "protocolVersion",
        "supportedVersions",
        "capabilities",
        "serverInfo",
        "instructions",
        "resultType",
        "ttlMs",
        "cacheScope",
        "_meta",
    ];
    let rest = object
        .0
        .iter()
        .filter(|(name, _)| !known.contains(&&**name));
    let mut rest: Vec<_> = rest
        .map(|(name, value)| (name.to_string(), value.to_vec()))
        .collect();
    if !client.is_modern()
        && let Some(metadata) = &metadata
        && (has_notes || !session.version().is_modern())
    {
        rest.push(("_meta".to_owned(), metadata.clone()));
    }
    Description {
        capabilities: said.capabilities.unwrap_or_else(|| b"{}".to_vec()),
        server_info: said
            .server_info
            .or(info_in_meta)
            .unwrap_or_else(|| our_info("mentor-gateway")),
        instructions: said.instructions,
        metadata,
        rest,
    }
}

fn of_mentor(view: &View) -> Description {
    let name = view
        .mentor
        .as_ref()
        .map_or("mentor-gateway", |mentor| mentor.name.as_str());
    let capabilities = json!({
        "tools": { "listChanged": true },
        "prompts": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true },
        "completions": {},
        "logging": {},
    });
    Description {
        capabilities: capabilities.to_string().into_bytes(),
        server_info: our_info(name),
        instructions: instructions(view).map(|text| string(&text)),
        metadata: Some(
            json!({ SERVERS_META: lists::states(view) })
                .to_string()
                .into_bytes(),
        ),
        rest: Vec::new(),
    }
}

fn our_info(title: &str) -> Vec<u8> {
    json!({ "name": "mentor-gateway", "title": title, "version": env!("CARGO_PKG_VERSION") })
        .to_string()
        .into_bytes()
}

/// What each server says about itself, and a sentence for each that cannot be used now.
fn instructions(view: &View) -> Option<String> {
    let mut parts: Vec<String> = view.note.iter().cloned().collect();
    for member in &view.members {
        let name = &member.server.name;
        // The same sentence as in the lists' `_meta`.
        if let Access::Closed(closed) = &member.access {
            parts.push(closed.sentence(name));
        }
        if let Some(snapshot) = member.snapshot() {
            if let Some(failure) = &snapshot.failure {
                parts.push(format!("{}.", failure.clone().into_error(name)));
            }
            if let Some(own) = &snapshot.instructions {
                parts.push(format!("{name}: {own}"));
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
