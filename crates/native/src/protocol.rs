//! The methods of MCP over a server of ours, in both eras.
//! A failed tool is a result that a model can read; a failed resource is an error.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Value, json};

use super::face::Face;
use super::faces::FACES;
use super::failure::{Allowance, Failure, Refusal};
use super::progress::Step;
use super::resource::COMPLETIONS_MAX;
use super::server::{Request, Server, input};
use super::tool::{Access, ToolEntry};
use mcp::error::{INVALID_PARAMS, INVALID_REQUEST, RpcError, resource_not_found};
use mcp::{LOG_LEVELS, Message, Version, message, meta};

/// How long a client may keep a list or a description, in ms: they change with a new release only.
const LIST_TTL_MS: u64 = 60_000;

/// A whole response and the HTTP status that goes with it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The response.
    pub text: Bytes,
    /// The status.
    pub status: u16,
    /// How the caller's allowance stands.
    pub allowance: Allowance,
}

impl Server {
    /// Answers one request. A refusal is an answer too.
    pub async fn handle(&self, request: &Request, message: &Message) -> Answer {
        let id = message.id.as_deref().unwrap_or(b"null");
        let mut allowance = Allowance::Uncounted;
        match self.dispatch(request, message, &mut allowance).await {
            Ok(result) => Answer {
                text: message::result(id, result.to_string().as_bytes()).into(),
                status: 200,
                allowance,
            },
            Err(error) => {
                let is_modern = request.version.is_some_and(Version::is_modern);
                Answer {
                    text: message::error(id, &error.to_json()).into(),
                    // To a session client 404 says that its session is gone.
                    status: if is_modern || error.status >= 500 {
                        error.status
                    } else {
                        200
                    },
                    allowance,
                }
            }
        }
    }

    async fn dispatch(
        &self,
        request: &Request,
        message: &Message,
        allowance: &mut Allowance,
    ) -> Result<Value, RpcError> {
        let method = message.method.as_deref().unwrap_or_default();
        let is_modern = request.version.is_some_and(Version::is_modern);
        let params: Value = serde_json::from_slice(message.params_or_empty())
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params must be an object"))?;
        match (method, is_modern) {
            ("initialize", false) => Ok(described(request)),
            ("server/discover", true) => Ok(discovered(request)),
            ("ping", false) => Ok(json!({})),
            ("logging/setLevel", false) => set_level(&params),
            ("tools/list", _) => only_page(&params)
                .map(|()| cacheable(request, json!({ "tools": tools(request.face) }))),
            ("tools/call", _) => self.call_tool(request, &params, allowance).await,
            ("resources/list", _) => only_page(&params).map(|()| {
                cacheable(
                    request,
                    json!({ "resources": resources(request.face, false) }),
                )
            }),
            ("resources/templates/list", _) => only_page(&params).map(|()| {
                cacheable(
                    request,
                    json!({ "resourceTemplates": resources(request.face, true) }),
                )
            }),
            ("resources/read", _) => self.read_resource(request, &params, allowance).await,
            ("completion/complete", _) => self.completion(request, &params, allowance).await,
            _ => Err(RpcError::method_not_found(method)),
        }
    }

    async fn call_tool(
        &self,
        request: &Request,
        params: &Value,
        allowance: &mut Allowance,
    ) -> Result<Value, RpcError> {
        let name = params["name"]
            .as_str()
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.name must be a string"))?;
        if request.face.tool(name).is_none() {
            let text = Refusal::UnknownTool(name.to_owned()).to_string();
            return Err(RpcError::new(INVALID_PARAMS, text));
        }
        let arguments = match &params["arguments"] {
            Value::Null => json!({}),
            arguments => arguments.clone(),
        };
        let reply = self.call(request, name, arguments).await;
        *allowance = reply.allowance;
        let result = match reply.outcome {
            Ok(output) => json!({
                "content": [{ "type": "text", "text": pretty(&output) }],
                "structuredContent": output,
                "isError": false,
            }),
            Err(failure) => json!({
                "content": [{ "type": "text", "text": pretty(&failure.body) }],
                "isError": true,
            }),
        };
        Ok(complete(request, result))
    }

