//! Which credential arrives at the upstream, for every step of the resolution and every way to miss one.

use serde_json::{Value, json};
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{Client, Mcp, Reply, Stage, connect, eventually, register, server_path};

/// The `Authorization` that the upstream saw, or the kind of the refusal.
fn outcome(reply: &Reply) -> Value {
    let answer = reply.answer();
    match answer["error"]["data"]["kind"].as_str() {
        Some(kind) => kind.into(),
        None => answer["result"]["structuredContent"]["headers"]["authorization"].clone(),
    }
}

/// What a call of `up__whoami` comes to, once it is this.
async fn arrives(client: &Mcp, expected: &str) {
    let what = format!("{expected:?}");
    eventually(&what, async || {
        let reply = client.call("up__whoami", json!({})).await;
        (outcome(&reply) == expected).then_some(())
    })
    .await;
}

/// A connection with a token of this name.
fn token(scope: &str, secret: &str) -> Value {
    json!({
        "scope": scope, "auth_type": "token", "credentials": secret, "authorization_scheme": "Bearer",
    })
}

fn with(mut fields: Value, name: &str, value: Value) -> Value {
    fields[name] = value;
    fields
}

/// A mentor with one server of this kind of authentication.
async fn one_server(fields: Value) -> (Stage, Upstream, i64) {
    let stage = Stage::start().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let server = stage.register("Up", &upstream, fields).await;
    stage.attach(&[server]).await;
    (stage, upstream, server)
}

async fn set_active(admin: &Client, connection: i64, is_active: bool) {
    let path = format!("mcp-server-connections/{connection}/");
    admin
        .patch(&path, json!({ "is_active": is_active }))
        .await
        .expect(200);
}

/// The step that the explain endpoint names, and what each step came to.
async fn explained(stage: &Stage, server: i64, user: &str) -> (Value, Vec<Value>) {
    let mentor = &stage.gateway.mentor;
    let path = format!("mcp-servers/{server}/resolve/?user={user}&mentor={mentor}");
    let explained = stage.admin.get(&path).await.expect(200);
    let steps = explained["steps"].as_array().unwrap();
    let outcomes = steps.iter().map(|step| step["outcome"].clone()).collect();
    (explained["used"]["step"].clone(), outcomes)
}

#[tokio::test]
async fn the_first_of_user_mentor_platform_and_the_record_itself_is_used() {
    let scopes = ["platform", "mentor"].map(the_first_is_used);
    futures_util::future::join_all(scopes).await;
}

async fn the_first_is_used(auth_scope: &str) {
    let fields = json!({
        "auth_type": "token", "auth_scope": auth_scope, "credentials": "Key of-the-record",
    });
    let (stage, _upstream, server) = one_server(fields).await;
    let bob = stage.modern();
    let carol = stage.gateway.client("acme", "carol").await;
    let carol = Mcp::modern(&carol, stage.mentor_path());
    let user = with(token("user", "of-bob"), "user", "bob".into());
    let mentor = with(
        token("mentor", "of-mentor"),
        "mentor",
        stage.gateway.mentor.clone().into(),
    );
    let user = stage.connect(server, user).await;
    let mentor = stage.connect(server, mentor).await;
    let platform = stage.connect(server, token("platform", "of-acme")).await;

    arrives(&bob, "Bearer of-bob").await;
    arrives(&carol, "Bearer of-mentor").await;
    assert_eq!(explained(&stage, server, "bob").await.0, "user");
    assert_eq!(explained(&stage, server, "carol").await.0, "mentor");
    let admin = Mcp::modern(&stage.admin, server_path(server));
    let direct = admin.call("whoami", json!({})).await;
    assert_eq!(outcome(&direct), "Bearer of-acme", "without a mentor");

    set_active(&stage.admin, user, false).await;
    arrives(&bob, "Bearer of-mentor").await;
    set_active(&stage.admin, mentor, false).await;
    arrives(&bob, "Bearer of-acme").await;
    set_active(&stage.admin, platform, false).await;
    arrives(&bob, "Key of-the-record").await;
    assert_eq!(
        explained(&stage, server, "bob").await,
        (
            "server".into(),
            vec![
                "inactive".into(),
                "inactive".into(),
                "inactive".into(),
                "matched".into()
            ]
        )
    );
    stage
        .change_server(server, json!({ "credentials": "" }))
        .await;
    arrives(&bob, "no_connection").await;
    assert_eq!(explained(&stage, server, "bob").await.0, Value::Null);
    set_active(&stage.admin, user, true).await;
    arrives(&bob, "Bearer of-bob").await;
    arrives(&carol, "no_connection").await;
}

