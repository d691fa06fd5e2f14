//! Connections: the rules per scope, their exact messages, and who may have which
//! (docs/inside/contract.md#connections).

use serde_json::{Value, json};

use crate::harness::{Client, Gateway, PUBLIC_SERVER};

const BASE: &str = "mcp-server-connections/";

/// A gateway with one server of acme and one private one of globex.
struct World {
    gateway: Gateway,
    admin: Client,
    server: i64,
    foreign: i64,
}

async fn world() -> World {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let server = new_server(&admin).await;
    let foreign = new_server(&gateway.stranger().await).await;
    World {
        gateway,
        admin,
        server,
        foreign,
    }
}

async fn new_server(client: &Client) -> i64 {
    let server = client
        .post(
            "mcp-servers/",
            json!({"name": "Google Drive MCP", "url": PUBLIC_SERVER}),
        )
        .await;
    server.expect(201)["id"].as_i64().unwrap()
}

impl World {
    async fn create(&self, body: Value) -> Value {
        self.admin
            .post(BASE, self.with_server(body))
            .await
            .expect(201)
    }

    async fn refused(&self, body: Value) -> Value {
        self.admin
            .post(BASE, self.with_server(body))
            .await
            .expect(400)
    }

    fn with_server(&self, mut body: Value) -> Value {
        let members = body.as_object_mut().unwrap();
        members.entry("server").or_insert(self.server.into());
        body
    }
}

fn path(row: &Value) -> String {
    format!("{BASE}{}/", row["id"])
}

#[tokio::test]
async fn the_specifications_platform_connection_answers_as_it_says() {
    let world = world().await;
    let row = world
        .create(json!({
            "scope": "platform", "auth_type": "token", "credentials": "super-secret-api-key",
            "authorization_scheme": "Bearer", "extra_headers": {"x-mcp-client": "mentor-ui"},
            "platform_key": null, "connected_service_summary": null,
        }))
        .await;
    let at = "2026-11-21T00:00:00Z";
    assert_eq!(
        row,
        json!({
            "id": row["id"], "server": world.server, "server_name": "Google Drive MCP", "scope": "platform",
            "auth_type": "token", "platform": 1, "platform_key": "acme", "user": null, "mentor": null,
            "connected_service": null, "connected_service_summary": null, "credentials": "sup****key",
            "authorization_scheme": "Bearer", "extra_headers": {"x-mcp-client": "mentor-ui"}, "is_active": true,
            "is_shared": true, "created_at": at, "updated_at": at,
        })
    );
    assert_eq!(world.admin.get(&path(&row)).await.expect(200), row);
}

#[tokio::test]
async fn a_user_connection_with_a_grant_shows_whose_it_is() {
    let world = world().await;
    let grant = world.gateway.grant("acme", "bob").await;
    let row = world
        .create(json!({"scope": "user", "auth_type": "oauth2", "user": "bob", "connected_service": grant}))
        .await;
    assert_eq!(row["user"], "bob");
    assert_eq!(row["credentials"], "");
    assert_eq!(
        row["connected_service_summary"],
        json!({
            "id": grant, "provider": "google", "service": "drive", "user": "bob", "platform_key": "acme",
            "needs_reauth": null, "needs_reauth_reason": null,
        })
    );
    let follows = world
        .create(json!({"auth_type": "oauth2", "connected_service": grant}))
        .await;
    assert_eq!(
        (&follows["scope"], &follows["user"]),
        (&json!("user"), &json!("bob"))
    );
}

