//! MCP server records: what is answered, what is refused, what other tenants see (docs/inside/contract.md#servers).

use serde_json::{Value, json};

use crate::harness::{Client, Gateway, PUBLIC_SERVER};

const SECRET: &str = "Bearer super-secret-api-key";

async fn create(client: &Client, fields: Value) -> Value {
    let mut body = json!({"name": "Workflow MCP", "url": PUBLIC_SERVER});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    client.post("mcp-servers/", body).await.expect(201)
}

fn path(server: &Value) -> String {
    format!("mcp-servers/{}/", server["id"])
}

#[tokio::test]
async fn a_new_server_answers_the_union_of_the_known_fields() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let answer = create(
        &admin,
        json!({
            "description": "Search and index Drive documents", "transport": "sse", "auth_type": "oauth2",
            "auth_scope": "user", "credentials": SECRET, "extra_headers": {"x-mcp-client": "mentor-ui"},
            "id": 0, "platform": 0, "platform_key": "globex", "created_at": "2020-01-01T00:00:00Z", "command": "id",
        }),
    )
    .await;
    let at = "2026-11-21T00:00:00Z";
    assert_eq!(
        answer,
        json!({
            "id": answer["id"], "platform": 1, "platform_key": "acme", "mentor": null, "owner": "alice",
            "name": "Workflow MCP", "description": "Search and index Drive documents", "url": PUBLIC_SERVER,
            "image": null, "transport": "sse", "credentials": "Bearer sup****key",
            "extra_headers": {"x-mcp-client": "mentor-ui"}, "auth_type": "oauth2", "auth_scope": "user",
            "oauth_service": null,
            "oauth_service_data": {
                "id": 0, "oauth_provider": "", "oauth_provider_id": null, "name": "", "display_name": "",
                "description": "", "scope": "", "image": null, "created_at": at, "updated_at": at,
            },
            "mcp_server_connections": "[]", "connected_service": null, "is_featured": false, "is_enabled": true,
            "clean_output": true, "tool_prefix": "workflow-mcp",
            "permissions": {"object": {"write": true, "delete": true}}, "created_at": at, "updated_at": at,
        })
    );
    assert_eq!(admin.get(&path(&answer)).await.expect(200), answer);
}

#[tokio::test]
async fn every_failing_field_is_reported_at_once() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let refused = admin
        .post(
            "mcp-servers/",
            json!({
                "url": "nonsense", "transport": "stdio", "auth_type": "basic", "auth_scope": "galaxy",
                "is_enabled": "maybe", "extra_headers": {"Host": "x", "X-A": "a\nb"}, "mentor": "x", "owner": "gil",
                "credentials": "a\r\nb", "oauth_service": 999_999, "tool_prefix": "no spaces", "image": "http://x/y.png",
            }),
        )
        .await;
    assert_eq!(
        refused.expect(400),
        json!({
            "auth_scope": ["\"galaxy\" is not a valid choice."],
            "auth_type": ["\"basic\" is not a valid choice."],
            "credentials": ["Credentials must be printable ASCII text without spaces at the ends."],
            "extra_headers": ["Header 'Host' is not allowed.", "The value of header 'X-A' must be printable ASCII text."],
            "image": ["The submitted data was not a file. Check the encoding type on the form."],
            "is_enabled": ["Must be a valid boolean."],
            "mentor": ["Must be a valid UUID."],
            "name": ["This field is required."],
            "oauth_service": ["Invalid pk \"999999\" - object does not exist."],
            "owner": ["Invalid pk \"gil\" - object does not exist."],
            "tool_prefix": ["Enter up to 24 letters, digits, hyphens and underscores."],
            "transport": ["\"stdio\" is not a valid choice."],
            "url": ["Enter a valid URL."],
        })
    );
    assert_eq!(admin.get("mcp-servers/").await.expect(200)["count"], 0);
    let empty = admin.post("mcp-servers/", json!({})).await;
    assert_eq!(
        empty.expect(400),
        json!({"name": ["This field is required."], "url": ["This field is required."]})
    );
}