#[tokio::test]
async fn each_mentor_calls_with_its_own_credential() {
    let (stage, _upstream, server) =
        one_server(json!({ "auth_type": "token", "auth_scope": "mentor" })).await;
    let other = stage
        .admin
        .post("", json!({ "name": "Other" }))
        .await
        .expect(201);
    let other = other["unique_id"].as_str().unwrap();
    let settings = json!({ "tools": ["mcp"], "mcp_servers": [server] });
    stage
        .admin
        .patch(&format!("mentors/{other}/settings/"), settings)
        .await
        .expect(200);
    for (mentor, secret) in [
        (stage.gateway.mentor.as_str(), "of-one"),
        (other, "of-other"),
    ] {
        stage
            .connect(
                server,
                with(token("mentor", secret), "mentor", mentor.into()),
            )
            .await;
    }
    let clients = [
        (stage.modern(), "Bearer of-one"),
        (
            Mcp::modern(&stage.learner, format!("/mcp/mentors/{other}/")),
            "Bearer of-other",
        ),
    ];
    for _ in 0..3 {
        for (client, expected) in &clients {
            let reply = client.call("up__whoami", json!({})).await;
            assert_eq!(outcome(&reply), *expected);
        }
    }
}

#[tokio::test]
async fn a_user_scope_never_falls_through_to_another_credential() {
    let fields = json!({
        "auth_type": "token", "auth_scope": "user", "credentials": "Bearer of-the-record",
    });
    let (stage, upstream, server) = one_server(fields).await;
    let mentor = with(
        token("mentor", "of-mentor"),
        "mentor",
        stage.gateway.mentor.clone().into(),
    );
    stage.connect(server, mentor).await;
    stage.connect(server, token("platform", "of-acme")).await;
    let bobs = stage
        .connect(server, with(token("user", "of-bob"), "user", "bob".into()))
        .await;
    let bob = stage.modern();
    let carol = Mcp::modern(
        &stage.gateway.client("acme", "carol").await,
        stage.mentor_path(),
    );

    arrives(&bob, "Bearer of-bob").await;
    let refused = carol.call("up__whoami", json!({})).await;
    let sentence = "Up is connected for other people and not for you; an administrator can connect it for you.";
    assert_eq!(
        refused.error()["data"],
        json!({ "kind": "no_connection", "server": "Up" })
    );
    assert!(
        refused.error()["message"]
            .as_str()
            .unwrap()
            .contains(sentence),
        "{}",
        refused.error()
    );
    let not_allowed = Value::from("not_allowed");
    let steps = vec![
        "other_user".into(),
        not_allowed.clone(),
        not_allowed.clone(),
        not_allowed,
    ];
    assert_eq!(
        explained(&stage, server, "carol").await,
        (Value::Null, steps)
    );

    set_active(&stage.admin, bobs, false).await;
    arrives(&bob, "no_connection").await;
    for seen in upstream.seen() {
        let authorization = seen.header("authorization");
        assert_eq!(authorization, Some("Bearer of-bob"), "{seen:?}");
    }
}

#[tokio::test]
async fn an_account_that_a_person_must_connect_is_asked_for_by_name() {
    let (stage, upstream, server) =
        one_server(json!({ "auth_type": "oauth2", "auth_scope": "user" })).await;
    stage.connect(server, token("platform", "of-acme")).await;
    let list = stage.modern().request("tools/list", json!({})).await;
    let message = "Up needs you to connect your own account first.";
    assert_eq!(
        list.result()["_meta"]["mentor-gateway/servers"],
        json!([{ "id": server, "name": "Up", "state": "sign_in_needed", "message": message }])
    );
    let asked = stage.modern().call("up__whoami", json!({})).await;
    let link = &asked.result()["_meta"]["mentor-gateway/sign-in"];
    assert_eq!(
        (&asked.result()["isError"], &link["message"]),
        (&json!(true), &json!(message))
    );
    assert_eq!(upstream.seen(), vec![]);
}

#[tokio::test]
async fn a_server_that_wants_nothing_is_called_with_nothing() {
    let (stage, upstream, server) = one_server(json!({})).await;
    let reply = stage.modern().call("up__whoami", json!({})).await;
    assert_eq!(outcome(&reply), Value::Null);
    assert_eq!(explained(&stage, server, "bob").await.0, Value::Null);
    stage.connect(server, token("platform", "of-acme")).await;
    arrives(&stage.modern(), "Bearer of-acme").await;
    drop(upstream);
}

