//! The "End-to-End Example" of the description (docs/inside/contract.md#resolution), as written, against our address.

use serde_json::json;

use crate::harness::{Gateway, PUBLIC_SERVER};

#[tokio::test]
async fn the_end_to_end_example_of_the_specification_works() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;

    let server = admin
        .post(
            "mcp-servers/",
            json!({
                "name": "Workflow MCP",
                "url": PUBLIC_SERVER,
                "transport": "sse",
                "auth_type": "token",
                "auth_scope": "platform",
                "is_enabled": true
            }),
        )
        .await
        .expect(201);
    let id = &server["id"];

    let connection = admin
        .post(
            "mcp-server-connections/",
            json!({
                "server": id,
                "scope": "platform",
                "auth_type": "token",
                "credentials": "sk-live-abcd1234",
                "authorization_scheme": "Bearer"
            }),
        )
        .await
        .expect(201);
    assert_eq!(connection["credentials"], "****");
    assert_eq!(connection["platform_key"], "acme");

    let settings = admin
        .patch(
            &format!("mentors/{}/settings/", gateway.mentor),
            json!({"tools": ["mcp-tool"], "mcp_servers": [id]}),
        )
        .await
        .expect(200);
    assert_eq!(settings["tools"], json!(["mcp-tool"]));
    assert_eq!(settings["mcp_servers"][0]["id"], *id);
    assert_eq!(settings["mentor_tools"][0]["slug"], "mcp-tool");
}
