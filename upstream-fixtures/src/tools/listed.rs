//! How the tools are listed.
//! Must never list a tool that `tools/mod.rs` does not know.

use serde_json::{Value, json};

use super::content::PNG;

/// Returns the definitions of all tools a fixture has by itself.
pub fn every_tool() -> Vec<Value> {
    let text = json!({ "text": { "type": "string", "description": "What to say" } });
    let uri = json!({ "uri": { "type": "string", "format": "uri" } });
    let ask = json!({
        "question": { "type": "string" },
        "mode": { "enum": ["form", "url"], "default": "form" },
        "rounds": { "type": "integer", "minimum": 1, "maximum": 9, "default": 1 },
    });
    let steps = json!({ "steps": { "type": "integer" }, "pause_ms": { "type": "integer" } });
    vec![
        echo(text),
        tool(
            "whoami",
            "Answers the headers and the session it sees.",
            json!({}),
        ),
        tool(
            "slow",
            "Answers after a while.",
            json!({ "ms": { "type": "integer" } }),
        ),
        tool("progress", "Reports progress step by step.", steps),
        tool(
            "log",
            "Logs at every level.",
            json!({ "beside": { "type": "boolean" } }),
        ),
        tool("fail", "Answers a result that is an error.", json!({})),
        tool(
            "fail_rpc",
            "Answers a JSON-RPC error with code 4242 and data.",
            json!({}),
        ),
        tool("ask", "Asks the user through the client.", ask),
        tool(
            "sample",
            "Asks the model through the client.",
            json!({ "prompt": { "type": "string" } }),
        ),
        tool("roots", "Asks the client for its roots.", json!({})),
        tool(
            "ask_all",
            "Asks the user, the model and the client at once.",
            json!({}),
        ),
        tool(
            "big",
            "Answers a text of that size.",
            json!({ "bytes": { "type": "integer" } }),
        ),
        tool(
            "big_numbers",
            "Answers numbers, nulls and members that are easily lost.",
            json!({}),
        ),
        tool("rich", "Answers a block of every type.", json!({})),
        header_params(),
        tool(
            "add_tool",
            "Adds a tool to the list.",
            json!({ "name": { "type": "string" } }),
        ),
        tool(
            "toggle_tool",
            "Adds or removes the tool `toggled`.",
            json!({}),
        ),
        tool("touch_resource", "Says that a resource was updated.", uri),
        tool("counter", "Counts its calls in this session.", json!({})),
    ]
}

/// Returns the definition of a tool that echoes its arguments, under any name.
pub fn plain_tool(name: &str, description: &str) -> Value {
    tool(name, description, json!({ "text": { "type": "string" } }))
}

fn tool(name: &str, description: &str, properties: Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": { "type": "object", "properties": properties },
    })
}

/// The tool with every member a definition can have, and some it does not know.
fn echo(properties: Value) -> Value {
    json!({
        "name": "echo",
        "title": "Echo",
        "description": "Answers its arguments.",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": ["text"],
            "$defs": { "unused": { "type": "integer", "maximum": 9_007_199_254_740_993_u64 } },
            "additionalProperties": true,
        },
        "outputSchema": {
            "type": "object",
            "properties": { "text": { "type": "string" } },
            "required": ["text"],
        },
        "annotations": {
            "title": "Echo",
            "readOnlyHint": true,
            "destructiveHint": false,
            "idempotentHint": true,
            "openWorldHint": false,
        },
        "icons": [{ "src": format!("data:image/png;base64,{PNG}"), "mimeType": "image/png", "sizes": ["1x1"] }],
        "_meta": { "com.example/kept": { "nothing": null, "count": 9_007_199_254_740_993_u64 } },
        "vendorMember": { "kept": true },
    })
}

/// The tool whose parameters a modern client mirrors into headers, one of them nested.
fn header_params() -> Value {
    let shard = json!({ "type": "integer", "x-mcp-header": "Shard" });
    let properties = json!({
        "region": { "type": "string", "x-mcp-header": "Region" },
        "dry_run": { "type": "boolean", "x-mcp-header": "Dry-Run" },
        "placement": { "type": "object", "properties": { "shard": shard } },
        "query": { "type": "string" },
    });
    tool(
        "header_params",
        "Answers the parameters that came in headers.",
        properties,
    )
}