#[tokio::test]
async fn the_scheme_is_written_as_it_was_entered() {
    let (stage, _upstream, server) = one_server(json!({ "auth_type": "token" })).await;
    let connection = stage.connect(server, token("platform", "secret")).await;
    let path = format!("mcp-server-connections/{connection}/");
    for (scheme, expected) in [
        ("Bearer", "Bearer secret"),
        ("bearer", "Bearer secret"),
        ("ApiKey", "ApiKey secret"),
        ("", "secret"),
    ] {
        let fields = json!({ "authorization_scheme": scheme });
        stage.admin.patch(&path, fields).await.expect(200);
        arrives(&stage.modern(), expected).await;
    }
}

#[tokio::test]
async fn a_connections_headers_go_over_the_servers_and_its_credential_over_all() {
    let fields = json!({
        "auth_type": "token", "credentials": "Bearer of-the-record",
        "extra_headers": { "X-Who": "server", "X-Server": "s" },
    });
    let (stage, _upstream, server) = one_server(fields).await;
    let headers = json!({ "x-who": "connection", "X-Connection": "c" });
    stage
        .connect(
            server,
            with(token("platform", "of-acme"), "extra_headers", headers),
        )
        .await;
    let reply = stage.modern().call("up__whoami", json!({})).await;
    let headers = &reply.structured()["headers"];
    let shown = ["authorization", "x-who", "x-server", "x-connection"].map(|name| &headers[name]);
    assert_eq!(shown, ["Bearer of-acme", "connection", "s", "c"]);
}

#[tokio::test]
async fn a_key_that_acts_for_a_learner_calls_with_the_learners_credential() {
    let (stage, _upstream, server) =
        one_server(json!({ "auth_type": "token", "auth_scope": "user" })).await;
    for user in ["bob", "carol", "alice"] {
        stage
            .connect(
                server,
                with(token("user", &format!("of-{user}")), "user", user.into()),
            )
            .await;
    }
    let runtime = stage.gateway.platform_key(&["act-as"]).await;
    for user in ["bob", "carol", "bob"] {
        let client = Mcp::modern(
            &runtime.with_header("x-act-as-user", user),
            stage.mentor_path(),
        );
        let reply = client.call("up__whoami", json!({})).await;
        assert_eq!(outcome(&reply), format!("Bearer of-{user}"));
    }
    let own = Mcp::modern(&runtime, stage.mentor_path())
        .call("up__whoami", json!({}))
        .await;
    assert_eq!(outcome(&own), "Bearer of-alice");
}

/// A featured server of globex that acme's mentor has, and globex's admin.
async fn featured(fields: Value) -> (Stage, Upstream, i64, Client) {
    let stage = Stage::start().await;
    let owner = stage.gateway.stranger().await;
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let fields = with(fields, "is_featured", true.into());
    let server = register(&owner, "Up", &upstream.url(), fields).await;
    stage.attach(&[server]).await;
    (stage, upstream, server, owner)
}

#[tokio::test]
async fn a_featured_server_falls_back_to_what_its_owner_shares() {
    let fields = json!({ "auth_type": "token", "credentials": "Bearer of-the-record" });
    let (stage, _upstream, server, owner) = featured(fields).await;
    let bob = stage.modern();
    arrives(&bob, "Bearer of-the-record").await;
    // What belongs to people and mentors of the owner is nobody else's.
    connect(
        &owner,
        server,
        with(token("user", "of-gil"), "user", "gil".into()),
    )
    .await;
    let shared = connect(&owner, server, token("platform", "of-globex")).await;
    arrives(&bob, "Bearer of-globex").await;
    assert_eq!(explained(&stage, server, "bob").await.0, "featured");

    let path = format!("mcp-server-connections/{shared}/");
    owner
        .patch(&path, json!({ "is_shared": false }))
        .await
        .expect(200);
    owner
        .patch(
            &format!("mcp-servers/{server}/"),
            json!({ "credentials": "" }),
        )
        .await
        .expect(200);
    arrives(&bob, "no_connection").await;
    let no_row = || Value::from("no_row");
    let steps = vec![no_row(), no_row(), no_row(), "withheld".into()];
    assert_eq!(explained(&stage, server, "bob").await, (Value::Null, steps));

    let own = stage.connect(server, token("platform", "of-acme")).await;
    arrives(&bob, "Bearer of-acme").await;
    owner
        .patch(&path, json!({ "is_shared": true }))
        .await
        .expect(200);
    set_active(&stage.admin, own, false).await;
    arrives(&bob, "Bearer of-globex").await;
    owner
        .patch(
            &format!("mcp-servers/{server}/"),
            json!({ "is_featured": false }),
        )
        .await
        .expect(200);
    eventually("its end", async || {
        bob.tool_names().await.is_empty().then_some(())
    })
    .await;
    let refused = bob.call("up__whoami", json!({})).await;
    assert_eq!(refused.error()["message"], "Unknown tool: up__whoami");
}

