//! Where a grant may go: every way by which one meets an address, and every address (docs/inside/decisions.md#grants).
//! What was asked for a resource goes to that resource alone, what was asked of a catalog service to the servers that
//! name it, and what is one person's own is nobody else's.

use mentor_gateway::registry::grant::{Grant, GrantId};
use mentor_gateway::registry::sealed::{ACCESS_TOKEN, Change, Record};
use mentor_gateway::secret::Secret;
use mentor_gateway::{sql, tenant};
use serde_json::{Value, json};
use upstream_fixtures::issuer::Switches;
use upstream_fixtures::{Behaviour, Upstream};

use crate::harness::{Client, Mcp, PUBLIC_SERVER, SignIn, Stage, connect, eventually, register};

const CONNECTIONS: &str = "mcp-server-connections/";
const ELSEWHERE: &str =
    "Selected connected service was granted for another address than the server's.";
const OTHER_SERVICE: &str =
    "Selected connected service is for another service than the server names.";
const ANOTHERS: &str = "Selected connected service belongs to another user.";

/// A grant of a person for a resource, or of a service of the catalog, whose token is `of-{username}`.
async fn grant(stage: &Stage, username: &str, resource: &str, service: Option<i64>) -> i64 {
    let grant = stage.gateway.grant("acme", username).await;
    let app = &stage.gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let name = Grant::record_name(GrantId(grant));
    let record = Record {
        tenant: acme.id,
        name: &name,
        origin: "",
    };
    let token = Change::Set(Secret::new(format!("of-{username}")));
    sql!(
        &mut tx,
        execute,
        "UPDATE connected_services SET resource = $2, service_id = $3, access_token_sealed = $4 WHERE id = $1",
        grant,
        resource,
        service,
        record.seal(&app.vault, ACCESS_TOKEN, &token, "")
    )
    .unwrap();
    tx.commit().await.unwrap();
    grant
}

/// Addresses seen from the one that a grant was asked for, and whether it may go there.
fn places(upstream: &Upstream, other: &Upstream) -> Vec<(&'static str, String, bool)> {
    let url = upstream.url();
    let origin = url.strip_suffix("/mcp").unwrap().to_owned();
    let port = origin.rsplit_once(':').unwrap().1.to_owned();
    vec![
        ("itself", url.clone(), true),
        ("with a query", format!("{url}?tenant=acme"), true),
        ("below", format!("{url}/below"), true),
        ("beside", format!("{origin}/mcp2"), false),
        ("above", format!("{origin}/"), false),
        ("up and down", format!("{url}/..%2fother"), false),
        ("another port", other.url(), false),
        (
            "another host",
            format!("http://127.0.0.2:{port}/mcp"),
            false,
        ),
        (
            "another scheme",
            format!("https://127.0.0.1:{port}/mcp"),
            false,
        ),
    ]
}

struct World {
    stage: Stage,
    upstream: Upstream,
    other: Upstream,
}

impl World {
    async fn start() -> Self {
        let stage = Stage::start().await;
        let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
        let other = Upstream::start(Behaviour::stateless()).await.unwrap();
        Self {
            stage,
            upstream,
            other,
        }
    }

    async fn server(&self, name: &str, url: &str) -> i64 {
        let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
        register(&self.stage.admin, name, url, fields).await
    }

    /// What `resolve` says of bob's own step, and of the whole.
    async fn explained(&self, server: i64) -> (Value, Value) {
        let path = format!("mcp-servers/{server}/resolve/?user=bob");
        let explained = self.stage.admin.get(&path).await.expect(200);
        (
            explained["steps"][0]["outcome"].clone(),
            explained["outcome"].clone(),
        )
    }

    /// Whether bob's token arrived anywhere but where it may.
    fn strayed(&self) -> bool {
        let seen = self.other.seen();
        seen.iter()
            .any(|seen| seen.header("authorization").is_some())
    }
}

fn bobs(server: i64, grant: i64) -> Value {
    json!({
        "server": server, "scope": "user", "user": "bob", "auth_type": "oauth2", "connected_service": grant,
    })
}

