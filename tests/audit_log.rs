//! One row per change over REST, in the change's own transaction, for the tenant's admins to read.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Academy, Gateway, PUBLIC_SERVER, eventually};

fn brief(row: &Value) -> Value {
    json!([
        row["user"],
        row["action"],
        row["object"],
        row["outcome"],
        row["detail"]
    ])
}

#[tokio::test]
async fn every_change_leaves_one_row_with_names_and_no_values() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let body = json!({"name": "CANARY-name", "url": PUBLIC_SERVER, "credentials": "CANARY-secret"});
    let server = admin
        .with_header("x-request-id", "the-request")
        .post("mcp-servers/", body)
        .await
        .expect(201);
    let id = server["id"].as_i64().unwrap();
    let connection =
        json!({"server": id, "scope": "platform", "auth_type": "token", "credentials": "CANARY"});
    let connection = admin
        .post("mcp-server-connections/", connection)
        .await
        .expect(201)["id"]
        .as_i64()
        .unwrap();
    admin
        .patch(
            &format!("mcp-server-connections/{connection}/"),
            json!({"is_active": false}),
        )
        .await
        .expect(200);
    admin
        .patch(&format!("mcp-servers/{id}/"), json!({"name": ""}))
        .await
        .expect(400);
    admin
        .patch(
            &format!("mentors/{}/settings/", gateway.mentor),
            json!({"tools": ["mcp"]}),
        )
        .await
        .expect(200);
    admin
        .delete(&format!("mcp-servers/{id}/"))
        .await
        .expect(204);

    let list = admin.get("audit/").await.expect(200);
    let rows: Vec<Value> = list["results"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(brief)
        .collect();
    let (server, connection) = (format!("server:{id}"), format!("connection:{connection}"));
    assert_eq!(
        rows,
        [
            json!([
                "alice",
                "server.create",
                server,
                "ok",
                "name,url,credentials"
            ]),
            json!([
                "alice",
                "connection.create",
                connection,
                "ok",
                "server,scope,auth_type,credentials"
            ]),
            json!(["alice", "connection.update", connection, "ok", "is_active"]),
            json!([
                "alice",
                "mentor.settings",
                format!("mentor:{}", gateway.mentor),
                "ok",
                "tools"
            ]),
            json!(["alice", "server.delete", server, "ok", ""]),
        ]
    );
    let first = &list["results"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&first["request_id"], &first["server"]),
        (&json!("the-request"), &json!(id))
    );
    assert_eq!(first["at"], "2026-11-21T00:00:00Z");
    assert!(!list.to_string().contains("CANARY"));
}

#[tokio::test]
async fn the_log_is_narrowed_by_every_filter_and_is_the_tenants_own() {
    let gateway = Gateway::start().await;
    let (admin, stranger) = (gateway.admin().await, gateway.stranger().await);
    let create = json!({"name": "x", "url": PUBLIC_SERVER});
    let id = admin.post("mcp-servers/", create.clone()).await.expect(201)["id"].clone();
    stranger.post("mcp-servers/", create).await.expect(201);
    gateway.advance(Duration::from_secs(60));
    admin
        .patch(
            &format!("mentors/{}/settings/", gateway.mentor),
            json!({"tools": []}),
        )
        .await
        .expect(200);
    for (query, count) in [
        ("", 2),
        ("user=alice", 2),
        ("user=bob", 0),
        ("action=server.create", 1),
        ("outcome=ok", 2),
        (&format!("server={id}"), 1),
        (&format!("mentor={}", gateway.mentor), 1),
        ("since=2026-11-21T00:00:30Z", 1),
        ("until=2026-11-21T00:00:30%2B00:00", 1),
        ("page_size=1&page=2", 2),
        ("since=2026-11-21", 2),
        ("since=2026-11-22", 0),
        ("until=2026-11-21", 2),
        ("until=2026-11-20", 0),
        ("since=2026-11-21&until=2026-11-21", 2),
        (&format!("object=server:{id}"), 1),
        ("object=server:0", 0),
        ("tool=echo", 0),
        ("actor=alice", 0),
        ("step=platform", 0),
        ("request_id=none", 0),
    ] {
        assert_eq!(
            admin.get(&format!("audit/?{query}")).await.expect(200)["count"],
            count,
            "{query}"
        );
    }
    assert_eq!(
        admin
            .get("audit/?since=yesterday&server=x")
            .await
            .expect(400),
        json!({
            "server": ["Incorrect type. Expected pk value, received str."],
            "since": ["Enter a valid date/time with an offset, such as 2026-11-21T00:00:00Z."],
        })
    );
    let row = admin.get("audit/?page_size=1").await.expect(200)["results"][0].clone();
    let same = format!("audit/?request_id={}", row["request_id"].as_str().unwrap());
    assert_eq!(admin.get(&same).await.expect(200)["results"], json!([row]));
    // A filter that is not known would narrow nothing, without a word.
    for path in ["audit/", "audit/export/", "mcp-servers/1/resolve/"] {
        let asked = format!("{path}?from=yesterday&search=x&ordering=-at&user=alice");
        assert_eq!(
            admin.get(&asked).await.expect(400),
            json!({
                "from": ["This parameter is not known here."],
                "search": ["This parameter is not known here."],
                "ordering": ["This parameter is not known here."],
            }),
            "{path}"
        );
    }
    gateway.learner().await.get("audit/").await.expect(403);
}