#[tokio::test]
async fn a_featured_server_for_persons_never_falls_back_to_its_owner() {
    let fields = json!({
        "auth_type": "token", "auth_scope": "user", "credentials": "Bearer of-the-record",
    });
    let (stage, upstream, server, owner) = featured(fields).await;
    connect(&owner, server, token("platform", "of-globex")).await;
    arrives(&stage.modern(), "no_connection").await;
    assert_eq!(upstream.seen(), vec![]);
    stage
        .connect(server, with(token("user", "of-bob"), "user", "bob".into()))
        .await;
    arrives(&stage.modern(), "Bearer of-bob").await;
}

#[tokio::test]
async fn a_server_that_moves_takes_no_credential_along() {
    let (stage, before, server, owner) = featured(json!({ "auth_type": "token" })).await;
    connect(&owner, server, token("platform", "of-globex")).await;
    let acmes = stage.connect(server, token("platform", "of-acme")).await;
    let bobs = stage
        .connect(server, with(token("user", "of-bob"), "user", "bob".into()))
        .await;
    let bob = stage.modern();
    arrives(&bob, "Bearer of-bob").await;

    let elsewhere = Upstream::start(Behaviour::stateless()).await.unwrap();
    let path = format!("mcp-servers/{server}/");
    owner
        .patch(&path, json!({ "url": elsewhere.url() }))
        .await
        .expect(200);
    arrives(&bob, "no_connection").await;
    // Switching it on again is not entering the secret again.
    let bobs_path = format!("mcp-server-connections/{bobs}/");
    let refused = stage
        .admin
        .patch(&bobs_path, json!({ "is_active": true }))
        .await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(
        bob.call("up__whoami", json!({})).await.error()["data"]["kind"],
        "no_connection"
    );
    assert_eq!(elsewhere.seen(), vec![]);

    let path = format!("mcp-server-connections/{acmes}/");
    let again = json!({ "credentials": "of-acme-again", "is_active": true });
    stage.admin.patch(&path, again).await.expect(200);
    arrives(&bob, "Bearer of-acme-again").await;
    let secrets = elsewhere.seen();
    let foreign = |seen: &&upstream_fixtures::Seen| {
        seen.header("authorization") != Some("Bearer of-acme-again")
    };
    assert_eq!(secrets.iter().find(foreign), None);
    drop(before);
}

#[tokio::test]
async fn a_path_on_the_same_origin_keeps_the_credential() {
    let (stage, upstream, server) = one_server(json!({ "auth_type": "token" })).await;
    stage.connect(server, token("platform", "of-acme")).await;
    let moved = format!("{}?tenant=acme", upstream.url());
    stage.change_server(server, json!({ "url": moved })).await;
    arrives(&stage.modern(), "Bearer of-acme").await;
    let with_query = |seen: &upstream_fixtures::Seen| seen.path == "/mcp?tenant=acme";
    upstream
        .wait_for(with_query, crate::harness::SOON)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refused_credential_is_one_clean_error_that_shows_nothing_of_it() {
    for behaviour in [
        Behaviour::stateless(),
        Behaviour::sessions(),
        Behaviour::sse(),
        Behaviour::websocket(),
    ] {
        let stage = Stage::start().await;
        let upstream = Upstream::start(behaviour).await.unwrap();
        let server = stage
            .register("Up", &upstream, json!({ "auth_type": "token" }))
            .await;
        stage
            .connect(server, token("platform", "CANARY-secret"))
            .await;
        stage.attach(&[server]).await;
        upstream.require_authorization(Some("Bearer another".into()));
        let refused = stage.modern().call("up__whoami", json!({})).await;
        assert_eq!(
            *refused.error(),
            json!({
                "code": -32603, "message": "server \"Up\" refused the credential",
                "data": { "kind": "unauthorized", "server": "Up", "mayHaveExecuted": false },
            })
        );
        let list = stage.modern().request("tools/list", json!({})).await;
        let state = &list.result()["_meta"]["mentor-gateway/servers"][0];
        assert_eq!(state["state"], "unauthorized");
        assert!(!list.answer().to_string().contains("CANARY"));
    }
}