#[tokio::test]
async fn no_request_gives_a_grant_to_an_address_outside_of_its_resource() {
    let world = World::start().await;
    let admin = &world.stage.admin;
    let grant = grant(&world.stage, "bob", &world.upstream.url(), None).await;
    let home = world.server("Home", &world.upstream.url()).await;
    let places = places(&world.upstream, &world.other);
    for (number, (place, url, fits)) in places.into_iter().enumerate() {
        let server = world.server(&format!("Place {number}"), &url).await;
        let expected = |ok| if fits { ok } else { 400 };
        let posted = admin.post(CONNECTIONS, bobs(server, grant)).await;
        assert_eq!(
            posted.status,
            expected(201),
            "POST {place}: {}",
            posted.body
        );
        // The person themself is held to the same.
        let own = world
            .stage
            .learner
            .post(CONNECTIONS, bobs(server, grant))
            .await;
        assert_eq!(own.status, expected(201), "own POST {place}");
        let row = connect(admin, home, bobs(home, grant)).await;
        let path = format!("{CONNECTIONS}{row}/");
        let moved = json!({ "server": server, "connected_service": grant });
        let patched = admin.patch(&path, moved).await;
        assert_eq!(patched.status, expected(200), "PATCH {place}");
        let put = admin.put(&path, bobs(server, grant)).await;
        assert_eq!(put.status, expected(200), "PUT {place}");
        for refused in [&posted, &own, &patched, &put] {
            if !fits {
                assert_eq!(
                    refused.body,
                    json!({ "connected_service": [ELSEWHERE] }),
                    "{place}"
                );
            }
        }
        let said = match fits {
            true => ("matched", "ok"),
            false => ("other_user", "sign_in_needed"),
        };
        let explained = world.explained(server).await;
        if fits {
            assert_eq!(explained, (said.0.into(), said.1.into()), "{place}");
        } else {
            assert_eq!(explained.1, said.1, "{place}");
        }
    }
}

#[tokio::test]
async fn a_server_that_moves_out_of_the_resource_takes_no_grant_along() {
    for is_featured in [false, true] {
        let world = World::start().await;
        let stranger = world.stage.gateway.stranger().await;
        let owner: &Client = if is_featured {
            &stranger
        } else {
            &world.stage.admin
        };
        let grant = grant(&world.stage, "bob", &world.upstream.url(), None).await;
        for (number, (place, url, fits)) in places(&world.upstream, &world.other)
            .into_iter()
            .enumerate()
        {
            let fields = json!({
                "auth_type": "oauth2", "auth_scope": "user", "is_featured": is_featured,
            });
            let name = format!("Up {number}");
            let server = register(owner, &name, &world.upstream.url(), fields).await;
            let row = connect(&world.stage.admin, server, bobs(server, grant)).await;
            let moved = json!({ "url": url });
            let path = format!("mcp-servers/{server}/");
            owner.patch(&path, moved).await.expect(200);
            let said = match fits {
                true => ("matched".into(), "ok".into()),
                false => ("other_resource".into(), "sign_in_needed".into()),
            };
            assert_eq!(world.explained(server).await, said, "{place}");
            let path = format!("{CONNECTIONS}{row}/");
            let row = world.stage.admin.get(&path).await.expect(200);
            assert_eq!(row["is_active"], fits, "{place}");
            if !fits {
                let again = json!({ "is_active": true });
                let refused = world.stage.admin.patch(&path, again).await;
                assert_eq!(
                    refused.expect(400),
                    json!({ "connected_service": [ELSEWHERE] }),
                    "{place}"
                );
                let rows = "audit/?action=connection.deactivate&page_size=1";
                let log = world.stage.admin.get(rows).await.expect(200);
                let object = format!("connection:{}", row["id"]);
                let is_told = log["results"][0]["object"] == object.as_str();
                assert_eq!(is_told, is_featured, "{place}: {log}");
            }
        }
        assert!(!world.strayed());
    }
}

#[tokio::test]
async fn a_row_that_came_from_elsewhere_is_not_used_either() {
    let world = World::start().await;
    let stage = &world.stage;
    let grant = grant(stage, "bob", &world.upstream.url(), None).await;
    let home = world.server("Home", &world.upstream.url()).await;
    let away = world.server("Away", &world.other.url()).await;
    let row = connect(&stage.admin, home, bobs(home, grant)).await;
    stage.attach(&[home, away]).await;
    let before = stage.modern().call("home__whoami", json!({})).await;
    let headers = &before.structured()["headers"];
    assert_eq!(headers["authorization"], "Bearer of-bob");
    // As a restored backup or a row of an older version may be.
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE connections SET server_id = $2, origin = (SELECT origin FROM servers WHERE id = $2) WHERE id = $1",
        row,
        away
    )
    .unwrap();
    tx.commit().await.unwrap();
    let said = ("other_resource".into(), "sign_in_needed".into());
    assert_eq!(world.explained(away).await, said);
    eventually("a question", async || {
        let reply = stage.modern().call("away__whoami", json!({})).await;
        reply.result()["_meta"]["mentor-gateway/sign-in"]
            .is_object()
            .then_some(())
    })
    .await;
    assert!(!world.strayed());
}