    async fn read_resource(
        &self,
        request: &Request,
        params: &Value,
        allowance: &mut Allowance,
    ) -> Result<Value, RpcError> {
        let uri = params["uri"]
            .as_str()
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.uri must be a string"))?;
        let reply = self.read(request, uri).await;
        *allowance = reply.allowance;
        let held = reply.outcome.map_err(|failure| RpcError {
            code: match (failure.status, request.version) {
                (404, Some(version)) => resource_not_found(version),
                _ => error_of(&failure).code,
            },
            ..error_of(&failure)
        })?;
        let contents =
            json!([{ "uri": uri, "mimeType": "application/json", "text": pretty(&held) }]);
        let mut result = complete(request, json!({ "contents": contents }));
        if request.version.is_some_and(Version::is_modern) {
            // What is behind it changes at any time, and it is for this caller.
            result["ttlMs"] = 0.into();
            result["cacheScope"] = "private".into();
        }
        Ok(result)
    }

    async fn completion(
        &self,
        request: &Request,
        params: &Value,
        allowance: &mut Allowance,
    ) -> Result<Value, RpcError> {
        let uri = params["ref"]["uri"].as_str();
        let entry = request
            .face
            .resources
            .iter()
            .find(|entry| Some(entry.uri) == uri);
        let entry = entry.ok_or_else(|| {
            RpcError::new(INVALID_PARAMS, "params.ref must name a resource template")
        })?;
        let argument = &params["argument"];
        if argument["name"].as_str() != entry.variable() {
            return Err(RpcError::new(
                INVALID_PARAMS,
                "the template has no such variable",
            ));
        }
        let typed = argument["value"].as_str().unwrap_or_default();
        let (found, counted) = self.complete(request, entry, typed).await;
        *allowance = counted;
        let mut values = found.map_err(|refusal| error_of(&self.spell(request, &refusal)))?;
        let has_more = values.len() > COMPLETIONS_MAX;
        values.truncate(COMPLETIONS_MAX);
        let mut completion = json!({ "values": values, "hasMore": has_more });
        if !has_more {
            completion["total"] = values.len().into();
        }
        Ok(complete(request, json!({ "completion": completion })))
    }
}

/// A failure as a JSON-RPC error, with the face's own words as its data.
pub fn error_of(failure: &Failure) -> RpcError {
    let code = match failure.status {
        400 | 404 | 409 => INVALID_PARAMS,
        500.. => mcp::error::INTERNAL_ERROR,
        _ => INVALID_REQUEST,
    };
    let message = failure.body["error"]["message"]
        .as_str()
        .unwrap_or_default();
    let error = RpcError::new(code, message).with_data(failure.body.clone());
    // A fault of ours is one on the wire too; what the caller did wrong is an answer.
    match failure.status {
        500.. => error.with_status(failure.status),
        _ => error,
    }
}

/// The token under which a client wants to hear how far a call is, if the tool tells it.
pub(super) fn progress_token(face: &Face, message: &Message) -> Option<Value> {
    if message.method.as_deref() != Some("tools/call") {
        return None;
    }
    let params: Value = serde_json::from_slice(message.params_or_empty()).ok()?;
    let tool = face.tool(params["name"].as_str()?)?;
    let token = &params["_meta"][meta::PROGRESS_TOKEN];
    let is_token = tool.tells_progress && (token.is_string() || token.is_i64());
    is_token.then(|| token.clone())
}

/// The notification of a step.
pub(super) fn progress_notification(token: &Value, step: &Step) -> Bytes {
    let words = [
        step.current_user.as_deref(),
        Some(step.status),
        step.message.as_deref(),
    ];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    let params = json!({
        "progressToken": token,
        "progress": step.completed,
        "total": step.total,
        "message": words.join(": "),
    });
    message::notification("notifications/progress", params.to_string().as_bytes()).into()
}