#[tokio::test]
async fn addresses_that_point_inside_are_refused_by_a_rule_that_is_named() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let open = "the operator of the gateway can open its range with `--egress-allow`";
    let inside = |address: &str| format!("{address} is not on the public internet; {open}");
    let name = format!("this name stands for the gateway's own machine or network; {open}");
    let plain = format!(
        "http and ws are not encrypted and allowed only to addresses that the operator opened; use https or wss, or {open}"
    );
    let scheme = "its scheme is none of https, wss, http and ws; a server on stdio has no address and needs one of \
                  these before it";
    for (url, rule) in [
        ("https://127.0.0.1/", inside("127.0.0.1")),
        ("https://localhost/", name.clone()),
        ("https://169.254.169.254/", inside("169.254.169.254")),
        ("https://10.0.0.8/mcp", inside("10.0.0.8")),
        ("https://[::1]/", inside("::1")),
        ("http://example.com/", plain.clone()),
        ("ws://example.com/", plain),
        (
            "https://user@example.com/",
            "it contains a user name or a password; enter them as `credentials`".into(),
        ),
        ("file:///etc/passwd", scheme.into()),
        ("stdio://server", scheme.into()),
        ("https://2130706433/", inside("127.0.0.1")),
        (
            "https://example.com:22/",
            "port 22 is that of another protocol".into(),
        ),
        (
            "https://example.com/#part",
            "the URL contains a fragment".into(),
        ),
    ] {
        let refused = admin
            .post("mcp-servers/", json!({"name": "x", "url": url}))
            .await;
        assert_eq!(
            refused.expect(400),
            json!({"url": [format!("URL is not allowed: {rule}.")]}),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_masked_secret_sent_back_keeps_the_stored_one() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let server = create(&admin, json!({"credentials": SECRET})).await;
    let read = admin.get(&path(&server)).await.expect(200);
    let kept = admin.put(&path(&server), read.clone()).await.expect(200);
    assert_eq!(kept["credentials"], "Bearer sup****key");
    let rotated = admin
        .patch(
            &path(&server),
            json!({"credentials": "Bearer another-long-secret-key"}),
        )
        .await
        .expect(200);
    assert_eq!(rotated["credentials"], "Bearer ano****key");
    let cleared = admin
        .patch(&path(&server), json!({"credentials": ""}))
        .await
        .expect(200);
    assert_eq!(cleared["credentials"], "");
    let refused = admin
        .patch(&path(&server), json!({"credentials": "Bearer ano****key"}))
        .await;
    let again = json!({"credentials": ["Enter the credential again: this is only its mask."]});
    assert_eq!(refused.expect(400), again);
}

#[tokio::test]
async fn a_new_address_asks_for_the_secrets_again_and_deactivates_every_connection() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    let server = create(
        &admin,
        json!({"credentials": SECRET, "extra_headers": {"x-key": "k"}, "is_featured": true}),
    )
    .await;
    let connection = json!({"server": server["id"], "scope": "platform", "auth_type": "token", "credentials": "k"});
    let own = admin
        .post("mcp-server-connections/", connection.clone())
        .await
        .expect(201);
    let foreign = stranger
        .post("mcp-server-connections/", connection)
        .await
        .expect(201);

    let same_origin = json!({"url": format!("{PUBLIC_SERVER}/other/path")});
    admin.patch(&path(&server), same_origin).await.expect(200);
    for echoed in [json!({}), json!({"credentials": "Bearer sup****key"})] {
        let mut body = json!({"url": "https://other.example.com"});
        body.as_object_mut()
            .unwrap()
            .extend(echoed.as_object().unwrap().clone());
        let refused = admin.patch(&path(&server), body).await;
        assert_eq!(
            refused.expect(400),
            json!({
                "credentials": ["Enter the credential again: the server's address changed."],
                "extra_headers": ["Enter the headers again: the server's address changed."],
            })
        );
    }
    let moved = json!({"url": "https://other.example.com", "credentials": "Bearer new", "extra_headers": null});
    admin.patch(&path(&server), moved).await.expect(200);
    for (client, row) in [(&admin, &own), (&stranger, &foreign)] {
        let path = format!("mcp-server-connections/{}/", row["id"]);
        assert_eq!(client.get(&path).await.expect(200)["is_active"], false);
        let refused = client.patch(&path, json!({"is_active": true})).await;
        let again = json!({"credentials": ["Enter the credential again: the server or its address changed."]});
        assert_eq!(refused.expect(400), again);
        let entered = client
            .patch(&path, json!({"is_active": true, "credentials": "k2"}))
            .await;
        assert_eq!(entered.expect(200)["is_active"], true);
    }
}