/// The numbers of two services of the catalog.
async fn services(stage: &Stage) -> [i64; 2] {
    let mut tx = stage.gateway.app.db.read().await.unwrap();
    let rows = sql!(
        &mut tx,
        fetch_all as (i64,),
        "SELECT id FROM oauth_services ORDER BY id LIMIT 2"
    )
    .unwrap();
    [rows[0].0, rows[1].0]
}

#[tokio::test]
async fn a_grant_of_the_catalog_goes_to_the_servers_that_name_its_service() {
    let world = World::start().await;
    let stage = &world.stage;
    let [service, another] = services(stage).await;
    let grant = grant(stage, "bob", "", Some(service)).await;
    let url = world.upstream.url();
    for (name, named, fits) in [
        ("Names it", Some(service), true),
        // The example of the description (docs/inside/contract.md#connections): the connection alone says which.
        ("Names none", None, true),
        ("Names another", Some(another), false),
    ] {
        let fields = json!({ "auth_type": "oauth2", "auth_scope": "user", "oauth_service": named });
        let server = register(&stage.admin, name, &url, fields).await;
        let posted = stage.admin.post(CONNECTIONS, bobs(server, grant)).await;
        if !fits {
            let complaint = json!({ "connected_service": [OTHER_SERVICE] });
            assert_eq!(posted.expect(400), complaint);
            continue;
        }
        posted.expect(201);
        assert_eq!(world.explained(server).await.0, "matched", "{name}");
        // The record names another one from now on: what was granted for the first does not go along.
        let path = format!("mcp-servers/{server}/");
        let other = json!({ "oauth_service": another });
        stage.admin.patch(&path, other).await.expect(200);
        assert_eq!(world.explained(server).await.0, "other_service", "{name}");
    }
}

#[tokio::test]
async fn a_grant_stays_its_persons_through_every_change() {
    let world = World::start().await;
    let stage = &world.stage;
    let fields = json!({ "auth_type": "oauth2" });
    let server = register(&stage.admin, "Up", &world.upstream.url(), fields).await;
    let learners = grant(stage, "bob", "", None).await;
    let mentor = &stage.gateway.mentor;
    let row = connect(&stage.admin, server, bobs(server, learners)).await;
    let path = format!("{CONNECTIONS}{row}/");
    let shared = [
        json!({ "scope": "platform", "user": null }),
        json!({ "scope": "tenant" }),
        json!({ "scope": "mentor", "user": null, "mentor": mentor }),
        json!({ "scope": "platform", "user": null, "connected_service": learners }),
        json!({ "user": "carol" }),
        json!({ "user": "carol", "connected_service": learners }),
    ];
    for change in shared {
        let refused = stage.admin.patch(&path, change.clone()).await;
        let complaint = json!({ "connected_service": [ANOTHERS] });
        assert_eq!(refused.expect(400), complaint, "{change}");
        let mut whole = change.clone();
        for (name, value) in [("server", json!(server)), ("auth_type", json!("oauth2"))] {
            whole[name] = value;
        }
        let refused = stage.admin.put(&path, whole.clone()).await;
        assert_eq!(refused.expect(400), complaint, "{whole}");
    }
    let own = grant(stage, "alice", "", None).await;
    let mine = json!({
        "server": server, "scope": "platform", "auth_type": "oauth2", "connected_service": own,
    });
    let shared = stage
        .admin
        .post(CONNECTIONS, mine.clone())
        .await
        .expect(201);
    // What its owner shared, another admin may change and not share anew.
    stage.gateway.newcomer("dora").await;
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE users SET role = 'admin' WHERE username = 'dora'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let dora = stage.gateway.client("acme", "dora").await;
    let of_shared = format!("{CONNECTIONS}{}/", shared["id"]);
    let touched = dora.patch(&of_shared, json!({ "is_shared": false })).await;
    touched.expect(200);
    assert_eq!(
        dora.post(CONNECTIONS, mine).await.expect(400),
        json!({ "connected_service": [ANOTHERS] })
    );
}