/// The tools of every server of ours, as they are listed, by the server's name.
static TOOLS: LazyLock<HashMap<&str, Vec<Value>>> = LazyLock::new(|| {
    let listed = |face: &&Face| face.tools.iter().map(|tool| listed(face, tool)).collect();
    FACES.iter().map(|face| (face.name, listed(face))).collect()
});

/// The tools of a server of ours, as they are listed.
pub fn tools(face: &Face) -> &'static [Value] {
    TOOLS.get(face.name).map_or(&[], Vec::as_slice)
}

fn listed(face: &Face, tool: &ToolEntry) -> Value {
    let is_read = tool.access == Access::Read;
    json!({
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": input(face, tool),
        "outputSchema": (tool.output)(),
        "annotations": {
            "title": tool.title,
            "readOnlyHint": is_read,
            "destructiveHint": false,
            "idempotentHint": tool.is_idempotent,
            "openWorldHint": false,
        },
    })
}

/// The resources of a server of ours, or their templates, as they are listed.
pub fn resources(face: &Face, are_templates: bool) -> Vec<Value> {
    let key = if are_templates { "uriTemplate" } else { "uri" };
    let wanted = face
        .resources
        .iter()
        .filter(|entry| entry.is_template() == are_templates);
    let listed = wanted.map(|entry| {
        json!({
            key: entry.uri,
            "name": entry.name,
            "description": entry.description,
            "mimeType": "application/json",
        })
    });
    listed.collect()
}

fn described(request: &Request) -> Value {
    let version = request.version.unwrap_or(Version::NEWEST_LEGACY);
    json!({
        "protocolVersion": version.as_str(),
        "capabilities": capabilities(),
        "serverInfo": server_info(request),
        "instructions": request.face.instructions,
    })
}

fn discovered(request: &Request) -> Value {
    let versions: Vec<&str> = Version::ALL
        .iter()
        .map(|version| version.as_str())
        .collect();
    let result = json!({
        "supportedVersions": versions,
        "capabilities": capabilities(),
        "instructions": request.face.instructions,
        "_meta": { meta::SERVER_INFO: server_info(request) },
    });
    cacheable(request, result)
}

fn capabilities() -> Value {
    json!({ "tools": {}, "resources": {}, "completions": {}, "logging": {} })
}

fn server_info(request: &Request) -> Value {
    let face = request.face;
    json!({ "name": face.server_name, "title": face.title, "version": face.version })
}

fn set_level(params: &Value) -> Result<Value, RpcError> {
    let level = params["level"].as_str().unwrap_or_default();
    if LOG_LEVELS.contains(&level) {
        Ok(json!({}))
    } else {
        Err(RpcError::new(
            INVALID_PARAMS,
            "level must be one of the RFC 5424 severities",
        ))
    }
}

/// Our lists are one page; nobody was given a cursor.
fn only_page(params: &Value) -> Result<(), RpcError> {
    match params["cursor"] {
        Value::Null => Ok(()),
        _ => Err(RpcError::new(INVALID_PARAMS, "Invalid cursor")),
    }
}

/// A result with what its era says about every result.
fn complete(request: &Request, mut result: Value) -> Value {
    if request.version.is_some_and(Version::is_modern) {
        result["resultType"] = "complete".into();
    }
    result
}

/// The same for a result that is equal for everybody.
fn cacheable(request: &Request, result: Value) -> Value {
    let mut result = complete(request, result);
    if request.version.is_some_and(Version::is_modern) {
        result["ttlMs"] = LIST_TTL_MS.into();
        result["cacheScope"] = "public".into();
    }
    result
}

/// As the specification of v2 shows it (8.8.2): two spaces.
fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value is JSON")
}
