//! Which revision a request is of, and whether its headers agree with its body
//! (2026-07-28, versioning and streamable HTTP, server validation).

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use base::trace::{self, Parent, TRACEPARENT};
use mcp::error::{INVALID_PARAMS, RpcError};
use mcp::{Message, RawObject, Version, headers, meta};
use relay::upstream::Client;

/// What a request's opening says.
#[derive(Debug)]
pub(super) enum Opening {
    /// A stateless request with its own metadata.
    Modern(Client),
    /// A request of a revision with sessions.
    Legacy,
}

/// Decides by the request's `_meta` and header.
pub(super) fn opening(map: &HeaderMap, message: &Message) -> Result<Opening, RpcError> {
    let header = map
        .get(headers::PROTOCOL_VERSION)
        .map(|value| value.to_str().unwrap_or_default());
    if map.get_all(headers::PROTOCOL_VERSION).iter().count() > 1 {
        return Err(RpcError::header_mismatch(
            "MCP-Protocol-Version is repeated",
        ));
    }
    let metadata = metadata(message);
    let in_body = metadata
        .as_ref()
        .and_then(|m| m.get_str(meta::PROTOCOL_VERSION));
    let header_is_modern = header
        .and_then(|h| h.parse().ok())
        .is_some_and(Version::is_modern);
    match (in_body, header) {
        (None, None) => Ok(Opening::Legacy),
        // The revision is agreed in the body, whatever a client of a later one writes into its headers.
        (None, Some(_)) if is_handshake(message) => Ok(Opening::Legacy),
        (None, Some(_)) if header_is_modern && message.method.is_none() => Err(RpcError::new(
            mcp::error::INVALID_REQUEST,
            "a stateless client sends no responses",
        )
        .with_status(400)),
        // Notification POSTs of the stateless era need no metadata.
        (None, Some(_)) if header_is_modern && message.id.is_none() => {
            Ok(Opening::Modern(Client::gateway()))
        }
        (None, Some(_)) if header_is_modern => Err(missing(meta::PROTOCOL_VERSION)),
        (None, Some(header)) => match header.parse::<Version>() {
            Ok(_) => Ok(Opening::Legacy),
            Err(()) => Err(RpcError::unsupported_version(header)),
        },
        (Some(_), None) => Err(RpcError::header_mismatch(
            "Header mismatch: MCP-Protocol-Version is missing",
        )),
        (Some(body), Some(header)) if body != header => Err(RpcError::header_mismatch(format!(
            "Header mismatch: MCP-Protocol-Version header value '{header}' does not match body value '{body}'"
        ))),
        (Some(body), Some(_)) => match body.parse::<Version>() {
            Ok(version) if version.is_modern() => {
                modern(map, message, &metadata.unwrap_or_default())
            }
            _ => Err(RpcError::unsupported_version(&body)),
        },
    }
}

fn is_handshake(message: &Message) -> bool {
    message.method.as_deref() == Some("initialize") && message.id.is_some()
}

/// Decides by the body alone, on a connection where messages have no headers.
pub(super) fn opening_of_body(message: &Message) -> Result<Opening, RpcError> {
    let Some(metadata) = metadata(message) else {
        return Ok(Opening::Legacy);
    };
    let Some(asked) = metadata.get_str(meta::PROTOCOL_VERSION) else {
        return Ok(Opening::Legacy);
    };
    match asked.parse::<Version>() {
        Ok(version) if version.is_modern() => client_in(message, &metadata).map(Opening::Modern),
        _ => Err(RpcError::unsupported_version(&asked)),
    }
}

fn metadata(message: &Message) -> Option<RawObject<'_>> {
    let params = message.params.as_deref()?;
    // Only the one member is opened; the rest of the parameters stays as it is.
    #[derive(serde::Deserialize)]
    struct Meta<'a> {
        #[serde(borrow, rename = "_meta")]
        meta: Option<RawObject<'a>>,
    }
    let meta = serde_json::from_slice::<Meta<'_>>(params).ok()?.meta?;
    if let Some(parent) = meta.get_str(TRACEPARENT) {
        // What stands beside the call is nearer to it than what stands in a header.
        trace::note(|trace| trace.follows(Parent::parse(parent.as_bytes())));
    }
    Some(meta)
}

fn missing(key: &str) -> RpcError {
    RpcError::new(
        INVALID_PARAMS,
        format!("Invalid params: _meta[\"{key}\"] is missing or malformed"),
    )
    .with_status(400)
}

fn modern(
    map: &HeaderMap,
    message: &Message,
    metadata: &RawObject<'_>,
) -> Result<Opening, RpcError> {
    let client = client_in(message, metadata)?;
    let method = message.method.as_deref().unwrap_or_default();
    agree(map, &headers::METHOD, Some(method))?;
    let name = match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    };
    if let Some(member) = name {
        let params = RawObject::parse(message.params_or_empty()).map_err(|_| {
            RpcError::new(
                INVALID_PARAMS,
                "params must be an object without repeated members",
            )
            .with_status(400)
        })?;
        agree(map, &headers::NAME, params.get_str(member).as_deref())?;
    }
    Ok(Opening::Modern(client))
}

/// The client as the request's own metadata describes it.
fn client_in(message: &Message, metadata: &RawObject<'_>) -> Result<Client, RpcError> {
    let capabilities = metadata
        .get(meta::CLIENT_CAPABILITIES)
        .filter(|c| c.starts_with(b"{"));
    let capabilities = capabilities.ok_or_else(|| missing(meta::CLIENT_CAPABILITIES))?;
    let part = |json: &[u8]| {
        if within(&message.whole, json) {
            message.whole.slice_ref(json)
        } else {
            Bytes::copy_from_slice(json)
        }
    };
    Ok(Client {
        info: metadata
            .get(meta::CLIENT_INFO)
            .map_or_else(|| Client::gateway().info, part),
        capabilities: part(capabilities),
        log_level: metadata.get(meta::LOG_LEVEL).map(part),
        legacy_version: Version::NEWEST_LEGACY,
        prefers_legacy: false,
    })
}

fn within(whole: &[u8], part: &[u8]) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr())
}

/// A header that mirrors a value of the body must be there once, decode, and be equal.
fn agree(map: &HeaderMap, name: &HeaderName, body: Option<&str>) -> Result<(), RpcError> {
    let mut values = map.get_all(name).iter();
    let Some(value) = values.next() else {
        return Err(RpcError::header_mismatch(format!(
            "Header mismatch: {name} is missing"
        )));
    };
    let shown = headers::decode(value).filter(|_| values.next().is_none());
    match (shown, body) {
        (Some(shown), Some(body)) if shown == body => Ok(()),
        (Some(shown), Some(body)) => Err(RpcError::header_mismatch(format!(
            "Header mismatch: {name} header value '{shown}' does not match body value '{body}'"
        ))),
        (Some(_), None) => Err(RpcError::new(
            INVALID_PARAMS,
            "params.name or params.uri must be a string",
        )
        .with_status(400)),
        (None, _) => Err(RpcError::header_mismatch(format!(
            "Header mismatch: {name} is malformed"
        ))),
    }
}
