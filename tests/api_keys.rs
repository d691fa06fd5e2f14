//! Keys as a tenant's admins manage them, and what a key of each kind opens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Gateway};

const DAY: Duration = Duration::from_secs(86_400);

/// Makes a key and returns the whole answer.
async fn make(admin: &Client, fields: Value) -> Value {
    admin.post("api-keys/", fields).await.expect(201)
}

fn with_key(client: &Client, answer: &Value) -> Client {
    let mut client = client.clone();
    client.key = Some(answer["key"].as_str().unwrap().to_owned());
    client
}

fn platform(name: &str) -> Value {
    json!({ "name": name, "kind": "platform" })
}

/// Whether a platform key of alice's is let in.
async fn opens(client: &Client) -> bool {
    let answer = client.get("mcp-servers/").await;
    match answer.status {
        200 => true,
        401 => {
            assert_eq!(answer.body, json!({ "detail": "Invalid token." }));
            false
        }
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_described_ever_after() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let asked = json!({
        "name": "Claude Code Integration", "kind": "mcp", "environment": "test", "user": "bob",
        "scopes": ["enrollments:read", "chat:write"], "allowed_ips": ["203.0.113.7", "2001:db8::/32"],
    });
    let mut made = make(&admin, asked).await;
    let key = made.as_object_mut().unwrap().remove("key").unwrap();
    let key = key.as_str().unwrap();
    assert!(key.starts_with("sk_mcp_test_") && key.len() == 44, "{key}");
    let id = made["id"].as_i64().unwrap();
    assert_eq!(
        made,
        json!({
            "id": id, "name": "Claude Code Integration", "kind": "mcp", "environment": "test", "user": "bob",
            "scopes": ["enrollments:read", "chat:write"], "allowed_ips": ["203.0.113.7/32", "2001:db8::/32"],
            "last4": &key[40..], "state": "works", "created_at": "2026-11-21T00:00:00Z",
            "expires_at": "2027-02-19T00:00:00Z", "revoked_at": null, "last_used_at": null, "replaced_by": null,
        })
    );
    assert_eq!(
        admin.get(&format!("api-keys/{id}/")).await.expect(200),
        made
    );
    let list = admin.get("api-keys/?kind=mcp&user=bob").await.expect(200);
    assert_eq!(
        (&list["count"], &list["results"]),
        (&json!(1), &json!([made]))
    );
    assert_eq!(
        admin.get("api-keys/?user=nobody").await.expect(200)["count"],
        0
    );
    assert_eq!(
        admin.get("api-keys/?kind=aea").await.expect(200)["count"],
        0
    );

    let aea = json!({ "name": "v1", "kind": "aea", "scopes": ["instructor", "learner"] });
    let aea = make(&admin, aea).await;
    assert!(
        aea["key"].as_str().unwrap().starts_with("aea_instructor_"),
        "{aea}"
    );
    assert_eq!(
        (&aea["expires_at"], &aea["user"]),
        (&json!(null), &json!("alice"))
    );
}

#[tokio::test]
async fn every_wrong_field_of_a_key_is_told_at_once() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let nothing = admin.post("api-keys/", json!({})).await.expect(400);
    assert_eq!(
        nothing,
        json!({ "kind": ["This field is required."], "name": ["This field is required."] })
    );
    let wrong = json!({
        "name": "x".repeat(101), "kind": "mcp", "environment": "prod", "user": "gus",
        "scopes": ["admin:email", "root"], "allowed_ips": ["10.0.0.0/33"], "expires_at": "2026-11-20T00:00:00Z",
    });
    assert_eq!(
        admin.post("api-keys/", wrong).await.expect(400),
        json!({
            "allowed_ips": ["\"10.0.0.0/33\" is neither an address nor a range such as 203.0.113.0/24."],
            "environment": ["\"prod\" is not a valid choice."],
            "expires_at": ["The time must be in the future."],
            "name": ["Ensure this field has no more than 100 characters."],
            "scopes": ["\"root\" is not a scope of mcp keys."],
            "user": ["Invalid pk \"gus\" - object does not exist."],
        })
    );
    let more_than_bob = json!({ "name": "x", "kind": "aea", "user": "bob", "scopes": ["admin"] });
    assert_eq!(
        admin.post("api-keys/", more_than_bob).await.expect(400),
        json!({ "scopes": ["The scope \"admin\" exceeds what the role learner allows."] })
    );
    let personal = json!({ "name": "x", "kind": "token", "user": "bob" });
    assert_eq!(
        admin.post("api-keys/", personal).await.expect(400),
        json!({ "kind": ["\"token\" is not a valid choice."] })
    );
    assert_eq!(
        admin.get("api-keys/").await.expect(200)["count"],
        1,
        "the admin's own alone"
    );
}