#[tokio::test]
async fn a_refused_change_and_whoever_acts_for_another_are_on_record() {
    let gateway = Gateway::start().await;
    let (admin, runtime) = (
        gateway.admin().await,
        gateway.platform_key(&["act-as"]).await,
    );
    let as_bob = runtime
        .with_header("x-act-as-user", "bob")
        .on_path_of("acme", "bob");
    as_bob.post("mcp-servers/", json!({})).await.expect(403);
    as_bob
        .post("mcp-server-connections/", json!({}))
        .await
        .expect(403);
    let grant = gateway.grant("acme", "bob").await;
    let server = admin
        .post("mcp-servers/", json!({"name": "x", "url": PUBLIC_SERVER}))
        .await
        .expect(201);
    let own = json!({"server": server["id"], "auth_type": "oauth2", "connected_service": grant});
    as_bob
        .post("mcp-server-connections/", own)
        .await
        .expect(201);
    let made = admin
        .get("audit/?action=connection.create")
        .await
        .expect(200);
    assert_eq!(
        (&made["results"][0]["user"], &made["results"][0]["actor"]),
        (&json!("bob"), &json!("alice"))
    );
    // The row of a refusal is queued; it is there within the writer's gathering time.
    let mut refused = Value::Null;
    for _ in 0..100 {
        refused = admin.get("audit/?outcome=forbidden").await.expect(200);
        if refused["count"] == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let row = &refused["results"][1];
    let action = "POST /api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/";
    assert_eq!(
        (&row["user"], &row["actor"], &row["action"]),
        (&json!("bob"), &json!("alice"), &json!(action))
    );
}

#[tokio::test]
async fn the_audit_can_be_taken_away_as_csv_and_as_json_lines() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for name in ["one", "two", "three"] {
        let key = json!({"name": name, "kind": "platform"});
        admin.post("api-keys/", key).await.expect(201);
    }
    let strange = json!({"name": "x", "url": PUBLIC_SERVER});
    admin
        .with_header("x-request-id", "=cmd")
        .post("mcp-servers/", strange)
        .await
        .expect(201);

    let csv = admin.get("audit/export/").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        csv.header("content-disposition"),
        Some("attachment; filename=\"audit.csv\"")
    );
    let text = String::from_utf8(csv.bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[0].starts_with("id,at,user,actor,token,peer,action,"),
        "{text}"
    );
    assert!(
        lines[1].contains(",2026-11-21T00:00:00Z,\"alice\",\"\","),
        "{text}"
    );
    assert!(!text.contains("\"=cmd\""), "{text}");

    let jsonl = admin
        .get("audit/export/?as=jsonl&action=api_key.create")
        .await;
    assert_eq!(jsonl.header("content-type"), Some("application/jsonl"));
    let text = String::from_utf8(jsonl.bytes).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert!(
        rows.windows(2)
            .all(|two| two[0]["id"].as_i64() < two[1]["id"].as_i64())
    );
    let listed = admin.get("audit/?action=api_key.create").await.expect(200);
    assert_eq!(rows[2], listed["results"][0]);
    let wrong = admin.get("audit/export/?as=xml").await.expect(400);
    assert_eq!(wrong, json!({ "as": ["\"xml\" is not a valid choice."] }));
}

/// 6.3.5.5: when, which key, who, which tool, what was given (names only), the outcome, how long, from where.
#[tokio::test]
async fn a_call_of_the_academy_is_on_record_with_all_that_is_asked_for() {
    let academy = Academy::v1().await;
    let arguments = json!({ "cohortId": "coh_xyz789" });
    let tool = "check_enrollment_status";
    academy.call(&academy.learner, tool, arguments).await;
    let admin = academy.gateway.admin().await;
    let mut row = eventually("the row", async || {
        let list = admin.get("audit/?action=tools/call").await.expect(200);
        list["results"].get(0).cloned()
    })
    .await;
    for changing in ["id", "token", "duration_us"] {
        assert!(row[changing].as_i64().unwrap() > 0, "{row}");
        row[changing] = 0.into();
    }
    let request_id = row["request_id"].as_str().unwrap();
    assert!(request_id.parse::<uuid::Uuid>().is_ok(), "{row}");
    row["request_id"] = "".into();
    assert_eq!(
        row,
        json!({
            "id": 0, "at": "2024-01-01T00:00:00Z", "user": "bob", "actor": "", "token": 0, "peer": "127.0.0.1",
            "action": "tools/call", "object": "native:v1", "mentor": "", "server": null, "tool": tool, "step": "",
            "outcome": "ok", "duration_us": 0, "request_id": "", "detail": "cohortId"
        })
    );
}