#[tokio::test]
async fn another_tenants_featured_server_is_seen_without_its_secrets_and_cannot_be_changed() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    let private = create(&admin, json!({"name": "Private"})).await;
    let featured = create(
        &admin,
        json!({
            "is_featured": true, "credentials": SECRET, "extra_headers": {"x-key": "value"}, "mentor": gateway.mentor,
        }),
    )
    .await;

    let seen = stranger.get(&path(&featured)).await.expect(200);
    for (field, value) in [
        ("credentials", json!("")),
        ("extra_headers", json!(null)),
        ("owner", json!(null)),
        ("mentor", json!(null)),
        ("platform_key", json!("acme")),
        (
            "permissions",
            json!({"object": {"write": false, "delete": false}}),
        ),
    ] {
        assert_eq!(seen[field], value, "{field}");
    }
    let missing = stranger.get("mcp-servers/999999/").await;
    assert_eq!(missing.brief(), (404, r#"{"detail":"Not found."}"#.into()));
    for answer in [
        stranger.get(&path(&private)).await,
        stranger.patch(&path(&private), json!({"name": "x"})).await,
        stranger.patch(&path(&featured), json!({"name": "x"})).await,
        stranger
            .put(&path(&featured), json!({"name": "x", "url": PUBLIC_SERVER}))
            .await,
        stranger.delete(&path(&featured)).await,
    ] {
        assert_eq!(answer.brief(), missing.brief());
    }
    let list = stranger.get("mcp-servers/").await.expect(200);
    assert_eq!(list["count"], 1);
}

#[tokio::test]
async fn a_member_sees_header_names_but_not_their_values() {
    let gateway = Gateway::start().await;
    let (admin, learner) = (gateway.admin().await, gateway.learner().await);
    let server = create(
        &admin,
        json!({"credentials": SECRET, "extra_headers": {"x-key": "value"}}),
    )
    .await;
    let seen = learner.get(&path(&server)).await.expect(200);
    assert_eq!(seen["credentials"], "Bearer sup****key");
    assert_eq!(seen["extra_headers"], json!({"x-key": "****"}));
    assert_eq!(
        seen["permissions"],
        json!({"object": {"write": false, "delete": false}})
    );
    for answer in [
        learner
            .post("mcp-servers/", json!({"name": "x", "url": PUBLIC_SERVER}))
            .await,
        learner.patch(&path(&server), json!({"name": "x"})).await,
        learner.delete(&path(&server)).await,
    ] {
        let permission = r#"{"detail":"You do not have permission to perform this action."}"#;
        assert_eq!(answer.brief(), (403, permission.into()));
    }
}

#[tokio::test]
async fn the_list_is_narrowed_by_every_filter() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    create(&admin, json!({"name": "Bound", "mentor": gateway.mentor, "auth_type": "token", "auth_scope": "mentor"})).await;
    create(
        &admin,
        json!({"name": "Free_100%", "transport": "sse", "is_enabled": false}),
    )
    .await;
    create(&admin, json!({"name": "Shared", "description": "Über Drive", "url": "https://shared.example.com", "is_featured": true})).await;
    create(&stranger, json!({"name": "Foreign", "is_featured": true})).await;
    let mentor = &gateway.mentor;
    for (query, names) in [
        ("", &["Foreign", "Shared", "Free_100%", "Bound"][..]),
        ("is_featured=true", &["Foreign", "Shared"]),
        ("is_featured=False", &["Free_100%", "Bound"]),
        ("is_enabled=0", &["Free_100%"]),
        ("auth_type=token", &["Bound"]),
        ("auth_scope=agent", &["Bound"]),
        ("auth_scope=tenant", &["Foreign", "Shared", "Free_100%"]),
        ("transport=sse", &["Free_100%"]),
        ("url=https%3A%2F%2Fshared.example.com", &["Shared"]),
        ("url=https%3A%2F%2Fshared.example.co", &[]),
        ("search=DRIVE", &["Shared"]),
        ("search=0%25", &["Free_100%"]),
        ("search=_", &["Free_100%"]),
        ("search=%5C", &[]),
        ("search=", &["Foreign", "Shared", "Free_100%", "Bound"]),
        (&format!("mentor_unique_id={mentor}"), &["Bound"]),
        (
            &format!("mentor_unique_id={mentor}&include_global=true"),
            &["Foreign", "Shared", "Free_100%", "Bound"],
        ),
        (
            &format!("mentor_unique_id={mentor}&include_global=true&is_featured=true&page_size=12"),
            &["Foreign", "Shared"],
        ),
        (
            "platform=2&platform_key=globex&org=globex",
            &["Foreign", "Shared", "Free_100%", "Bound"],
        ),
    ] {
        let list = admin
            .get(&format!("mcp-servers/?{query}"))
            .await
            .expect(200);
        let found: Vec<&str> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, names, "{query}");
        assert_eq!(list["count"], names.len(), "{query}");
    }
    let refused = admin
        .get("mcp-servers/?auth_type=x&is_enabled=x&mentor_unique_id=x&search=%00")
        .await;
    assert_eq!(
        refused.expect(400),
        json!({
            "auth_type": ["\"x\" is not a valid choice."],
            "is_enabled": ["Must be a valid boolean."],
            "mentor_unique_id": ["Must be a valid UUID."],
            "search": ["Null characters are not allowed."],
        })
    );
}

