//! 8.2.1.

use mentor_gateway::auth::token::TokenKind;
use serde_json::json;

use crate::harness::{Academy, Mcp};

#[tokio::test]
async fn somebody_else_s_enrollments_are_denied_whether_they_exist_or_not() {
    let academy = Academy::v1().await;
    let scopes = ["enrollments:read"];
    let person = academy
        .gateway
        .with_key("bob", TokenKind::Mcp, &scopes)
        .await;
    let client = Mcp::modern(&person, "/mcp/v2/");
    for id in ["usr_john_doe", "usr_nobody"] {
        let reply = client
            .call("academy_get_enrollments", json!({ "userId": id }))
            .await;
        assert_eq!(
            crate::harness::refusal(&reply),
            json!({ "error": { "code": "ACCESS_DENIED", "message": "You do not have access to this user" } })
        );
    }
}
