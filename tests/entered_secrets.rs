//! Secrets as administrators enter them: what is refused, what a mask means, and that a new one is sent at once.

use mentor_gateway::registry::grant::{Grant, GrantId};
use mentor_gateway::registry::sealed::{ACCESS_TOKEN, Change, Record};
use mentor_gateway::secret::Secret;
use mentor_gateway::{sql, tenant};
use serde_json::json;
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{Mcp, Stage};

#[tokio::test]
async fn a_token_that_brings_its_scheme_along_is_refused_and_never_doubled() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = stage
        .register("Up", &upstream, json!({ "auth_type": "token" }))
        .await;
    let complaint = |scheme: &str| json!({ "credentials": [format!("Enter the credential without \"{scheme}\": the scheme is written before it.")] });
    let path = "mcp-server-connections/";
    for (scheme, secret) in [
        ("Bearer", "Bearer sk-1"),
        ("bearer", "Bearer sk-1"),
        ("ApiKey", "apikey k"),
    ] {
        let row = json!({
            "server": server, "scope": "platform", "auth_type": "token", "credentials": secret,
            "authorization_scheme": scheme,
        });
        let refused = stage.admin.post(path, row).await;
        assert_eq!(refused.expect(400), complaint(scheme));
    }
    let whole = json!({ "scope": "platform", "auth_type": "token", "credentials": "Bearer sk-1" });
    let row = stage.connect(server, whole).await;
    let of_row = format!("{path}{row}/");
    let later = json!({ "authorization_scheme": "Bearer" });
    let refused = stage.admin.patch(&of_row, later).await;
    assert_eq!(refused.expect(400), complaint("Bearer"));
    // As an older version stored it.
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE connections SET authorization_scheme = 'Bearer'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    stage.attach(&[server]).await;
    let reply = stage.modern().call("up__whoami", json!({})).await;
    assert_eq!(
        reply.structured()["headers"]["authorization"],
        "Bearer sk-1"
    );
}

#[tokio::test]
async fn a_mask_that_is_not_the_stored_secrets_is_refused() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let fields = json!({ "auth_type": "token", "credentials": "Bearer super-secret-api-key" });
    let server = stage.register("Up", &upstream, fields).await;
    let row =
        json!({ "scope": "platform", "auth_type": "token", "credentials": "super-secret-api-key" });
    let row = stage.connect(server, row).await;
    let of_row = format!("mcp-server-connections/{row}/");
    let of_server = format!("mcp-servers/{server}/");
    let another =
        json!({ "credentials": ["Enter the credential again: this is the mask of another one."] });
    for (path, shown, edited) in [
        (
            &of_row,
            "sup****key",
            ["sup****kez", "old****one", "Bearer sup****key"],
        ),
        (
            &of_server,
            "Bearer sup****key",
            ["Basic sup****key", "sup****key", "Bearer old****one"],
        ),
    ] {
        for mask in [shown, "****", "********"] {
            let kept = stage
                .admin
                .patch(path, json!({ "credentials": mask }))
                .await;
            assert_eq!(kept.expect(200)["credentials"], shown, "{mask}");
        }
        for mask in edited {
            let refused = stage
                .admin
                .patch(path, json!({ "credentials": mask }))
                .await;
            assert_eq!(refused.expect(400), another, "{mask}");
        }
    }
    // A mask of what was replaced meanwhile is stale.
    let rotated = json!({ "credentials": "another-secret-api-key" });
    stage.admin.patch(&of_row, rotated).await.expect(200);
    let stale = stage
        .admin
        .patch(&of_row, json!({ "credentials": "sup****key" }))
        .await;
    assert_eq!(stale.expect(400), another);
}

#[tokio::test]
async fn a_scope_that_is_none_is_the_only_complaint() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = stage.register("Up", &upstream, json!({})).await;
    let row = json!({ "server": server, "scope": "global", "auth_type": "none" });
    let refused = stage.admin.post("mcp-server-connections/", row).await;
    assert_eq!(
        refused.expect(400),
        json!({ "scope": ["\"global\" is not a valid choice."] })
    );
}

/// Seals a token for a grant, as a sign-in does.
async fn with_token(stage: &Stage, grant: i64, token: &str) {
    let app = &stage.gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let name = Grant::record_name(GrantId(grant));
    let record = Record {
        tenant: acme.id,
        name: &name,
        origin: "",
    };
    let sealed = record.seal(
        &app.vault,
        ACCESS_TOKEN,
        &Change::Set(Secret::new(token)),
        "",
    );
    sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET access_token_sealed = $2 WHERE id = $1",
        grant,
        sealed
    )
    .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_replaces_a_credential_is_sent_from_then_on() {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = stage
        .register("Up", &upstream, json!({ "auth_type": "token" }))
        .await;
    stage.attach(&[server]).await;
    let row = json!({
        "scope": "platform", "auth_type": "token", "credentials": "first", "authorization_scheme": "Bearer",
    });
    let row = stage.connect(server, row).await;
    let client: Mcp = stage.modern();
    let sent = async || {
        let reply = client.call("up__whoami", json!({})).await;
        reply.structured()["headers"]["authorization"].clone()
    };
    assert_eq!(sent().await, "Bearer first");
    let path = format!("mcp-server-connections/{row}/");
    for secret in ["second", "third", "fourth"] {
        let replaced = json!({ "credentials": secret });
        stage.admin.patch(&path, replaced).await.expect(200);
        assert_eq!(sent().await, format!("Bearer {secret}"), "at once");
    }
    let grant = stage.gateway.grant("acme", "alice").await;
    with_token(&stage, grant, "of-alice").await;
    let swapped = json!({ "auth_type": "oauth2", "connected_service": grant });
    stage.admin.patch(&path, swapped).await.expect(200);
    assert_eq!(sent().await, "Bearer of-alice", "at once");
}