#[tokio::test]
async fn a_tool_prefix_is_unique_in_its_tenant_unless_empty() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    let long = "A very long name of a server indeed";
    for (fields, prefix) in [
        (json!({}), "workflow-mcp"),
        (json!({}), "workflow-mcp-2"),
        (json!({"name": long}), "a-very-long-name-of-a-se"),
        (json!({"name": long}), "a-very-long-name-of-a-2"),
        (json!({"name": "日本"}), "server"),
        (json!({"tool_prefix": ""}), ""),
        (json!({"tool_prefix": ""}), ""),
        (json!({"tool_prefix": "Drive_1"}), "Drive_1"),
    ] {
        assert_eq!(
            create(&admin, fields.clone()).await["tool_prefix"],
            prefix,
            "{fields}"
        );
    }
    assert_eq!(
        create(&stranger, json!({})).await["tool_prefix"],
        "workflow-mcp"
    );
    let refused = admin
        .post(
            "mcp-servers/",
            json!({"name": "x", "url": PUBLIC_SERVER, "tool_prefix": "drive_1"}),
        )
        .await;
    let taken = json!({"tool_prefix": ["Another server of this tenant has this tool prefix."]});
    assert_eq!(refused.expect(400), taken);
}

#[tokio::test]
async fn deleting_a_server_takes_its_connections_with_it() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let server = create(&admin, json!({})).await;
    let connection = json!({"server": server["id"], "scope": "platform", "auth_type": "none"});
    admin
        .post("mcp-server-connections/", connection)
        .await
        .expect(201);
    let gone = admin.delete(&path(&server)).await;
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    assert_eq!(
        admin.get("mcp-server-connections/").await.expect(200)["count"],
        0
    );
    admin.get(&path(&server)).await.expect(404);
}

#[tokio::test]
async fn ids_that_are_no_row_numbers_are_not_found() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for id in [
        "0",
        "-1",
        "18446744073709551616",
        "9223372036854775808",
        "1e3",
        "9.0",
        "%209",
        "+1",
        "%D9%A9",
        "x",
    ] {
        admin.get(&format!("mcp-servers/{id}/")).await.expect(404);
    }
}

#[tokio::test]
async fn servers_registered_at_once_get_prefixes_of_their_own() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let creations = (0..8).map(|_| create(&admin, json!({})));
    let servers = futures_util::future::join_all(creations).await;
    let mut prefixes: Vec<&str> = servers
        .iter()
        .map(|server| server["tool_prefix"].as_str().unwrap())
        .collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    assert_eq!(prefixes.len(), 8);
}

#[tokio::test]
async fn a_url_is_of_the_scheme_that_its_transport_speaks() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for (transport, url) in [
        ("websocket", "https://mcp.example.com/ws"),
        ("websocket", "HTTPS://mcp.example.com/ws"),
        ("streamable_http", "wss://mcp.example.com/mcp"),
        ("sse", "wss://mcp.example.com/sse"),
        ("sse", "WSS://mcp.example.com/sse"),
    ] {
        let fields = json!({ "name": "Other", "url": url, "transport": transport });
        let refused = admin.post("mcp-servers/", fields).await.expect(400);
        assert!(
            refused["url"][0]
                .as_str()
                .unwrap()
                .starts_with("Enter a URL of "),
            "{refused}"
        );
    }
    let fields = json!({ "name": "Drive", "url": PUBLIC_SERVER, "transport": "sse" });
    let made = admin.post("mcp-servers/", fields).await.expect(201);
    let path = format!("mcp-servers/{}/", made["id"]);
    for change in [
        json!({ "transport": "websocket" }),
        json!({ "url": "wss://mcp.example.com/ws" }),
    ] {
        let refused = admin.patch(&path, change).await.expect(400);
        assert!(refused["url"].is_array(), "{refused}");
    }
    let both = json!({ "transport": "websocket", "url": "wss://mcp.example.com/ws" });
    admin.patch(&path, both).await.expect(200);
}
