//! The tool that stands in a list for the tools of a server that its person must sign in to first, so that no server
//! is silently missing. It has no effect of its own: calling it is what brings up the question.

use bytes::Bytes;
use serde_json::json;

use super::item::Item;
use super::view::{Access, Closed, Member};
use broker::registry::{AuthType, Scope};
use mcp::Version;

/// Its own name, before the server's prefix.
const NAME: &str = "connect_account";

/// The tool, for a server that needs its person to sign in.
pub(super) fn tool(member: &Member) -> Option<Item> {
    if !matches!(member.access, Access::Closed(Closed::SignInNeeded)) {
        return None;
    }
    let server = &member.server.name;
    let tool = json!({
        "name": NAME,
        "title": format!("Connect your account at {server}"),
        "description": format!(
            "Lets the user connect their own account at {server}. Its tools are listed once that is done. \
             Call this when the user asks for something that {server} may be able to do."
        ),
        "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false },
        "annotations": { "readOnlyHint": false, "destructiveHint": false, "idempotentHint": true, "openWorldHint": true },
    });
    Some(Item {
        key: NAME.to_owned(),
        json: Bytes::from(tool.to_string()),
        for_sessions: None,
        param_headers: [].into(),
        is_idempotent: true,
    })
}

/// Whether a name is that of the tool of this server, which lists it no more since its person has signed in.
pub(super) fn is_tool(member: &Member, exposed: &str) -> bool {
    let is_personal =
        member.server.auth_type == AuthType::Oauth2 && member.server.auth_scope == Scope::User;
    is_personal && member.ready().is_some() && member.prefix.may_expose(NAME, exposed)
}

/// What the tool answers then.
pub(super) fn answer(member: &Member, version: Version) -> Vec<u8> {
    let text = format!(
        "Your account at {} is connected; its tools can be used now.",
        member.server.name
    );
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": false });
    if version.is_modern() {
        result["resultType"] = "complete".into();
    }
    result.to_string().into_bytes()
}
