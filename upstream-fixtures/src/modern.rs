//! What a 2026-07-28 server checks before it looks at the method.
//! Must never be asked about a legacy request.
//!
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Era};
use crate::revision::Revision;
use crate::rpc::{Message, RpcError};
use crate::seen::Headers;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const SPOKEN: &str = Revision::V2026_07_28.as_str();
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// The levels of a log message, least urgent first.
pub(crate) const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// Every revision a server of this behaviour accepts, newest first.
pub(crate) fn supported(behaviour: &Behaviour) -> Vec<&'static str> {
    let modern = [Revision::V2026_07_28]
        .into_iter()
        .filter(|_| behaviour.era != Era::Legacy);
    let legacy = behaviour
        .revisions
        .iter()
        .copied()
        .filter(|_| behaviour.era != Era::Modern);
    modern.chain(legacy).map(Revision::as_str).collect()
}

/// Checks the members that every modern request must carry.
///
/// # Errors
/// -32602 for a missing member or an unknown log level, -32022 for another version.
pub(crate) fn check_meta(behaviour: &Behaviour, message: &Message) -> Result<(), RpcError> {
    let missing = |key| RpcError::invalid_params(format!("missing required _meta field {key}"));
    let version = message
        .meta(VERSION)
        .as_str()
        .ok_or_else(|| missing(VERSION))?;
    if version != SPOKEN {
        return Err(RpcError::new(-32022, "Unsupported protocol version")
            .with(json!({ "supported": supported(behaviour), "requested": version })));
    }
    if !message.meta(CAPABILITIES).is_object() {
        return Err(missing(CAPABILITIES));
    }
    match message.meta(LOG_LEVEL) {
        Value::Null => Ok(()),
        Value::String(level) if LEVELS.contains(&level.as_str()) => Ok(()),
        other => Err(RpcError::invalid_params(format!(
            "unknown log level {other}"
        ))),
    }
}

/// Checks that the version header says what the body says.
///
/// # Errors
/// -32020 when it is missing or says something else.
pub(crate) fn check_version_header(headers: &Headers, message: &Message) -> Result<(), RpcError> {
    let header = find(headers, "MCP-Protocol-Version")?.ok_or_else(|| {
        mismatch(format!(
            "MCP-Protocol-Version header is missing; this server speaks {SPOKEN}"
        ))
    })?;
    match message.meta(VERSION) {
        Value::String(version) if *version != header => Err(mismatch(format!(
            "MCP-Protocol-Version header '{header}' does not match body value '{version}'"
        ))),
        _ => Ok(()),
    }
}

/// Checks the other headers that mirror the body; `tool` is the one that is called.
///
/// # Errors
/// -32020 when one is missing, cannot be decoded or says something else than the body.
pub(crate) fn check_mirrors(
    headers: &Headers,
    message: &Message,
    tool: Option<&Value>,
) -> Result<(), RpcError> {
    expect(headers, "Mcp-Method", &Value::from(message.method()))?;
    let params = message.params();
    match message.method() {
        "tools/call" | "prompts/get" => expect(headers, "Mcp-Name", &params["name"])?,
        "resources/read" => expect(headers, "Mcp-Name", &params["uri"])?,
        _ => {}
    }
    let mut mirrored = Vec::new();
    if let Some(tool) = tool {
        annotated(&tool["inputSchema"], &params["arguments"], &mut mirrored);
    }
    for (name, value) in mirrored.into_iter().filter(|(_, value)| !value.is_null()) {
        expect(headers, &format!("Mcp-Param-{name}"), value)?;
    }
    Ok(())
}

/// Returns the HTTP status of an error.
pub(crate) fn status_of(error: &RpcError) -> u16 {
    match error.code {
        -32601 => 404,
        -32022..=-32020 | -32700 | -32600 => 400,
        _ => 200,
    }
}

fn expect(headers: &Headers, name: &str, value: &Value) -> Result<(), RpcError> {
    match find(headers, name)? {
        None => Err(mismatch(format!("{name} header is missing"))),
        Some(header) if is_same(&header, value) => Ok(()),
        Some(header) => Err(mismatch(format!(
            "{name} header '{header}' does not match body value {value}"
        ))),
    }
}

fn mismatch(text: String) -> RpcError {
    RpcError::new(-32020, format!("Header mismatch: {text}"))
}

/// Finds a header and decodes the Base64 form of its value.
fn find(headers: &Headers, name: &str) -> Result<Option<String>, RpcError> {
    let Some((_, value)) = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
    else {
        return Ok(None);
    };
    let encoded = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    let Some(encoded) = encoded else {
        return Ok(Some(value.clone()));
    };
    let decoded = STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .map(Some)
        .ok_or_else(|| mismatch(format!("{name} header cannot be decoded")))
}

fn is_same(header: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => header == text,
        Value::Number(number) => header.parse().ok() == number.as_f64(),
        Value::Bool(flag) => header.parse() == Ok(*flag),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Collects the annotated parameters and their values, down the chain of `properties`.
fn annotated<'a>(schema: &'a Value, value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(header) = property["x-mcp-header"].as_str() {
            found.push((header, &value[name]));
        }
        annotated(property, &value[name], found);
    }
}