#[tokio::test]
async fn a_learners_grant_in_a_shared_row_is_nobodys_identity() {
    let world = World::start().await;
    let stage = &world.stage;
    let fields = json!({ "auth_type": "oauth2" });
    let server = register(&stage.admin, "Up", &world.upstream.url(), fields).await;
    stage.attach(&[server]).await;
    let learners = grant(stage, "bob", "", None).await;
    let row = connect(&stage.admin, server, bobs(server, learners)).await;
    // As a version that let it happen left it.
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE connections SET scope = 'platform', user_id = NULL WHERE id = $1",
        row
    )
    .unwrap();
    tx.commit().await.unwrap();
    let carol = stage.gateway.client("acme", "carol").await;
    for person in [&carol, &stage.learner] {
        let client = Mcp::modern(person, stage.mentor_path());
        let refused = client.call("up__whoami", json!({})).await;
        assert_eq!(refused.error()["data"]["kind"], "no_connection");
        assert_eq!(
            refused.error()["message"],
            "no connection to server \"Up\": The connection to Up holds the account of somebody who did not share it; \
             an administrator must connect another."
        );
    }
    let path = format!("mcp-servers/{server}/resolve/?user=carol");
    let explained = stage.admin.get(&path).await.expect(200);
    assert_eq!(explained["steps"][2]["outcome"], "other_persons_grant");
    assert_eq!(world.upstream.seen(), vec![]);
    // It may always be switched off, whatever is wrong with it.
    let off = json!({ "is_active": false });
    let off = stage
        .admin
        .patch(&format!("{CONNECTIONS}{row}/"), off)
        .await;
    off.expect(200);
}

#[tokio::test]
async fn a_secret_that_was_entered_for_one_person_is_entered_again_for_others() {
    let world = World::start().await;
    let stage = &world.stage;
    let fields = json!({ "auth_type": "token" });
    let server = register(&stage.admin, "Up", &world.upstream.url(), fields).await;
    let own = json!({
        "scope": "user", "user": "bob", "auth_type": "token", "credentials": "of-bob",
        "extra_headers": { "x-key": "of-bob" },
    });
    let row = connect(&stage.admin, server, own).await;
    let path = format!("{CONNECTIONS}{row}/");
    let complaint = json!({
        "credentials": ["Enter the credential again: it was entered for one person."],
        "extra_headers": ["Enter the headers again: they were entered for one person."],
    });
    for change in [
        json!({ "scope": "platform", "user": null }),
        json!({ "scope": "mentor", "user": null, "mentor": stage.gateway.mentor }),
        json!({ "user": "carol" }),
        json!({ "user": "carol", "credentials": "****" }),
    ] {
        let refused = stage.admin.patch(&path, change.clone()).await;
        assert_eq!(refused.expect(400), complaint, "{change}");
    }
    let entered = json!({ "user": "carol", "credentials": "of-carol", "extra_headers": null });
    stage.admin.patch(&path, entered).await.expect(200);
}

#[tokio::test]
async fn a_sign_in_connects_no_server_that_its_grant_is_not_for() {
    let sign_in = SignIn::start(Switches::default()).await;
    let admin = &sign_in.stage.admin;
    let service = async |name: &str| {
        let path = format!("/api/accounts/orgs/acme/oauth-services/?name={name}");
        admin.get(&path).await.expect(200)[0]["id"].clone()
    };
    for (named, connects) in [("files", true), ("notes", false)] {
        let server = json!({
            "name": named, "url": PUBLIC_SERVER, "auth_type": "oauth2", "auth_scope": "user",
            "oauth_service": service(named).await,
        });
        let server = admin.post("mcp-servers/", server).await.expect(201)["id"].clone();
        let learner = &sign_in.stage.learner;
        let begun = sign_in
            .begin_with(learner, &format!("?server={server}"))
            .await;
        let back = sign_in.consent(&begun).await;
        sign_in.bring(learner, &back).await.expect(200);
        let rows = format!("{CONNECTIONS}?server={server}");
        let rows = admin.get(&rows).await.expect(200);
        assert_eq!(rows["count"], i64::from(connects), "{named}");
    }
}