#[tokio::test]
async fn every_scope_is_held_to_what_it_needs_and_forbids() {
    let world = world().await;
    let (mentor, grant) = (
        &world.gateway.mentor,
        world.gateway.grant("acme", "bob").await,
    );
    let foreign_grant = world.gateway.grant("globex", "gil").await;
    let required = "This field is required.";
    let unavailable = "Selected MCP server is not available to the current tenant.";
    for (body, errors) in [
        (
            json!({"server": null}),
            json!({"auth_type": [required], "server": ["This field may not be null."], "user": ["User scoped connections require a user or a connected service."]}),
        ),
        (
            json!({"scope": "mentor", "auth_type": "oauth2"}),
            json!({
                "mentor": ["Mentor scoped connections require a mentor."],
                "connected_service": ["OAuth2 connections require a connected service."],
            }),
        ),
        (
            json!({"scope": "platform", "auth_type": "token"}),
            json!({"credentials": ["Token based connections must include credentials."]}),
        ),
        (
            json!({"scope": "platform", "auth_type": "none", "user": "bob", "mentor": mentor}),
            json!({
                "user": ["Platform scoped connections must not name a user."],
                "mentor": ["Platform scoped connections must not name a mentor."],
            }),
        ),
        (
            json!({"scope": "mentor", "auth_type": "none", "mentor": mentor, "user": "bob"}),
            json!({"user": ["Mentor scoped connections must not name a user."]}),
        ),
        (
            json!({"scope": "user", "auth_type": "token", "credentials": "k", "mentor": mentor}),
            json!({
                "mentor": ["User scoped connections must not name a mentor."],
                "user": ["User scoped connections require a user or a connected service."],
            }),
        ),
        (
            json!({"server": world.foreign, "scope": "platform", "auth_type": "none"}),
            json!({"server": [unavailable]}),
        ),
        (
            json!({"server": 999_999, "scope": "platform", "auth_type": "none"}),
            json!({"server": [unavailable]}),
        ),
        (
            json!({"server": "x", "scope": "platform", "auth_type": "none"}),
            json!({"server": ["Incorrect type. Expected pk value, received str."]}),
        ),
        (
            json!({"scope": "platform", "auth_type": "none", "platform": 2}),
            json!({"platform": ["Connections must be created for the current platform context."]}),
        ),
        (
            json!({"scope": "user", "auth_type": "token", "credentials": "k", "user": "gil"}),
            json!({"user": ["Invalid pk \"gil\" - object does not exist."]}),
        ),
        (
            json!({"scope": "user", "auth_type": "oauth2", "connected_service": foreign_grant}),
            json!({"connected_service": [format!("Invalid pk \"{foreign_grant}\" - object does not exist.")]}),
        ),
        (
            json!({"scope": "user", "auth_type": "oauth2", "user": "carol", "connected_service": grant}),
            json!({"connected_service": ["Selected connected service belongs to another user."]}),
        ),
        (
            json!({"scope": "platform", "auth_type": "oauth2", "connected_service": grant}),
            json!({"connected_service": ["Selected connected service belongs to another user."]}),
        ),
        (
            json!({"scope": "mentor", "auth_type": "none", "mentor": "a1b2c3d4-e5f6-7890-abcd-ef1234567890"}),
            json!({"mentor": ["Invalid pk \"a1b2c3d4-e5f6-7890-abcd-ef1234567890\" - object does not exist."]}),
        ),
        (
            json!({"scope": "platform", "auth_type": "token", "credentials": "k", "authorization_scheme": "Bearer Basic"}),
            json!({"authorization_scheme": ["Enter a valid authorization scheme: one word such as Bearer."]}),
        ),
        (
            json!({"scope": "platform", "auth_type": "token", "credentials": " k", "authorization_scheme": "x".repeat(51)}),
            json!({
                "authorization_scheme": ["Ensure this field has no more than 50 characters."],
                "credentials": ["Credentials must be printable ASCII text without spaces at the ends."],
            }),
        ),
        (
            json!({"scope": "platform", "auth_type": "token", "credentials": "sup****key"}),
            json!({"credentials": ["Enter the credential again: this is only its mask."]}),
        ),
    ] {
        assert_eq!(world.refused(body.clone()).await, errors, "{body}");
    }
    assert_eq!(world.admin.get(BASE).await.expect(200)["count"], 0);
}

#[tokio::test]
async fn the_spelling_tenant_means_platform_and_drops_the_user() {
    let world = world().await;
    let row = world
        .create(json!({"scope": "tenant", "auth_type": "none", "user": "bob"}))
        .await;
    assert_eq!(
        (&row["scope"], &row["user"]),
        (&json!("platform"), &json!(null))
    );
}