#[tokio::test]
async fn a_rotated_key_works_on_for_the_overlap_and_no_longer() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let mut asked = platform("runtime");
    asked["expires_at"] = json!("2026-12-01T00:00:00Z");
    asked["allowed_ips"] = json!(["127.0.0.0/8"]);
    let old = make(&admin, asked).await;
    gateway.advance(DAY);
    let rotate = format!("api-keys/{}/rotate/", old["id"]);
    let refused = admin
        .post(&rotate, json!({ "overlap_seconds": 604_801 }))
        .await;
    assert_eq!(
        refused.expect(400),
        json!({ "overlap_seconds": ["Enter a whole number from 0 to 604800."] })
    );
    let new = admin
        .post(&rotate, json!({ "overlap_seconds": 3600 }))
        .await
        .expect(201);
    for (field, value) in [
        ("name", json!("runtime")),
        ("kind", json!("platform")),
        ("allowed_ips", json!(["127.0.0.0/8"])),
        ("created_at", json!("2026-11-22T00:00:00Z")),
        ("expires_at", json!("2026-12-02T00:00:00Z")),
    ] {
        assert_eq!(new[field], value, "{field}");
    }
    let stored = admin
        .get(&format!("api-keys/{}/", old["id"]))
        .await
        .expect(200);
    assert_eq!(stored["replaced_by"], new["id"]);
    assert_eq!(stored["expires_at"], "2026-11-22T01:00:00Z");
    let (old_client, new_client) = (with_key(&admin, &old), with_key(&admin, &new));
    assert!(opens(&old_client).await && opens(&new_client).await);
    let again = admin.post(&rotate, json!({})).await;
    assert_eq!(
        again.brief(),
        (409, r#"{"detail":"The key was replaced already."}"#.into())
    );
    gateway.advance(Duration::from_secs(3600));
    assert!(!opens(&old_client).await && opens(&new_client).await);
    let again = admin.post(&rotate, json!({})).await;
    assert_eq!(
        again.brief(),
        (409, r#"{"detail":"The key no longer works."}"#.into())
    );
}

#[tokio::test]
async fn a_revoked_key_stops_at_once_and_stays_listed() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let key = make(&admin, platform("short-lived")).await;
    let client = with_key(&admin, &key);
    assert!(opens(&client).await);
    let path = format!("api-keys/{}/", key["id"]);
    admin.delete(&path).await.expect(204);
    assert!(!opens(&client).await);
    let stored = admin.get(&path).await.expect(200);
    assert_eq!(
        (&stored["state"], &stored["revoked_at"]),
        (&json!("revoked"), &json!("2026-11-21T00:00:00Z"))
    );
    assert_eq!(stored["last_used_at"], "2026-11-21T00:00:00Z");
    assert_eq!(admin.delete(&path).await.status, 404);
    assert_eq!(
        admin
            .post(&format!("{path}rotate/"), json!({}))
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn a_key_is_refused_from_other_addresses_and_after_a_change_of_them() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let mut asked = platform("office");
    asked["allowed_ips"] = json!(["203.0.113.0/24"]);
    let key = make(&admin, asked).await;
    let client = with_key(&admin, &key);
    assert_eq!(client.get("mcp-servers/").await.status, 403);
    let path = format!("api-keys/{}/", key["id"]);
    let changed = admin
        .patch(
            &path,
            json!({ "allowed_ips": ["127.0.0.1"], "name": "home" }),
        )
        .await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["allowed_ips"], &changed["name"]),
        (&json!(["127.0.0.1/32"]), &json!("home"))
    );
    assert!(opens(&client).await);
    let more = admin
        .patch(&path, json!({ "scopes": ["act-as", "root"] }))
        .await;
    assert_eq!(
        more.expect(400),
        json!({ "scopes": ["\"root\" is not a scope of platform keys."] })
    );
}

#[tokio::test]
async fn a_key_of_the_academy_opens_nothing_else() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for asked in [
        json!({ "name": "v1", "kind": "aea", "scopes": ["admin"] }),
        json!({ "name": "v2", "kind": "mcp", "scopes": ["admin:cohorts"] }),
        json!({ "name": "sandbox", "kind": "platform", "environment": "test" }),
    ] {
        let client = with_key(&admin, &make(&admin, asked).await);
        let refusal = r#"{"detail":"You do not have permission to perform this action."}"#;
        assert_eq!(
            client.get("mcp-servers/").await.brief(),
            (403, refusal.into())
        );
        assert_eq!(
            client.post("api-keys/", platform("more")).await.brief(),
            (403, refusal.into())
        );
        let mentor = format!("/mcp/mentors/{}/", gateway.mentor);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
        assert_eq!(client.post(&mentor, body).await.status, 403);
    }
}

#[tokio::test]
async fn nobody_sees_the_token_of_another_person_by_rotating_it() {
    let gateway = Gateway::start().await;
    let (admin, _learner) = (gateway.admin().await, gateway.learner().await);
    let list = admin.get("api-keys/?kind=token&user=bob").await.expect(200);
    let id = &list["results"][0]["id"];
    assert_eq!(
        admin
            .post(&format!("api-keys/{id}/rotate/"), json!({}))
            .await
            .status,
        403
    );
    admin.delete(&format!("api-keys/{id}/")).await.expect(204);
}

#[tokio::test]
async fn what_is_done_with_keys_stands_in_the_audit_without_them() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let old = make(&admin, platform("a")).await;
    let path = format!("api-keys/{}/", old["id"]);
    let new = admin
        .post(&format!("{path}rotate/"), json!({}))
        .await
        .expect(201);
    admin.patch(&path, json!({ "name": "b" })).await.expect(200);
    admin.delete(&path).await.expect(204);
    let audit = admin.get("audit/").await.expect(200);
    let rows = audit["results"].as_array().unwrap().iter().rev();
    let rows: Vec<Value> = rows
        .map(|row| json!([row["action"], row["object"], row["detail"]]))
        .collect();
    let (first, second) = (
        format!("api_key:{}", old["id"]),
        format!("api_key:{}", new["id"]),
    );
    assert_eq!(
        rows,
        [
            json!(["api_key.create", first, "name,kind"]),
            json!(["api_key.rotate", first, ""]),
            json!(["api_key.create", second, ""]),
            json!(["api_key.update", first, "name"]),
            json!(["api_key.revoke", first, ""]),
        ]
    );
    for key in [&old, &new] {
        assert!(!audit.to_string().contains(key["key"].as_str().unwrap()));
    }
}