#[tokio::test]
async fn the_agent_spelling_says_agent() {
    let world = world().await;
    let base = "/api/ai-agent/orgs/acme/users/alice/mcp-server-connections/";
    let refused = world
        .admin
        .post(
            base,
            world.with_server(json!({"scope": "agent", "auth_type": "none"})),
        )
        .await;
    assert_eq!(
        refused.expect(400),
        json!({"agent": ["Agent scoped connections require an agent."]})
    );
    let body = json!({"scope": "agent", "auth_type": "none", "agent": world.gateway.mentor});
    let row = world
        .admin
        .post(base, world.with_server(body))
        .await
        .expect(201);
    assert_eq!(
        (&row["agent"], &row["scope"]),
        (&json!(world.gateway.mentor), &json!("agent"))
    );
    assert_eq!(row.get("mentor"), None);
    let canonical = world.admin.get(&path(&row)).await.expect(200);
    assert_eq!(
        (&canonical["mentor"], &canonical["scope"]),
        (&row["agent"], &json!("mentor"))
    );
    assert_eq!(canonical.get("agent"), None);
    let list = world
        .admin
        .get(&format!(
            "{base}?agent={}&scope=agent",
            world.gateway.mentor
        ))
        .await;
    assert_eq!(list.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_change_is_held_to_the_rules_as_a_whole_row() {
    let world = world().await;
    let row = world.create(json!({"scope": "platform", "auth_type": "token", "credentials": "a-token-of-twenty-ch"})).await;
    let of_row = path(&row);
    let patch = |body: Value| world.admin.patch(&of_row, body);

    assert_eq!(
        patch(json!({"is_active": false})).await.expect(200)["is_active"],
        false
    );
    let kept = patch(json!({"credentials": "a-t****-ch", "mentor": "", "is_active": true}))
        .await
        .expect(200);
    assert_eq!(kept["credentials"], "a-t****-ch");
    assert_eq!(
        patch(json!({"scope": "mentor"})).await.expect(400),
        json!({"mentor": ["Mentor scoped connections require a mentor."]})
    );
    assert_eq!(
        patch(json!({"auth_type": "oauth2"})).await.expect(400),
        json!({"connected_service": ["OAuth2 connections require a connected service."]})
    );
    assert_eq!(
        patch(json!({"credentials": ""})).await.expect(400),
        json!({"credentials": ["Token based connections must include credentials."]})
    );
    assert_eq!(
        patch(json!({"server": world.foreign})).await.expect(400),
        json!({"server": ["Selected MCP server is not available to the current tenant."]})
    );
    let other = new_server(&world.admin).await;
    for echoed in [
        json!({"server": other}),
        json!({"server": other, "credentials": "a-t****-ch"}),
    ] {
        assert_eq!(
            patch(echoed).await.expect(400),
            json!({"credentials": ["Enter the credential again: the server or its address changed."]})
        );
    }
    assert_eq!(
        world
            .admin
            .put(&path(&row), json!({"scope": "platform"}))
            .await
            .expect(400),
        json!({"server": ["This field is required."], "auth_type": ["This field is required."]})
    );
    let none = patch(json!({"auth_type": "none"})).await.expect(200);
    assert_eq!(
        none["credentials"], "",
        "a secret that nothing uses is not kept"
    );
}

#[tokio::test]
async fn a_member_sees_and_makes_only_their_own() {
    let world = world().await;
    let learner = world.gateway.learner().await;
    let grant = world.gateway.grant("acme", "bob").await;
    let others = world.gateway.grant("acme", "carol").await;
    let platform = world
        .create(json!({"scope": "platform", "auth_type": "none"}))
        .await;
    let own = world
        .create(json!({"auth_type": "token", "credentials": "k", "user": "bob"}))
        .await;
    world
        .create(json!({"auth_type": "token", "credentials": "k", "user": "carol"}))
        .await;

    let list = learner.get(BASE).await.expect(200);
    assert_eq!(list["results"], json!([own]));
    assert_eq!(learner.get(&path(&own)).await.expect(200), own);
    learner.get(&path(&platform)).await.expect(403);
    for body in [
        json!({}),
        json!({"scope": "platform", "auth_type": "oauth2", "connected_service": grant}),
        json!({"auth_type": "token", "credentials": "k"}),
        json!({"auth_type": "oauth2", "connected_service": grant, "user": "carol"}),
        json!({"auth_type": "oauth2", "connected_service": grant, "user": "nobody"}),
    ] {
        learner
            .post(BASE, world.with_server(body))
            .await
            .expect(403);
    }
    let foreign = learner
        .post(
            BASE,
            world.with_server(json!({"auth_type": "oauth2", "connected_service": others})),
        )
        .await;
    assert_eq!(
        foreign.expect(400),
        json!({"connected_service": ["Selected connected service belongs to another user."]})
    );
    let made = learner
        .post(
            BASE,
            world.with_server(json!({"auth_type": "oauth2", "connected_service": grant})),
        )
        .await
        .expect(201);
    assert_eq!(made["user"], "bob");
    learner
        .patch(&path(&own), json!({"is_active": false}))
        .await
        .expect(403);
    learner
        .patch(&path(&made), json!({"scope": "platform"}))
        .await
        .expect(403);
    assert_eq!(
        learner
            .patch(&path(&made), json!({"is_active": false}))
            .await
            .expect(200)["is_active"],
        false
    );
    learner.delete(&path(&own)).await.expect(403);
    learner.delete(&path(&made)).await.expect(204);
}

#[tokio::test]
async fn the_list_is_narrowed_by_every_filter() {
    let world = world().await;
    let mentor = &world.gateway.mentor;
    let platform = world
        .create(json!({"scope": "platform", "auth_type": "none"}))
        .await["id"]
        .clone();
    let of_mentor = world
        .create(
            json!({"scope": "mentor", "auth_type": "none", "mentor": mentor, "is_active": false}),
        )
        .await["id"]
        .clone();
    let of_bob = world
        .create(json!({"auth_type": "token", "credentials": "k", "user": "bob"}))
        .await["id"]
        .clone();
    let server = world.server;
    for (query, ids) in [
        (String::new(), vec![&of_bob, &of_mentor, &platform]),
        ("auth_type=token".into(), vec![&of_bob]),
        ("is_active=False".into(), vec![&of_mentor]),
        (format!("mentor={mentor}"), vec![&of_mentor]),
        ("scope=tenant".into(), vec![&platform]),
        ("search=drive".into(), vec![&of_bob, &of_mentor, &platform]),
        ("search=BOB".into(), vec![&of_bob]),
        (
            format!("server={server}.0"),
            vec![&of_bob, &of_mentor, &platform],
        ),
        ("server=999999".into(), vec![]),
        ("user=bob".into(), vec![&of_bob]),
        ("page_size=1&page=2".into(), vec![&of_mentor]),
    ] {
        let list = world
            .admin
            .get(&format!("{BASE}?{query}"))
            .await
            .expect(200);
        let found: Vec<&Value> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["id"])
            .collect();
        assert_eq!(found, ids, "{query}");
    }
}

#[tokio::test]
async fn another_tenants_connections_are_not_found() {
    let world = world().await;
    let row = world
        .create(json!({"scope": "platform", "auth_type": "none"}))
        .await;
    let stranger = world.gateway.stranger().await;
    let missing = stranger.get(&format!("{BASE}999999/")).await;
    for answer in [
        stranger.get(&path(&row)).await,
        stranger
            .patch(&path(&row), json!({"is_active": false}))
            .await,
        stranger.delete(&path(&row)).await,
    ] {
        assert_eq!(answer.brief(), missing.brief());
    }
}

#[tokio::test]
async fn a_connection_to_a_server_that_is_featured_no_more_can_be_switched_off_and_deleted_alone() {
    let world = world().await;
    let stranger = world.gateway.stranger().await;
    let foreign = format!("mcp-servers/{}/", world.foreign);
    stranger
        .patch(&foreign, json!({"is_featured": true}))
        .await
        .expect(200);
    let row = world
        .create(json!({"server": world.foreign, "scope": "platform", "auth_type": "none"}))
        .await;
    stranger
        .patch(&foreign, json!({"is_featured": false}))
        .await
        .expect(200);
    for change in [
        json!({"is_active": true}),
        json!({"is_active": false, "is_shared": false}),
        json!({"is_active": false, "auth_type": "token", "credentials": "k"}),
    ] {
        let refused = world.admin.patch(&path(&row), change).await;
        assert_eq!(
            refused.expect(400),
            json!({"server": ["Selected MCP server is not available to the current tenant."]})
        );
    }
    let off = world
        .admin
        .patch(&path(&row), json!({"is_active": false}))
        .await;
    assert_eq!(off.expect(200)["is_active"], false);
    let mut whole = row.clone();
    whole["is_active"] = false.into();
    assert_eq!(
        world.admin.put(&path(&row), whole).await.expect(200)["is_active"],
        false
    );
    world.admin.delete(&path(&row)).await.expect(204);
}

#[tokio::test]
async fn a_member_sees_masks_for_the_headers_of_their_own_connection() {
    let world = world().await;
    let row = world
        .create(json!({
            "auth_type": "none", "user": "bob", "extra_headers": {"x-key": "a-secret-of-twenty-ch"},
        }))
        .await;
    assert_eq!(
        row["extra_headers"],
        json!({"x-key": "a-secret-of-twenty-ch"})
    );
    let learner = world.gateway.learner().await;
    let seen = learner.get(&path(&row)).await.expect(200);
    assert_eq!(seen["extra_headers"], json!({"x-key": "a-s****-ch"}));
}
